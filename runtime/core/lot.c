// Waking what is parked.
#include "runtime/core/lot.h"

int rl_lot_wake(rl_lot *lot, int status) {
  rl_op *op = rl_lot_first(lot);
  if (!op) return 0;
  rl_op_finish(op, status);
  return 1;
}

int rl_lot_wake_all(rl_lot *lot, int status) {
  rl_list woken;  // apart, so that who parks again meanwhile is not woken twice
  rl_link_init(&woken);
  rl_list_splice(&woken, &lot->ops);
  int count = 0;
  while (!rl_list_empty(&woken)) {
    rl_op_finish(rl_container_of(woken.next, rl_op, link), status);
    count++;
  }
  return count;
}

rl_stop rl_lot_stop(rl_op *op) {
  (void)op;
  return RL_STOP_NOW;
}
