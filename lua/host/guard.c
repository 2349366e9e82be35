// Permissions and the rest of Lua: who is not permitted native code gets no debug library either,
// for what is in C trusts what only that can change.
#include "lua/host/guard.h"

#include "lua/bind/error.h"
#include "lua/bind/permit.h"

#include <string.h>

// getinfo, without the functions of C that it finds on the stack: some trust their arguments.
static int safe_getinfo(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  if (!lua_istable(L, -1)) return 1;
  lua_getfield(L, -1, "func");
  bool native = lua_iscfunction(L, -1);
  lua_pop(L, 1);
  if (!native) return 1;
  lua_pushnil(L);
  lua_setfield(L, -2, "func");
  return 1;
}

// What changes or tells upvalues, for functions of Lua.
static int lua_only(lua_State *L) {
  if (lua_iscfunction(L, 1) || lua_iscfunction(L, 3))
    return rl_raise_denied(L, "debug", NULL, NULL, "of a C function, it needs --allow-native");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static void limit_debug(lua_State *L) {
  static const char *const of_lua[] = {"getupvalue", "setupvalue", "upvalueid", "upvaluejoin"};
  lua_getglobal(L, "debug");
  lua_newtable(L);
  lua_getfield(L, -2, "traceback");
  lua_setfield(L, -2, "traceback");
  lua_getfield(L, -2, "getinfo");
  lua_pushcclosure(L, safe_getinfo, 1);
  lua_setfield(L, -2, "getinfo");
  for (size_t i = 0; i < sizeof of_lua / sizeof *of_lua; i++) {
    lua_getfield(L, -2, of_lua[i]);
    lua_pushcclosure(L, lua_only, 1);
    lua_setfield(L, -2, of_lua[i]);
  }
  lua_getglobal(L, "getmetatable");
  lua_setfield(L, -2, "getmetatable");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "debug");
  lua_pop(L, 1);
  lua_setglobal(L, "debug");
  lua_pop(L, 1);
}

void rl_guard_apply(lua_State *L) {
  if (!rl_permit_of(L)) return;
  rl_guard_files(L);
  rl_guard_code(L);
  if (!rl_may_native(L)) limit_debug(L);
}
