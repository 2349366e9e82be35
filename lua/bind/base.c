// The basic functions that cancellation passes through and waiting works in: pcall, xpcall, and
// those written in Lua (require, dofile, table.sort and string.gsub with a function), which load at
// the first need.
#include "lua/bind/base.h"

#include "lua/bind/code.h"
#include "lua/bind/error.h"
#include "lua/bind/scope.h"
#include "lua/bind/stack.h"

#include <limits.h>

// Protected calls: a cancellation whose target is outside goes on when the call ends.

static int protected(lua_State *L, int status, lua_KContext mark, int extra) {
  bool failed = status != LUA_OK && status != LUA_YIELD;
  // Behind a message handler the error may be what that made of a cancellation, unless it is one of
  // the runtime's: the handler has seen it, and nothing is lost.
  rl_protect_done(L, mark, failed && (extra == 0 || rl_is_error_object(L, -1)));
  if (!failed) return lua_gettop(L) - extra;
  lua_pushboolean(L, 0);
  lua_pushvalue(L, -2);
  return 2;
}

static int pcall_k(lua_State *L, int status, lua_KContext mark) {
  return protected(L, status, mark, 0);
}
static int xpcall_k(lua_State *L, int status, lua_KContext mark) {
  return protected(L, status, mark, 2);
}

int rl_base_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  lua_KContext mark = rl_protect_mark(L);
  return pcall_k(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, mark, pcall_k), mark);
}

static int base_xpcall(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  lua_KContext mark = rl_protect_mark(L);
  return xpcall_k(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, mark, xpcall_k), mark);
}

// rille.try

static int try_k(lua_State *L, int status, lua_KContext mark) {
  bool failed = status != LUA_OK && status != LUA_YIELD;
  rl_protect_done(L, mark, failed);
  if (!failed) return lua_gettop(L);
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

int rl_base_try(lua_State *L) {
  luaL_checkany(L, 1);
  lua_KContext mark = rl_protect_mark(L);
  return try_k(L, lua_pcallk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, mark, try_k), mark);
}

// rille.catch_cancel: the one protected call that sees a cancellation.

static int catch_cancel_k(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

int rl_base_catch_cancel(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  return catch_cancel_k(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, catch_cancel_k), 0);
}

// What is written in Lua: stdlib/base.lua returns a table of functions.

static int call_k(lua_State *L, int status, lua_KContext base) {
  (void)status;
  return lua_gettop(L) - (int)base;
}

// Calls function `name` of stdlib/base.lua with all arguments. The standard function is upvalue 1.
static int call_lua(lua_State *L, const char *name) {
  rl_state *st = rl_state_of(L);
  if (!st->base) {
    st->load(L, "base.lua");
    lua_call(L, 0, 1);
    st->base = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->base);
  lua_getfield(L, -1, name);
  lua_insert(L, 1);
  lua_pop(L, 1);
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, call_k);
  return call_k(L, LUA_OK, 0);
}

static int standard(lua_State *L) {
  int count = lua_gettop(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, count, LUA_MULTRET);
  return lua_gettop(L);
}

static bool is_lua_function(lua_State *L, int index) {
  return lua_isfunction(L, index) && !lua_iscfunction(L, index);
}

// No order function, but a first element whose __lt may wait.
static bool compares_objects(lua_State *L) {
  if (!lua_isnoneornil(L, 2)) return false;
  lua_rawgeti(L, 1, 1);
  bool found = luaL_getmetafield(L, -1, "__lt") != LUA_TNIL;
  lua_settop(L, 1);
  return found;
}

// The standard functions know their names no more: what they would refuse is refused here.
static int base_sort(lua_State *L) {
  if (!lua_istable(L, 1) && !lua_isuserdata(L, 1)) luaL_checktype(L, 1, LUA_TTABLE);
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  if (!lua_istable(L, 1) || !(is_lua_function(L, 2) || compares_objects(L))) return standard(L);
  lua_Integer n = luaL_len(L, 1);
  luaL_argcheck(L, n < INT_MAX, 1, "array too big");
  lua_settop(L, 2);
  lua_pushinteger(L, n);
  rl_co_mark(L, RL_CO_GUARDED, true);
  return call_lua(L, "sort");
}

static int base_gsub(lua_State *L) {
  luaL_checkstring(L, 1);
  luaL_checkstring(L, 2);
  int type = lua_type(L, 3);
  luaL_argexpected(
      L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE,
      3, "string/function/table");
  luaL_optinteger(L, 4, 0);
  if (!is_lua_function(L, 3)) return standard(L);
  rl_co_mark(L, RL_CO_GUARDED, true);
  return call_lua(L, "gsub");
}

static int base_require(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, 2, lua_tostring(L, 1));
  if (lua_toboolean(L, -1)) return 1;
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));  // the package table
  return call_lua(L, "require");
}

static int dofile_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L) - 1;
}

static int base_dofile(lua_State *L) {
  const char *path = luaL_optstring(L, 1, NULL);
  lua_settop(L, 1);
  if (rl_code_load(L, path, path ? NULL : rl_code_mode(L, NULL)) != LUA_OK) return lua_error(L);
  lua_callk(L, 0, LUA_MULTRET, 0, dofile_k);
  return dofile_k(L, LUA_OK, 0);
}

// debug.traceback, without the runtime's own frames.
static int base_traceback(lua_State *L) {
  bool other = lua_isthread(L, 1);
  lua_State *co = other ? lua_tothread(L, 1) : L;
  int message = other ? 2 : 1;
  if (lua_type(L, message) != LUA_TSTRING && !lua_isnoneornil(L, message)) {
    lua_pushvalue(L, message);
    return 1;
  }
  int level = (int)luaL_optinteger(L, message + 1, other ? 0 : 1);
  size_t length;
  const char *text = lua_tolstring(L, message, &length);
  luaL_checkstack(L, 12, "traceback");
  if (text) {
    lua_pushlstring(L, text, length);
    lua_pushliteral(L, "\n");
  } else {
    lua_pushliteral(L, "");
    lua_pushliteral(L, "");
  }
  lua_pushliteral(L, "stack traceback:");
  rl_push_stack(L, co, level, true);
  lua_concat(L, 4);
  return 1;
}

void rl_base_replace(lua_State *L, const char *library, const char *name, lua_CFunction f) {
  lua_getglobal(L, library);
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, f, 1);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

void rl_base_open(lua_State *L) {
  rl_state *st = rl_state_of(L);
  st->guarded[0] = base_sort;
  st->guarded[1] = base_gsub;
  lua_register(L, "pcall", rl_base_pcall);
  lua_register(L, "xpcall", base_xpcall);
  lua_register(L, "dofile", base_dofile);
  rl_base_replace(L, "table", "sort", base_sort);
  rl_base_replace(L, "string", "gsub", base_gsub);
  rl_base_replace(L, "debug", "traceback", base_traceback);
  lua_getglobal(L, "package");
  lua_pushcclosure(L, base_require, 1);
  lua_setglobal(L, "require");
}
