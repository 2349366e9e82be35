// The CPU pool: threads that take works by turns of their keys.
#include "runtime/thread/pool.h"

#include "runtime/base/check.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { QUEUED = 1, RUNNING, DONE };
enum { FIRST_BUCKETS = 16 };
enum { NICER = 5, NICEST = 19, SLICE = 50000000 };  // of a pool thread, against the loop's; ns

// Keys are pointers: their low bits are equal.
static rl_work **bucket_of(const rl_pool *p, const void *key) {
  uint64_t h = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
  return &p->buckets[(h >> 32) & (p->bucket_count - 1)];
}

// Where the first work of `key` hangs, or the end of its bucket.
static rl_work **find_key(const rl_pool *p, const void *key) {
  rl_work **at = bucket_of(p, key);
  while (*at && (*at)->key != key) at = &(*at)->chain;
  return at;
}

static bool grow_buckets(rl_pool *p) {
  size_t count = p->bucket_count ? p->bucket_count * 2 : FIRST_BUCKETS;
  rl_work **old = p->buckets, **fresh = calloc(count, sizeof *fresh);
  if (!fresh) return p->buckets != NULL;
  size_t old_count = p->bucket_count;
  p->buckets = fresh;
  p->bucket_count = count;
  for (size_t i = 0; i < old_count; i++) {
    for (rl_work *w = old[i], *next; w; w = next) {
      next = w->chain;
      rl_work **at = bucket_of(p, w->key);
      w->chain = *at;
      *at = w;
    }
  }
  free(old);
  return true;
}

static bool enqueue(rl_pool *p, rl_work *w) {
  if (p->keys >= p->bucket_count && !grow_buckets(p)) return false;
  rl_work **at = find_key(p, w->key);
  rl_link_init(&w->rest);
  w->chain = NULL;
  w->phase = QUEUED;
  p->queued++;
  if (*at) {
    rl_list_push(&(*at)->rest, &w->link);
  } else {
    *at = w;
    p->keys++;
    rl_list_push(&p->turns, &w->link);
  }
  return true;
}

// Takes a queued work off. If it was the first of its key, the next of that key follows it: in its
// place, or at the back of the turns when the key has had its turn.
static void dequeue(rl_pool *p, rl_work *w, bool turn_over) {
  rl_work **at = find_key(p, w->key);
  RL_CHECK(*at);
  if (*at == w) {
    rl_link *link = rl_list_pop(&w->rest);
    if (link) {
      rl_work *next = rl_container_of(link, rl_work, link);
      rl_list_splice(&next->rest, &w->rest);
      next->chain = w->chain;
      *at = next;
      rl_list_push(turn_over ? &p->turns : &w->link, &next->link);
    } else {
      *at = w->chain;
      p->keys--;
    }
  }
  rl_link_remove(&w->link);
  p->queued--;
}

static void finish_all(rl_list *list, bool ran) {
  for (rl_link *link; (link = rl_list_pop(list));) {
    rl_work *w = rl_container_of(link, rl_work, link);
    w->done(w, ran);
  }
}

// On the loop's thread. After rl_pool_fini a last post may still come.
static void on_return(rl_post *post) {
  rl_pool *p = rl_container_of(post, rl_pool, post);
  if (p->stopping) return;
  rl_list returned;
  rl_link_init(&returned);
  uv_mutex_lock(&p->lock);
  p->posted = false;
  rl_list_splice(&returned, &p->returned);
  uv_mutex_unlock(&p->lock);
  finish_all(&returned, true);
}

// The next work, waiting for one; NULL when the pool stops. With the lock held.
static rl_work *take(rl_pool *p) {
  while (rl_list_empty(&p->turns)) {
    if (p->stopping) return NULL;
    p->idle++;
    uv_cond_wait(&p->wake, &p->lock);
    p->idle--;
  }
  rl_work *w = rl_container_of(p->turns.next, rl_work, link);
  dequeue(p, w, true);
  w->phase = RUNNING;
  p->running++;
  rl_list_push(&p->active, &w->link);
  return w;
}

