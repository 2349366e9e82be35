// How the floor above makes a runtime on another thread: handed down in rl_state.birth.
#ifndef RL_BIND_BIRTH_H
#define RL_BIND_BIRTH_H

#include "lua/bind/state.h"

// One runtime's life, run by the thread it lives on. The functions are called there, in this order.
typedef struct rl_life_plan rl_life_plan;
struct rl_life_plan {
  size_t memory_limit;  // 0: its parent's
  void *ud;
  void (*born)(rl_life_plan *, rl_state *);  // before the task runs
  int (*main)(lua_State *L);                 // the task: the plan is its argument 1, light
  // The task has ended: the top `count` values are its results, or the error and its report.
  void (*ended)(rl_life_plan *, lua_State *L, int count, bool ok, bool cancelled);
  uint64_t (*dying)(rl_life_plan *);  // the loop is about to close: what cleanup may take, in ns
  void (*gone)(rl_life_plan *);       // the Lua state is closed
  int exit_code;                      // what os.exit was given, or -1
};

typedef struct rl_birth {
  void *(*inherit)(rl_state *parent);  // on the parent's thread; NULL when memory is out
  // On the new thread: makes the runtime, runs it to its end, and frees what was inherited.
  // Negative: it was not made.
  int (*live)(void *inherited, rl_life_plan *plan);
  void (*disinherit)(void *inherited);  // instead of live
} rl_birth;

#endif
