// The CPU pool: one thread a core, apart from libuv's pool, so that CPU work never delays files or
// names. Jobs queue by key (a scope): keys take turns, so that one scope's thousand jobs do not
// hold up another's one.
#ifndef RL_THREAD_POOL_H
#define RL_THREAD_POOL_H

#include "runtime/base/list.h"
#include "runtime/core/loop.h"

typedef struct rl_work rl_work;
struct rl_work {
  rl_link link;    // in turns, in its key's rest, among the active or the returned
  rl_list rest;    // while it is the first of its key: the others, in order
  rl_work *chain;  // while it is the first of its key: the next in its bucket
  const void *key;
  struct rl_pool *pool;
  void (*run)(rl_work *);             // on a pool thread
  void (*done)(rl_work *, bool ran);  // on the loop's thread, always, exactly once
  atomic_bool cancelled;              // a flag that run may poll
  uint8_t phase;                      // queued, running, done: under the pool's lock
};

typedef struct rl_pool {
  rl_loop *loop;
  uv_mutex_t lock;
  uv_cond_t wake;
  rl_list turns;        // the first work of each key, in turn
  rl_list active;       // works that run now
  rl_list returned;     // works that have run, on their way back
  rl_post post;         // brings them
  rl_work **buckets;    // the first works by key
  size_t bucket_count;  // a power of two
  size_t keys;
  uv_thread_t *threads;
  int size, started, idle;
  uint32_t queued, running;
  uint64_t completed;
  bool posted, stopping;
} rl_pool;

// `size` 0: one thread a core. No thread starts before the first job.
int rl_pool_init(rl_pool *p, rl_loop *loop, int size);
// Drops queued jobs (done with ran=false), tells the running ones, and waits for them. Loop thread,
// before rl_loop_fini.
void rl_pool_fini(rl_pool *p);

// Queues `w`, whose run, done are set. Negative: UV_ENOMEM, or that no thread could start; then
// done is not called.
int rl_pool_submit(rl_pool *p, rl_work *w, const void *key);
// True: it was still queued, and done(ran=false) was called. False: it runs or has run; its flag is
// set.
bool rl_pool_cancel(rl_pool *p, rl_work *w);

#endif
