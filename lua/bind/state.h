// The Lua side of a runtime: one Lua state, its loop, and the task that runs now.
// Every coroutine finds it in its extra space, which Lua copies from the main thread.
#ifndef RL_BIND_STATE_H
#define RL_BIND_STATE_H

#include "runtime/core/loop.h"
#include "runtime/core/task.h"
#include "runtime/thread/pool.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

typedef struct rl_ltask rl_ltask;
typedef struct rl_state rl_state;

// A coroutine of the pool: anchored once, at `anchor` in the registry's array of coroutines.
typedef struct rl_co {
  lua_State *L;
  int anchor;
} rl_co;

typedef struct rl_ending {  // what a root scope or program ended with
  int exit_code;
  bool failed;
} rl_ending;

enum { RL_BUDGET = 256 };  // waits ready at once before the task goes to the back of the queue

struct rl_state {
  rl_loop loop;
  lua_State *L;            // the main thread: never runs a task
  rl_ltask *current;       // the task that runs, or NULL
  lua_State *running;      // the innermost coroutine that runs it
  lua_State *stuck;        // a coroutine in the resume chain that cannot yield, or NULL
  int budget;              // waits ready at once that the current task has left
  rl_scope *main_scope;    // around the main task
  rl_scope *detached;      // around detached tasks
  rl_list tasks;           // all that have not ended, in order of birth
  uint64_t last_id;
  uint32_t alive;          // count of `tasks`
  rl_co *pool;             // coroutines to use again
  int pool_count, pool_cap;
  int cos, handles;        // registry references: anchored coroutines; handles by task slot (weak values)
  int anchors, slots;      // in use so far
  int *free_anchors, *free_slots;
  int free_anchor_count, free_anchor_cap, free_slot_count, free_slot_cap;
  int suppressed, traces;  // registry references: side tables of errors
  struct rl_sites *sites;  // interned FILE:LINE
  rl_ending ending;
  rl_pool cpu;             // threads for CPU work, started at the first need
  bool debug;
  void *host;              // the floor above
};

static inline rl_state *rl_state_of(lua_State *L) {
  return (rl_state *)(*(uintptr_t *)lua_getextraspace(L) & ~(uintptr_t)1);
}

#endif
