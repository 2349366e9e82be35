// How a C function waits, in three calls:
//
//   rl_checkpoint(L);                     raises if it cannot wait here, or is cancelled
//   rl_op_begin(op, rl_current(L)); ...   starts the work, which may finish at once
//   return rl_await(L, op, k, ctx);       k(L, status, ctx) runs when the op has left PENDING
//
// and k begins with rl_awaited(L, op). Nothing may be held across the checkpoint or the wait that
// only a return frees.
#ifndef RL_BIND_AWAIT_H
#define RL_BIND_AWAIT_H

#include "lua/bind/state.h"

// True if the caller could wait: for handlers that may be called where nothing can.
static inline bool rl_can_wait(lua_State *L) {
  const rl_state *st = rl_state_of(L);
  return st->current && st->running == L && !st->stuck && lua_isyieldable(L);
}
void rl_check_can_wait(lua_State *L);  // raises if it could not

// The task that runs; rl_checkpoint has made sure there is one.
static inline rl_task *rl_current(lua_State *L) { return (rl_task *)rl_state_of(L)->current; }

// Raises what is due for the current task, if anything is: for continuations that waited without an
// op.
int rl_raise_cancelled(lua_State *L);
static inline void rl_raise_cancelled_if_due(lua_State *L) {
  if (RL_UNLIKELY(rl_task_deliver(rl_current(L)))) rl_raise_cancelled(L);
}

// Every call that may wait begins with it, also when it will not have to.
static inline void rl_checkpoint(lua_State *L) {
  if (RL_UNLIKELY(!rl_can_wait(L))) rl_check_can_wait(L);
  rl_raise_cancelled_if_due(L);
}

// Waits for `op`, which has begun; returns what `k` returns. If it is DONE already, k runs at once,
// within a budget.
int rl_await(lua_State *L, rl_op *op, lua_KFunction k, lua_KContext ctx);

// The first line of every k: raises if the wait was cancelled or is a deadlock (then `op` may be
// gone), else returns the op's status.
int rl_awaited_slow(lua_State *L);
static inline int rl_awaited(lua_State *L, const rl_op *op) {
  return RL_UNLIKELY(rl_current(L)->aborted) ? rl_awaited_slow(L) : op->status;
}

// Makes a blocked task raise DEADLOCK: from its wait, or, if that is for the members of a scope,
// from there once they are cancelled and joined. False: its wait cannot be ended so.
bool rl_raise_deadlock(rl_state *st, rl_task *t);

// For calls that had nothing to wait for: counts against the budget, then k runs. `k` must not call
// rl_awaited with an op.
int rl_no_wait(lua_State *L, lua_KFunction k, lua_KContext ctx);

#endif
