// Blocking calls on libuv's pool while the task waits.
#ifndef RL_BIND_POOLED_H
#define RL_BIND_POOLED_H

#include "lua/bind/state.h"
#include "runtime/io/pooled.h"

// Starts `p` and waits; returns what `finish` pushed. `finish` runs protected, with an empty stack,
// when the call has ended; p->op.status is its result. `p` is dropped whether it returned, raised,
// or the task was cancelled. The caller has called rl_checkpoint before it made `p`. What lies on
// the stack stays alive while the task waits: a call that uses a string's bytes in place sets
// `stays`.
int rl_pooled_wait(lua_State *L, rl_pooled *p, int (*finish)(lua_State *, rl_pooled *));

#endif
