// Ownership of locks: who holds what, and what happens when an owner ends.
#ifndef RL_BIND_SYNC_H
#define RL_BIND_SYNC_H

#include "lua/bind/task.h"

typedef struct rl_lock {
  rl_box box;
  rl_ltask *owner;       // NULL: free
  struct rl_lock *next;  // the next that the owner holds
  rl_lot waiting;
} rl_lock;

void rl_lock_own(rl_lock *l, rl_ltask *t);
void rl_lock_release(rl_lock *l);  // hands it to the first in the queue
void rl_lock_disown(rl_lock *l);   // takes it from its owner, and hands it to nobody

// The task has ended: who waits for a lock it still holds gets BROKEN.
void rl_locks_break(rl_ltask *t);

#endif
