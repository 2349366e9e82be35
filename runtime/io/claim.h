// One op that one task at a time may wait with. The task that began keeps its claim until its
// continuation has run, so that nobody takes what it was woken for.
#ifndef RL_IO_CLAIM_H
#define RL_IO_CLAIM_H

#include "runtime/core/op.h"

static inline bool rl_op_claimed(const rl_op *op) {
  return op->state == RL_OP_PENDING || op->state == RL_OP_DONE;
}
// In the continuation, before rl_awaited.
static inline void rl_op_unclaim(rl_op *op, const struct rl_task *task) {
  if (op->task == task && op->state != RL_OP_PENDING) op->state = RL_OP_IDLE;
}

#endif