// On Linux a thread has a niceness and a time slice of its own. A long slice lets threads with
// shorter ones, such as the loop's, in at once when they wake; kernels before 6.12 pass over it.
static void be_nice(void) {
  pthread_setname_np(pthread_self(), "rille-cpu");
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t slice, deadline, period;
  } attr = {.size = 48, .nice = getpriority(PRIO_PROCESS, (id_t)gettid()) + NICER, .slice = SLICE};
  if (attr.nice > NICEST) attr.nice = NICEST;
  syscall(SYS_sched_setattr, 0, &attr, 0);
}

static void thread_main(void *arg) {
  rl_pool *p = arg;
  be_nice();
  uv_mutex_lock(&p->lock);
  for (rl_work *w; (w = take(p));) {
    uv_mutex_unlock(&p->lock);
    w->run(w);
    uv_mutex_lock(&p->lock);
    w->phase = DONE;
    rl_link_remove(&w->link);
    rl_list_push(&p->returned, &w->link);
    p->running--;
    p->completed++;
    if (p->posted) continue;
    p->posted = true;
    uv_mutex_unlock(&p->lock);
    rl_loop_post(p->loop, &p->post);  // refused when the loop is closing: rl_pool_fini finds them
    uv_mutex_lock(&p->lock);
  }
  uv_mutex_unlock(&p->lock);
}

// Signals are the business of the loop's thread: those of the pool start with all blocked.
static int start_thread(rl_pool *p) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int err = uv_thread_create(&p->threads[p->started], thread_main, p);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (err == 0) p->started++;
  return err;
}

int rl_pool_init(rl_pool *p, rl_loop *loop, int size) {
  memset(p, 0, sizeof *p);
  p->loop = loop;
  p->size = size > 0 ? size : (int)uv_available_parallelism();
  rl_link_init(&p->turns);
  rl_link_init(&p->active);
  rl_link_init(&p->returned);
  p->post.run = p->post.drop = on_return;
  int err = uv_mutex_init(&p->lock);
  if (err < 0) return err;
  err = uv_cond_init(&p->wake);
  if (err < 0) uv_mutex_destroy(&p->lock);
  return err;
}

void rl_pool_fini(rl_pool *p) {
  rl_list dropped;
  rl_link_init(&dropped);
  uv_mutex_lock(&p->lock);
  p->stopping = true;
  while (!rl_list_empty(&p->turns)) {
    rl_work *w = rl_container_of(p->turns.next, rl_work, link);
    dequeue(p, w, true);
    w->phase = DONE;
    rl_list_push(&dropped, &w->link);
  }
  for (rl_link *l = p->active.next; l != &p->active; l = l->next)
    atomic_store(&rl_container_of(l, rl_work, link)->cancelled, true);
  uv_cond_broadcast(&p->wake);
  uv_mutex_unlock(&p->lock);
  finish_all(&dropped, false);
  for (int i = 0; i < p->started; i++) uv_thread_join(&p->threads[i]);
  finish_all(&p->returned, true);
  free(p->threads);
  free(p->buckets);
  uv_cond_destroy(&p->wake);
  uv_mutex_destroy(&p->lock);
}

int rl_pool_submit(rl_pool *p, rl_work *w, const void *key) {
  w->key = key;
  w->pool = p;
  atomic_init(&w->cancelled, false);
  int err = 0;
  uv_mutex_lock(&p->lock);
  if (!p->threads) p->threads = calloc((size_t)p->size, sizeof *p->threads);
  if (!p->threads || !enqueue(p, w)) {
    err = UV_ENOMEM;
  } else if (p->queued > (uint32_t)p->idle && p->started < p->size) {
    err = start_thread(p);
    if (err < 0 && p->started == 0) {
      dequeue(p, w, false);
    } else {
      err = 0;
    }
  }
  bool wake = err == 0 && p->idle > 0;
  uv_mutex_unlock(&p->lock);
  if (wake) uv_cond_signal(&p->wake);  // after the unlock, or who wakes waits for it again
  return err;
}

bool rl_pool_cancel(rl_pool *p, rl_work *w) {
  uv_mutex_lock(&p->lock);
  bool queued = w->phase == QUEUED;
  if (queued) {
    dequeue(p, w, false);
    w->phase = DONE;
  }
  atomic_store(&w->cancelled, true);
  uv_mutex_unlock(&p->lock);
  if (queued) w->done(w, false);
  return queued;
}
