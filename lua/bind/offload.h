// CPU work on the pool while the task waits:
//
//   job *j = rl_offload_new(L, sizeof *j, 1);    a checkpoint; pins argument 1; may raise
//   j->base.run = ...; j->base.finish = ...;     fills it without raising
//   return rl_offload_run(L, &j->base);          waits; returns what finish returns
//
// A task has at most one job on the pool: waiting for it is the backpressure.
#ifndef RL_BIND_OFFLOAD_H
#define RL_BIND_OFFLOAD_H

#include "lua/bind/state.h"

// A job embeds this first.
typedef struct rl_offload rl_offload;
struct rl_offload {
  rl_work work;
  rl_op op;
  rl_state *state;
  // On a pool thread, without Lua. Long kernels poll `*cancelled` (every MiB or so) and give up
  // early when it is set.
  void (*run)(rl_offload *job, const atomic_bool *cancelled);
  // Turns the job into Lua values on the loop's thread, or raises. In a frame of its own, with the
  // pinned value at 1.
  int (*finish)(lua_State *L, rl_offload *job);
  // Releases what the job holds, exactly once, on the loop's thread, whether finish returned,
  // raised or never ran. May be NULL. The job itself is freed after it.
  void (*drop)(rl_offload *job);
  // Set to more than 1 to split the job: `run` is then called once a part, on several threads, with
  // the part (from 0) in rl_offload_part(cancelled); `finish` follows when all have ended.
  int parts;
  int pinned;  // a registry reference
  int open;    // parts that have not ended
  struct rl_offload_share *shares;
};

// A zeroed job of `size` bytes. The value at `pinned` (0: none) stays alive until the job has
// ended, also when the task left earlier: a string's bytes may be used in place. Several values are
// pinned as a table of them.
void *rl_offload_new(lua_State *L, size_t size, int pinned);

// Pushes a table of the values at `a` and `b`, to pin both.
void rl_offload_pair(lua_State *L, int a, int b);

// Which part a call of `run` is to do.
int rl_offload_part(const rl_offload *job, const atomic_bool *cancelled);

int rl_offload_run(lua_State *L, rl_offload *job);

// The same at once on this thread, for work below the size worth a round trip.
int rl_offload_inline(lua_State *L, rl_offload *job);

// Releases a job that cannot run after all, and raises `err`.
int rl_offload_refuse(lua_State *L, rl_offload *job, int err);

// For work that needs no job at all: k(L, LUA_OK, ctx) does it at once. Call after rl_checkpoint;
// `cost` is what it will cost in microseconds: the task goes to the back of the queue after some
// hundred of them.
int rl_work_now(lua_State *L, size_t cost, lua_KFunction k, lua_KContext ctx);

#endif
