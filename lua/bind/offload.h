// CPU work on the pool while the task waits.
#ifndef RL_BIND_OFFLOAD_H
#define RL_BIND_OFFLOAD_H

#include "lua/bind/state.h"

// A job embeds this first, and is allocated with malloc. `run` is called on a pool thread and sees no Lua; long kernels poll
// `*cancelled` and give up early when it is set. `finish` turns the job into Lua values on the loop's thread, or raises;
// `drop` frees it, exactly once, on the loop's thread, whether finish ran, raised, or the task left.
typedef struct rl_offload rl_offload;
struct rl_offload {
  rl_work work;       // runtime/thread/pool.h
  rl_op op;
  rl_state *state;
  void (*run)(rl_offload *job, const atomic_bool *cancelled);
  int (*finish)(lua_State *L, rl_offload *job);
  void (*drop)(rl_offload *job);
  int pinned;         // a registry reference
  bool left;
};

// Runs `job` on the pool and waits; returns what finish returns. The value at `pinned` (0: none) stays alive until the job ends:
// a string's bytes may be used in place. The caller has called rl_checkpoint before it made the job.
int rl_offload_run(lua_State *L, rl_offload *job, int pinned);

// The same at once on this thread, for work below the size worth a round trip.
int rl_offload_inline(lua_State *L, rl_offload *job);

#endif
