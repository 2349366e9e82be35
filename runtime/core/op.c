// The transitions of an op.
#include "runtime/core/op.h"

#include "runtime/base/check.h"
#include "runtime/core/task.h"

static void hold(rl_loop *loop, rl_hold hold, int by) {
  if (hold == RL_HOLD_REAL) {
    loop->real += (uint32_t)by;
  } else if (hold == RL_HOLD_PASSIVE) {
    loop->passive += (uint32_t)by;
  }
}

static void release_task(rl_task *t, const rl_op *op) {
  if (t->state != RL_TASK_BLOCKED || t->op != op) return;  // it has not gone to sleep yet
  t->op = NULL;
  t->state = RL_TASK_READY;
  rl_loop_ready(rl_task_loop(t), &t->job);
}

static void leave_pending(rl_op *op, rl_op_state state) {
  RL_CHECK(op->state == RL_OP_PENDING);
  op->state = (uint8_t)state;
  if (rl_link_linked(&op->link)) rl_link_remove(&op->link);
  if (op->kind->left) op->kind->left(op);
}

void rl_op_begin(rl_op *op, rl_task *task) {
  RL_CHECK(!rl_op_busy(op));
  op->task = task;
  op->state = RL_OP_PENDING;
  op->status = 0;
  hold(rl_task_loop(task), op->kind->hold, 1);
}

bool rl_op_finish(rl_op *op, int status) {
  rl_task *t = op->task;
  if (op->state == RL_OP_PENDING) {
    leave_pending(op, RL_OP_DONE);
    op->status = status;
    hold(rl_task_loop(t), op->kind->hold, -1);
    release_task(t, op);
    return true;
  }
  if (op->late) {
    op->late = false;
    hold(rl_task_loop(t), op->kind->hold, -1);
    release_task(t, op);
  }
  return false;
}

void rl_op_abort(rl_op *op) {
  rl_task *t = op->task;
  RL_CHECK(op->kind->stop);
  t->aborted = true;
  leave_pending(op, RL_OP_ABORTED);
  rl_hold held = op->kind->hold;  // before stop: a left op may be gone after it
  switch (op->kind->stop(op)) {
    case RL_STOP_NOW:
    case RL_STOP_LEAVE:
      hold(rl_task_loop(t), held, -1);
      release_task(t, op);
      break;
    case RL_STOP_LATER: op->late = true; break;
  }
}
