// Coroutines that run tasks: used again; those in the pool have empty stacks.
#ifndef RL_BIND_CO_H
#define RL_BIND_CO_H

#include "lua/bind/state.h"

rl_co rl_co_new(lua_State *L, rl_state *st);  // may raise
void rl_co_drop(rl_state *st, rl_co co);      // to the collector

static inline rl_co rl_co_take(lua_State *L, rl_state *st) {
  return RL_LIKELY(st->pool_count > 0) ? st->pool[--st->pool_count] : rl_co_new(L, st);
}

// With half of what it may have in use, a state keeps none.
static inline bool rl_co_has_room(const rl_state *st) {
  if (st->memory_limit && st->memory > st->memory_limit / 2) return false;
  return st->pool_count < RL_CO_POOL;
}

// After a normal end: what is on the stack is dropped.
static inline void rl_co_give(rl_state *st, rl_co co) {
  if (lua_gettop(co.L) > 0) lua_settop(co.L, 0);
  if (RL_LIKELY(rl_co_has_room(st))) {
    st->pool[st->pool_count++] = co;
  } else {
    rl_co_drop(st, co);
  }
}

#endif
