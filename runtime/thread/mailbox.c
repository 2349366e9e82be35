// A bounded queue between threads.
#include "runtime/thread/mailbox.h"

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/core/task.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 8 };

int rl_mailbox_init(rl_mailbox *b, size_t capacity, void (*drop)(void *)) {
  memset(b, 0, sizeof *b);
  b->capacity = capacity;
  b->drop = drop;
  rl_link_init(&b->senders);
  rl_link_init(&b->receivers);
  return uv_mutex_init(&b->lock);
}

static void *take_first(rl_mailbox *b) {
  void *item = b->ring[b->first];
  b->first = (b->first + 1) & (b->room - 1);
  b->count--;
  return item;
}

void rl_mailbox_fini(rl_mailbox *b) {
  while (b->count) b->drop(take_first(b));
  free(b->ring);
  uv_mutex_destroy(&b->lock);
}

static bool make_room(rl_mailbox *b) {
  if (b->count < b->room) return true;
  size_t room = b->room ? b->room * 2 : FIRST_ROOM;
  void **ring = malloc(room * sizeof *ring);
  if (!ring) return false;
  for (size_t i = 0; i < b->count; i++) ring[i] = b->ring[(b->first + i) & (b->room - 1)];
  free(b->ring);
  b->ring = ring;
  b->first = 0;
  b->room = room;
  return true;
}

static void put_last(rl_mailbox *b, void *item) {
  b->ring[(b->first + b->count++) & (b->room - 1)] = item;
}

// The first of a list, taken off it, with the lock held.
static rl_mail *pop(rl_list *list, int status) {
  rl_link *link = rl_list_pop(list);
  if (!link) return NULL;
  rl_mail *m = rl_container_of(link, rl_mail, link);
  m->queued = false;
  m->status = status;
  return m;
}

static void give_back(rl_mailbox *b, rl_loop *self, void *item);

static void deliver(rl_mail *m) {
  rl_mailbox *b = m->box;
  rl_loop *loop = m->loop;
  bool carries = !m->sends && m->item;
  void *item = m->item;
  if (!rl_op_finish(&m->op, m->status) && carries) give_back(b, loop, item);
}

static void on_post(rl_post *post) { deliver(rl_container_of(post, rl_mail, post)); }

// Tells a task that was popped. Without the lock.
static void wake(rl_mail *m, rl_loop *self) {
  if (!m) return;
  if (m->loop == self) {
    deliver(m);
  } else {
    rl_loop_post(m->loop, &m->post);
  }
}

static void give_back(rl_mailbox *b, rl_loop *self, void *item) {
  uv_mutex_lock(&b->lock);
  rl_mail *to = pop(&b->receivers, 1);
  bool kept = true;
  if (to) {
    to->item = item;
  } else if ((kept = make_room(b))) {
    b->first = (b->first - 1) & (b->room - 1);
    b->ring[b->first] = item;
    b->count++;
  }
  uv_mutex_unlock(&b->lock);
  wake(to, self);
  if (!kept) b->drop(item);
}

// With the lock held. `*to` is a receiver to be woken.
static int send_locked(rl_mailbox *b, void *item, rl_mail **to) {
  if (b->closed) return RL_CLOSED;
  *to = pop(&b->receivers, 1);
  if (*to) {
    (*to)->item = item;
    return 1;
  }
  if (b->count >= b->capacity) return 0;
  if (!make_room(b)) return UV_ENOMEM;
  put_last(b, item);
  return 1;
}

// With the lock held. `*from` is a sender to be woken.
static int recv_locked(rl_mailbox *b, void **item, rl_mail **from) {
  if (b->count == 0) {
    *from = pop(&b->senders, 1);
    if (*from) *item = (*from)->item;
    return *from ? 1 : b->closed ? RL_CLOSED : 0;
  }
  *item = take_first(b);
  if (b->count < b->capacity && (*from = pop(&b->senders, 1))) put_last(b, (*from)->item);
  return 1;
}

int rl_mailbox_try_send(rl_mailbox *b, rl_loop *self, void *item) {
  rl_mail *to = NULL;
  uv_mutex_lock(&b->lock);
  int status = send_locked(b, item, &to);
  uv_mutex_unlock(&b->lock);
  wake(to, self);
  return status;
}

