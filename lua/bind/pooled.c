// Blocking calls on libuv's pool, as Lua functions.
#include "lua/bind/pooled.h"

#include "lua/bind/await.h"

static int finish_protected(lua_State *L) {
  rl_pooled *p = lua_touserdata(L, 1);
  lua_settop(L, 0);
  return p->finish(L, p);
}

static int finish(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_pooled *p = (rl_pooled *)ctx;
  rl_awaited(L, &p->op);
  int base = lua_gettop(L);
  lua_pushcfunction(L, finish_protected);
  lua_pushlightuserdata(L, p);
  int failed = lua_pcall(L, 1, LUA_MULTRET, 0);
  p->drop(p);
  return failed ? lua_error(L) : lua_gettop(L) - base;
}

int rl_pooled_wait(lua_State *L, rl_pooled *p, int (*then)(lua_State *, rl_pooled *)) {
  p->finish = then;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  rl_pooled_start(p, &rl_state_of(L)->loop, rl_current(L));
  return rl_await(L, &p->op, finish, (lua_KContext)p);
}
