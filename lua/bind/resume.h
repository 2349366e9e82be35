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

// The coroutine that runs or waits in `t`: the innermost.
static inline lua_State *rl_innermost(const rl_ltask *t) {
  return t->depth ? t->chain[t->depth - 1] : t->L;
}
void rl_chain_free(rl_ltask *t);

#endif
