// A bounded queue between threads, on which tasks of several loops wait. First in, first out; a
// receiver that waits is given its item by the sender, and the other way round. No item is lost to
// a cancel: what was on its way to a task that left goes back to the front.
#ifndef RL_THREAD_MAILBOX_H
#define RL_THREAD_MAILBOX_H

#include "runtime/core/loop.h"
#include "runtime/core/op.h"

typedef struct rl_mailbox {
  uv_mutex_t lock;
  size_t capacity;  // SIZE_MAX: unbounded
  void **ring;
  size_t first, count, room;
  rl_list senders, receivers;
  bool closed;
  void (*drop)(void *item);  // what nobody will receive; any thread
} rl_mailbox;

// One task's wait. Its memory stays until the op is no longer busy.
typedef struct rl_mail {
  rl_op op;
  rl_post post;
  rl_link link;
  rl_loop *loop;
  rl_mailbox *box;
  void *item;  // to send; or received
  int status;
  bool queued, withdrawn, sends;
} rl_mail;

int rl_mailbox_init(rl_mailbox *b, size_t capacity, void (*drop)(void *));
void rl_mailbox_fini(rl_mailbox *b);  // nobody waits any more

// At once: 1 done, 0 not now, RL_CLOSED (to receive: and empty), UV_ENOMEM. `self` is the caller's
// loop. A sent item is the box's only if the answer is 1.
int rl_mailbox_try_send(rl_mailbox *b, rl_loop *self, void *item);
int rl_mailbox_try_recv(rl_mailbox *b, rl_loop *self, void **item);

// Begins to wait as `task` if need be; the op may be done at once. Its status: 1, RL_CLOSED or
// UV_ENOMEM. The item to send is the box's from now on.
void rl_mailbox_send(rl_mailbox *b, rl_mail *m, struct rl_task *task, void *item);
void rl_mailbox_recv(rl_mailbox *b, rl_mail *m, struct rl_task *task);

void rl_mailbox_close(rl_mailbox *b, bool discard);
bool rl_mailbox_closed(rl_mailbox *b);
size_t rl_mailbox_count(rl_mailbox *b);

#endif
