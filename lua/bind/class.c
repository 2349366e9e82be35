// Classes of userdata, and the arguments of C functions.
#include "lua/bind/class.h"

#include "lua/bind/permit.h"

#include <math.h>
#include <string.h>

static void set_methods(lua_State *L, const luaL_Reg *methods) {  // metatable, index table
  for (const luaL_Reg *m = methods; m && m->name; m++) {
    bool meta = m->name[0] == '_' && m->name[1] == '_';
    lua_pushcfunction(L, m->func);
    lua_setfield(L, meta ? -3 : -2, m->name);
  }
}

void rl_class_open(lua_State *L, const rl_class *class) {
  if (luaL_newmetatable(L, class->name)) {
    lua_newtable(L);
    set_methods(L, class->methods);
    if (!rl_may_native(L)) {  // metamethods trust their arguments
      lua_pushstring(L, class->name);
      lua_setfield(L, -3, "__metatable");
    }
    lua_getfield(L, -2, "__index");
    bool own_index = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (own_index) {
      lua_setfield(L, -2, "methods");
    } else {
      lua_setfield(L, -2, "__index");
    }
  }
  lua_pop(L, 1);
}

void *rl_object_new(lua_State *L, const rl_class *class, int uservalues) {
  rl_box *box = lua_newuserdatauv(L, class->size, uservalues);
  memset(box, 0, class->size);
  box->class = class;
  if (luaL_getmetatable(L, class->name) == LUA_TNIL) {
    lua_pop(L, 1);
    rl_class_open(L, class);
    luaL_getmetatable(L, class->name);
  }
  lua_setmetatable(L, -2);
  return box;
}

// A class may stand in several C modules: the same name is the same class.
void *rl_test_object(lua_State *L, int index, const rl_class *class) {
  rl_box *box = lua_touserdata(L, index);  // light ones have no length
  if (!box || lua_rawlen(L, index) < sizeof(rl_box)) return NULL;
  if (box->class == class) return box;
  return luaL_testudata(L, index, class->name);
}

void *rl_check_object(lua_State *L, int index, const rl_class *class) {
  void *object = rl_test_object(L, index, class);
  if (!object) luaL_typeerror(L, index, class->name);
  return object;
}

static const char *to_nanoseconds(lua_Number s, uint64_t *ns) {
  if (isnan(s)) return "must be a number of seconds, got NaN";
  if (s < 0) return "must not be negative";
  *ns = s >= 9.2e9 ? RL_NEVER : (uint64_t)ceil(s * 1e9);
  return NULL;
}

uint64_t rl_check_seconds(lua_State *L, int index) {
  uint64_t ns = 0;
  const char *wrong = to_nanoseconds(luaL_checknumber(L, index), &ns);
  if (wrong) luaL_argerror(L, index, wrong);
  return ns;
}

uint64_t rl_to_seconds(lua_State *L, int index, const char *what) {
  uint64_t ns = 0;
  int is_number;
  lua_Number s = lua_tonumberx(L, index, &is_number);
  if (!is_number)
    luaL_error(L, "option '%s': number of seconds expected, got %s", what, luaL_typename(L, index));
  const char *wrong = to_nanoseconds(s, &ns);
  if (wrong) luaL_error(L, "option '%s' %s", what, wrong);
  return ns;
}

static bool is_known(const char *name, const char *const *names) {
  for (; *names; names++) {
    if (strcmp(*names, name) == 0) return true;
  }
  return false;
}

bool rl_check_options(lua_State *L, int index, const char *const *names) {
  if (lua_isnoneornil(L, index)) return false;
  luaL_checktype(L, index, LUA_TTABLE);
  index = lua_absindex(L, index);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) continue;  // positional fields are the caller's
    if (!is_known(lua_tostring(L, -2), names))
      luaL_argerror(L, index, lua_pushfstring(L, "unknown option '%s'", lua_tostring(L, -2)));
  }
  return true;
}

static int option(lua_State *L, int index, const char *name) {
  if (!lua_istable(L, index)) {
    lua_pushnil(L);
    return LUA_TNIL;
  }
  return lua_getfield(L, index, name);
}

static void wrong_option(lua_State *L, const char *name, const char *expected) {
  luaL_error(L, "option '%s': %s expected, got %s", name, expected, luaL_typename(L, -1));
}

bool rl_option_bool(lua_State *L, int index, const char *name, bool otherwise) {
  int type = option(L, index, name);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN) wrong_option(L, name, "boolean");
  bool value = type == LUA_TNIL ? otherwise : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

lua_Integer rl_option_integer(lua_State *L, int index, const char *name, lua_Integer low,
                              lua_Integer high, lua_Integer otherwise) {
  lua_Integer value = otherwise;
  if (option(L, index, name) != LUA_TNIL) {
    int is_integer;
    value = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || lua_type(L, -1) != LUA_TNUMBER) wrong_option(L, name, "integer");
    if (value < low || value > high)
      luaL_error(L, "option '%s': %I is not between %I and %I", name, value, low, high);
  }
  lua_pop(L, 1);
  return value;
}

const char *rl_option_string(lua_State *L, int index, const char *name, size_t *length,
                             const char *otherwise) {
  const char *value = otherwise;
  if (length) *length = otherwise ? strlen(otherwise) : 0;
  if (option(L, index, name) != LUA_TNIL) {
    if (lua_type(L, -1) != LUA_TSTRING) wrong_option(L, name, "string");
    value = lua_tolstring(L, -1, length);  // the options table keeps it alive
  }
  lua_pop(L, 1);
  return value;
}

uint64_t rl_option_seconds(lua_State *L, int index, const char *name, uint64_t otherwise) {
  uint64_t ns = otherwise;
  if (option(L, index, name) != LUA_TNIL) ns = rl_to_seconds(L, -1, name);
  lua_pop(L, 1);
  return ns;
}
