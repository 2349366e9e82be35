// The only file that resumes coroutines: tasks by the scheduler, and a script's own coroutines
// inside them.
#ifndef RL_BIND_RESUME_H
#define RL_BIND_RESUME_H

#include "lua/bind/task.h"

// The loop's run function.
void rl_run_task(rl_loop *loop, rl_job *job);

// The root function of every task (lua/bind/task.c).
int rl_task_main(lua_State *L);

// Replaces the functions of the coroutine library.
void rl_coroutine_open(lua_State *L);

// A busy coroutine runs, waits, or has resumed another: nobody else may resume or close it.
void rl_mark_busy(lua_State *co, bool busy);
static inline bool rl_is_busy(lua_State *co) { return *(uintptr_t *)lua_getextraspace(co) & 1; }

// The coroutine that runs or waits in `t`: the innermost.
static inline lua_State *rl_innermost(const rl_ltask *t) {
  return t->depth ? t->chain[t->depth - 1] : t->L;
}
void rl_chain_free(rl_ltask *t);

#endif
