// A blocking call on libuv's pool, where files and names live, as an op. CPU work has a pool of its
// own.
#ifndef RL_IO_POOLED_H
#define RL_IO_POOLED_H

#include "runtime/core/loop.h"
#include "runtime/core/op.h"

struct lua_State;
struct rl_task;

// Embedded first in a struct from malloc. Who saw the op finish calls `drop`; when nobody did, the
// callback does.
typedef struct rl_pooled rl_pooled;
struct rl_pooled {
  rl_op op;
  uv_work_t req;
  rl_loop *loop;
  int (*run)(rl_pooled *);  // on a pool thread; its result is the op's status
  // On the loop's thread, exactly once: frees the struct and all it holds.
  void (*drop)(rl_pooled *);
  int (*finish)(struct lua_State *, rl_pooled *);  // of the floor above
  int status;
  bool stays;             // a cancelled task stays until running work has ended; else it leaves
  atomic_bool cancelled;  // a flag that long runs poll
};

// `task` begins to wait.
void rl_pooled_start(rl_pooled *p, rl_loop *loop, struct rl_task *task);

static inline bool rl_pooled_cancelled(const rl_pooled *p) {
  return atomic_load_explicit(&p->cancelled, memory_order_relaxed);
}

#endif
