// Functions of the standard libraries whose C loops no hook can stop, with a bound on their work.
#include "lua/host/bounded.h"

#include "lua/bind/base.h"
#include "lua/host/pattern.h"
#include "lua/host/runtime.h"

#include <lauxlib.h>
#include <string.h>

enum { MOST = 10000000 };  // elements or repetitions in one call

static int too_long(lua_State *L, const char *name) {
  return luaL_error(L, "%s: more work than is allowed here", name);
}

// Calls the standard function, upvalue 1, with all arguments.
static int pass_on(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int bounded_rep(lua_State *L) {
  luaL_checkstring(L, 1);
  if (luaL_checkinteger(L, 2) > MOST) return too_long(L, "rep");
  return pass_on(L);
}

static bool too_far(lua_Integer from, lua_Integer to) {
  return to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= MOST;
}

static int bounded_move(lua_State *L) {
  if (too_far(luaL_checkinteger(L, 2), luaL_checkinteger(L, 3))) return too_long(L, "move");
  return pass_on(L);
}

// concat, insert, remove and unpack walk up to a length that a metamethod may have made up.
static int bounded_walk(lua_State *L, const char *name, int from, int to) {
  if (lua_istable(L, 1)) {
    lua_Integer first = from && !lua_isnoneornil(L, from) ? luaL_checkinteger(L, from) : 1;
    lua_Integer last = to && !lua_isnoneornil(L, to) ? luaL_checkinteger(L, to) : luaL_len(L, 1);
    if (too_far(first, last)) return too_long(L, name);
  }
  return pass_on(L);
}

static int bounded_concat(lua_State *L) { return bounded_walk(L, "concat", 3, 4); }
static int bounded_unpack(lua_State *L) { return bounded_walk(L, "unpack", 2, 3); }
static int bounded_insert(lua_State *L) { return bounded_walk(L, "insert", 0, 0); }
static int bounded_remove(lua_State *L) { return bounded_walk(L, "remove", 0, 0); }

// A message handler runs inside the hook that raised the error, where no hook reaches: not when the
// code is to stop.
static int guarded_handler(lua_State *L) {
  if (atomic_load(&rl_runtime_of(L)->interrupt)) return 1;
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int guard_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L);
}

static int guarded_xpcall(lua_State *L) {
  luaL_checkany(L, 2);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, guarded_handler, 1);
  lua_replace(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, guard_k);
  return lua_gettop(L);
}

void rl_bounded_open(lua_State *L) {
  rl_base_replace(L, "string", "rep", bounded_rep);
  rl_base_replace(L, "table", "move", bounded_move);
  rl_base_replace(L, "table", "concat", bounded_concat);
  rl_base_replace(L, "table", "unpack", bounded_unpack);
  rl_base_replace(L, "table", "insert", bounded_insert);
  rl_base_replace(L, "table", "remove", bounded_remove);
  rl_base_replace(L, LUA_GNAME, "xpcall", guarded_xpcall);
  rl_pattern_open(L);
}
