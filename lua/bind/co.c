// Coroutines that run tasks: each is anchored once, for its whole life.
#include "lua/bind/co.h"

rl_co rl_co_new(lua_State *L, rl_state *st) {
  int anchor = rl_ids_take(&st->anchors);
  if (!anchor) luaL_error(L, "not enough memory");
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->cos);
  lua_State *co = lua_newthread(L);
  lua_rawseti(L, -2, anchor);
  lua_pop(L, 1);
  rl_co_mark(co, RL_CO_BUSY, true);
  return (rl_co){co, anchor};
}

void rl_co_drop(rl_state *st, rl_co co) {
  lua_rawgeti(st->L, LUA_REGISTRYINDEX, st->cos);
  lua_pushboolean(st->L, 0);
  lua_rawseti(st->L, -2, co.anchor);
  lua_pop(st->L, 1);
  rl_ids_give(&st->anchors, co.anchor);
}
