// Ownership of locks.
#include "lua/bind/sync.h"

#include "runtime/base/error.h"

void rl_lock_own(rl_lock *l, rl_ltask *t) {
  l->owner = t;
  l->next = t->held;
  t->held = l;
}

void rl_lock_disown(rl_lock *l) {
  rl_lock **at = &l->owner->held;
  while (*at != l) at = &(*at)->next;
  *at = l->next;
  l->owner = NULL;
}

void rl_lock_release(rl_lock *l) {
  rl_lock_disown(l);
  rl_op *next = rl_lot_first(&l->waiting);
  if (!next) return;
  rl_lock_own(l, rl_ltask_of(next->task));
  rl_op_finish(next, 0);
}

void rl_locks_break(rl_ltask *t) {
  while (t->held) {
    rl_lock *l = t->held;
    rl_lock_disown(l);
    rl_lot_wake_all(&l->waiting, RL_BROKEN);
  }
}
