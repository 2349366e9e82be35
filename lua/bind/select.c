// Cases of rille.select.
#include "lua/bind/select.h"

static const char case_name[] = "rille.Case";

rl_case *rl_push_case(lua_State *L, const rl_case_kind *kind, int object, int value) {
  rl_case *c = lua_newuserdatauv(L, sizeof *c, 2);
  *c = (rl_case){.kind = kind};
  luaL_newmetatable(L, case_name);
  lua_setmetatable(L, -2);
  if (object) {
    lua_pushvalue(L, object);
    lua_setiuservalue(L, -2, 1);
  }
  if (value) {
    lua_pushvalue(L, value);
    lua_setiuservalue(L, -2, 2);
  }
  return c;
}

rl_case *rl_test_case(lua_State *L, int index) { return luaL_testudata(L, index, case_name); }
