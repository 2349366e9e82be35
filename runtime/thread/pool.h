// The CPU pool: one thread a core, apart from libuv's pool, so that CPU work never delays files or names.
// Jobs queue by key (a task): keys take turns, so that one task's thousand jobs do not hold up another's one.
#ifndef RL_THREAD_POOL_H
#define RL_THREAD_POOL_H

#include "runtime/core/loop.h"

typedef struct rl_work rl_work;
struct rl_work {
  rl_post post;                        // its way back
  rl_link link;                        // in its key's queue
  const void *key;
  struct rl_pool *pool;
  void (*run)(rl_work *);              // on a pool thread
  void (*done)(rl_work *, bool ran);   // on the loop's thread, always, exactly once
  atomic_bool cancelled;               // a flag that run may poll
  uint8_t phase;                       // queued, running, done: under the pool's lock
};

typedef struct rl_pool {
  rl_loop *loop;
  uv_mutex_t lock;
  uv_cond_t wake;
  rl_list turns;          // keys with queued work, in turn
  uv_thread_t *threads;
  int size, started, idle;
  uint32_t queued, running;
  uint64_t completed;
  bool stopping;
} rl_pool;

// `size` 0: one thread a core. No thread starts before the first job.
int rl_pool_init(rl_pool *p, rl_loop *loop, int size);
void rl_pool_fini(rl_pool *p);  // drops queued jobs (done with ran=false), waits for running ones

int rl_pool_submit(rl_pool *p, rl_work *w, const void *key);
// True: it was still queued, and done(ran=false) was called. False: it runs or has run; its flag is set.
bool rl_pool_cancel(rl_pool *p, rl_work *w);

#endif