int rl_mailbox_try_recv(rl_mailbox *b, rl_loop *self, void **item) {
  rl_mail *from = NULL;
  uv_mutex_lock(&b->lock);
  int status = recv_locked(b, item, &from);
  uv_mutex_unlock(&b->lock);
  wake(from, self);
  return status;
}

// Its other side may have taken it off the queue, and the post be on the way.
static bool mail_completed(rl_op *op) {
  rl_mail *m = rl_container_of(op, rl_mail, op);
  uv_mutex_lock(&m->box->lock);
  bool queued = m->queued;
  if (queued) rl_link_remove(&m->link);
  m->queued = false;
  m->withdrawn = queued;
  uv_mutex_unlock(&m->box->lock);
  return !queued;
}

static rl_stop stop_mail(rl_op *op) {
  rl_mail *m = rl_container_of(op, rl_mail, op);
  if (!m->withdrawn && mail_completed(op)) return RL_STOP_LATER;
  if (m->sends) m->box->drop(m->item);
  return RL_STOP_NOW;
}

static const rl_op_kind send_kind = {"worker channel:send", stop_mail, NULL, RL_HOLD_PASSIVE,
                                     mail_completed};
static const rl_op_kind recv_kind = {"worker channel:recv", stop_mail, NULL, RL_HOLD_PASSIVE,
                                     mail_completed};

static void prepare(rl_mail *m, rl_mailbox *b, rl_task *task, bool sends) {
  memset(m, 0, sizeof *m);
  rl_op_init(&m->op, sends ? &send_kind : &recv_kind);
  rl_link_init(&m->link);
  m->post.run = m->post.drop = on_post;
  m->loop = rl_task_loop(task);
  m->box = b;
  m->sends = sends;
  rl_op_begin(&m->op, task);
}

void rl_mailbox_send(rl_mailbox *b, rl_mail *m, rl_task *task, void *item) {
  prepare(m, b, task, true);
  m->item = item;
  rl_mail *to = NULL;
  uv_mutex_lock(&b->lock);
  int status = send_locked(b, item, &to);
  if (status == 0) {
    m->queued = true;
    rl_list_push(&b->senders, &m->link);
  }
  uv_mutex_unlock(&b->lock);
  wake(to, m->loop);
  if (status < 0) b->drop(item);
  if (status != 0) rl_op_finish(&m->op, status);
}

void rl_mailbox_recv(rl_mailbox *b, rl_mail *m, rl_task *task) {
  prepare(m, b, task, false);
  rl_mail *from = NULL;
  uv_mutex_lock(&b->lock);
  int status = recv_locked(b, &m->item, &from);
  if (status == 0) {
    m->queued = true;
    rl_list_push(&b->receivers, &m->link);
  }
  uv_mutex_unlock(&b->lock);
  wake(from, m->loop);
  if (status != 0) rl_op_finish(&m->op, status);
}

void rl_mailbox_close(rl_mailbox *b, bool discard) {
  uv_mutex_lock(&b->lock);
  b->closed = true;
  void **ring = NULL;
  size_t first = b->first, count = b->count, room = b->room;
  if (discard) {
    ring = b->ring;
    b->ring = NULL;
    b->first = b->count = b->room = 0;
  }
  rl_list told;
  rl_link_init(&told);
  rl_list_splice(&told, &b->senders);
  rl_list_splice(&told, &b->receivers);
  for (rl_link *l = told.next; l != &told; l = l->next) {
    rl_mail *m = rl_container_of(l, rl_mail, link);
    m->queued = false;
    m->status = RL_CLOSED;
  }
  // A popped waiter's memory is its own thread's as soon as it is told: told under the lock, by
  // post.
  for (rl_link *l; (l = rl_list_pop(&told));) {
    rl_mail *m = rl_container_of(l, rl_mail, link);
    if (m->sends) b->drop(m->item);
    rl_loop_post(m->loop, &m->post);
  }
  uv_mutex_unlock(&b->lock);
  for (size_t i = 0; ring && i < count; i++) b->drop(ring[(first + i) & (room - 1)]);
  free(ring);
}

bool rl_mailbox_closed(rl_mailbox *b) {
  uv_mutex_lock(&b->lock);
  bool closed = b->closed;
  uv_mutex_unlock(&b->lock);
  return closed;
}

size_t rl_mailbox_count(rl_mailbox *b) {
  uv_mutex_lock(&b->lock);
  size_t count = b->count;
  uv_mutex_unlock(&b->lock);
  return count;
}
