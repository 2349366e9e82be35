// A parking lot: sleeping tasks in arrival order. Every primitive of waiting for another task
// stands on it. The lot owns no op. Hand-off is the rule: who unparks an op has already given it
// what it waited for.
#ifndef RL_CORE_LOT_H
#define RL_CORE_LOT_H

#include "runtime/base/check.h"
#include "runtime/core/op.h"

typedef struct rl_lot {
  rl_list ops;
} rl_lot;

static inline void rl_lot_init(rl_lot *lot) { rl_link_init(&lot->ops); }
static inline bool rl_lot_empty(const rl_lot *lot) { return rl_list_empty(&lot->ops); }
static inline rl_op *rl_lot_first(const rl_lot *lot) {
  return rl_list_empty(&lot->ops) ? NULL : rl_container_of(lot->ops.next, rl_op, link);
}
static inline rl_op *rl_lot_after(const rl_lot *lot, const rl_op *op) {
  return op->link.next == &lot->ops ? NULL : rl_container_of(op->link.next, rl_op, link);
}

// Parks at the tail; rl_op_begin has been called or follows. Leaving PENDING takes the op off.
static inline void rl_lot_park(rl_lot *lot, rl_op *op) { rl_list_push(&lot->ops, &op->link); }

// Wakes the first, or all that are parked now, with `status`. The count woken.
int rl_lot_wake(rl_lot *lot, int status);
int rl_lot_wake_all(rl_lot *lot, int status);

// stop() of an op that is only parked.
rl_stop rl_lot_stop(rl_op *op);

#endif
