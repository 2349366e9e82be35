// A task: what the scheduler knows of it. What it runs is the floor above's; here it is ready,
// running, blocked on one op, or done, and it is a member of the scope it was spawned in.
#ifndef RL_CORE_TASK_H
#define RL_CORE_TASK_H

#include "runtime/core/loop.h"
#include "runtime/core/lot.h"
#include "runtime/core/scope.h"

typedef enum {
  RL_TASK_CREATED,  // in the ready queue, never run; 0
  RL_TASK_READY,
  RL_TASK_RUNNING,
  RL_TASK_BLOCKED,  // waits for `op`
  RL_TASK_DONE,
} rl_task_state;

typedef struct rl_task rl_task;
struct rl_task {
  rl_job job;             // in the ready queue
  rl_link member;         // in its home scope's members
  rl_scope *scope;        // the innermost scope around what it runs; at first its home
  rl_op *op;              // what it waits for, while BLOCKED
  rl_op wait;             // its own op, for parking, sleeping, joining
  rl_timer timer;         // of a sleep
  rl_lot waiters;         // ops that await its end
  rl_scope *unwinding;    // the target of the cancellation delivered to it, or NULL
  uint64_t shield_until;  // while unwinding: no wait raises again before
  uint32_t forced;        // cancellations raised after the grace period was over
  uint8_t state;          // rl_task_state
  bool finishing;         // its body is over; it waits for its children
  bool doomed;            // a scope around it is cancelled: checkpoints look closer
  bool aborted;           // its last wait was aborted: it raises when it runs
};

// The body and all children are over: leaves home, wakes a joiner of it. Waiters are woken by the
// caller, who has the result.
void rl_task_end(rl_task *t);

static inline rl_loop *rl_task_loop(const rl_task *t) { return t->scope->loop; }

// The scope that is the task's own body, made at the first need; NULL when memory is out.
rl_scope *rl_task_own_scope(rl_task *t);
rl_scope *rl_task_home(const rl_task *t);

// True if a task may be spawned into `s`: it has not been left.
static inline bool rl_scope_open(const rl_scope *s) { return !s->left; }

// The checkpoint: true if a cancellation is to be raised now. It is then marked as delivered.
bool rl_task_deliver_slow(rl_task *t);
static inline bool rl_task_deliver(rl_task *t) { return t->doomed && rl_task_deliver_slow(t); }
// The same for a task that has just gone to sleep: aborts its wait.
void rl_task_interrupt(rl_task *t);

// Begins a sleep on the task's own op. UV_ENOMEM or 0.
int rl_task_sleep(rl_task *t, uint64_t due);
// Begins to wait for the scope's members. False: there are none.
bool rl_task_join(rl_task *t, rl_scope *s);
// Begins to wait for `other`'s end.
void rl_task_await(rl_task *t, rl_task *other);
// The same for a task that takes no result: a failure stays to be told to somebody else.
void rl_task_watch(rl_task *t, rl_task *other);
// Begins to wait in a lot, on its own op.
void rl_task_park(rl_task *t, rl_lot *lot, const rl_op_kind *kind, void *on);
// Back to the tail of the ready queue; after_poll: behind one poll for I/O.
void rl_task_yield(rl_task *t, bool after_poll);

// True if `other` cannot end before `t` does: awaiting it would never return.
bool rl_task_would_deadlock(const rl_task *t, const rl_task *other);

extern const rl_op_kind rl_sleep_kind, rl_join_kind, rl_await_kind, rl_watch_kind;

// Zeroed memory becomes a task: it joins `home` and the ready queue.
static inline void rl_task_init(rl_task *t, rl_loop *loop, rl_scope *home) {
  t->scope = home;
  t->doomed = home->doomed;
  t->wait.kind = &rl_sleep_kind;
  rl_link_init(&t->wait.link);
  rl_lot_init(&t->waiters);
  rl_list_push(&home->members, &t->member);
  home->member_count++;
  rl_loop_ready(loop, &t->job);
}

#endif
