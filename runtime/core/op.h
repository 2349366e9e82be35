// An op is one thing a task waits for: the protocol of waiting.
//
// PENDING -> DONE (the waker: rl_op_finish) or ABORTED (the canceller: rl_op_abort). Exactly one
// transition leaves PENDING, synchronously; it takes the op off every queue and readies its task
// once. Loop thread only.
#ifndef RL_CORE_OP_H
#define RL_CORE_OP_H

#include "runtime/base/list.h"

#include <stdint.h>

typedef struct rl_op rl_op;
struct rl_loop;
struct rl_task;

// What stop() answers.
typedef enum {
  RL_STOP_NOW,    // no callback will come
  RL_STOP_LATER,  // the callback will come, and with it rl_op_finish; the task stays until then
  RL_STOP_LEAVE,  // the work runs on without the task: the op's owner finishes and frees it alone
} rl_stop;

// What the waker waits for. A hold keeps a virtual clock and the deadlock report back.
typedef enum {
  RL_HOLD_NONE,     // another task, or a timer: parked here
  RL_HOLD_PASSIVE,  // the outside, perhaps for ever: accept, signals
  RL_HOLD_REAL,     // the outside: a read, a file, a job
} rl_hold;

typedef struct rl_op_kind {
  const char *name;  // as a report shows it: "tcp:read"
  // Called at most once, by the canceller; NULL: cannot be cancelled (a join).
  rl_stop (*stop)(rl_op *);
  // When PENDING is left either way, or NULL: undoes what the start did elsewhere.
  void (*left)(rl_op *);
  rl_hold hold;
  // Or NULL. Asked before a cancel aborts the op: takes it out of the reach of other threads. True:
  // one of them has completed it, and the callback is on its way: the cancel comes too late.
  bool (*completed)(rl_op *);
} rl_op_kind;

typedef enum { RL_OP_IDLE, RL_OP_PENDING, RL_OP_DONE, RL_OP_ABORTED } rl_op_state;

struct rl_op {
  rl_link link;  // in a parking lot, while parked
  const rl_op_kind *kind;
  struct rl_task *task;  // who waits
  void *on;              // what it waits for: a lock, a task, a scope
  int32_t status;        // of a DONE op: >= 0 or a negative error
  uint8_t state;         // rl_op_state
  bool late;             // ABORTED, and the callback is still to come
};

static inline void rl_op_init(rl_op *op, const rl_op_kind *kind) {
  rl_link_init(&op->link);
  op->kind = kind;
  op->task = NULL;
  op->on = NULL;
  op->status = 0;
  op->state = RL_OP_IDLE;
  op->late = false;
}

static inline bool rl_op_pending(const rl_op *op) { return op->state == RL_OP_PENDING; }
// True from the start until the last callback: its memory and its request must stay.
static inline bool rl_op_busy(const rl_op *op) { return op->state == RL_OP_PENDING || op->late; }

// The current task begins to wait for `op`. The caller has started the work, or is about to.
void rl_op_begin(rl_op *op, struct rl_task *task);

// The waker's transition. On an ABORTED op: the late callback, which readies the task if it stayed
// for it. Returns true if the task will see `status`; false if nobody will, and the caller disposes
// of any result.
bool rl_op_finish(rl_op *op, int status);

// The canceller's transition: calls stop() and readies the task now or with the late callback.
void rl_op_abort(rl_op *op);

#endif
