// The loop: a first-in-first-out queue of jobs, timers, posts from other threads, and one poll of
// libuv between ticks. It runs jobs and does not know tasks: `run` is given at birth. One thread,
// but for rl_loop_post.
#ifndef RL_CORE_LOOP_H
#define RL_CORE_LOOP_H

#include "runtime/base/list.h"
#include "runtime/base/slab.h"
#include "runtime/core/timer.h"

#include <stdatomic.h>
#include <uv.h>

typedef struct rl_job {
  struct rl_job *next;
} rl_job;

// A call to be made on the loop's thread. `run` is called once, or `drop` if the loop closes first.
typedef struct rl_post {
  struct rl_post *next;
  void (*run)(struct rl_post *);
  void (*drop)(struct rl_post *);
} rl_post;

// What ends with the loop: `close` is called once, when it begins to close.
typedef struct rl_closer {
  struct rl_closer *next;
  void (*close)(struct rl_closer *);
} rl_closer;

// What is to be done once before the next poll, however often it was asked for.
typedef struct rl_chore {
  rl_link link;
  void (*run)(struct rl_chore *);
} rl_chore;

typedef struct rl_loop rl_loop;
struct rl_loop {
  uv_loop_t *uv;
  void (*run)(rl_loop *, rl_job *);
  void *owner;  // of the floor above
  // The place in a script that runs now, for whoever keeps record; or NULL.
  int (*place)(rl_loop *);

  rl_job *head, **tail;  // ready, first in first out
  rl_job *fence;         // the first job that wants a poll before it runs; NULL if none
  uint32_t ready;        // jobs in the queue
  rl_list chores;

  rl_timers timers;
  uint64_t now;   // as last read
  uint64_t skew;  // added to the real clock, so that time stays monotonic after a virtual spell
  bool virtual_clock;

  uint32_t passive, real;  // ops that wait for the outside, by hold
  rl_list uvhandles;       // open and closing ones (runtime/io/handle.h)
  uint32_t handles;        // open or closing libuv handles of ours, besides the two below
  uint64_t ticks, polls;
  uint64_t polled_at;  // real time of the last poll

  uint64_t seed;  // of the order of equally ready jobs; 0: arrival order
  uint64_t rng;

  uv_timer_t alarm;  // armed to the earliest timer
  uint64_t alarm_due;
  uv_poll_t ticker;  // the same over a timerfd, once rl_loop_precise was called
  int ticker_fd;     // or -1
  uv_poll_t wakeup;  // posts, and wake-ups from signal handlers, over
  int wake_fd;       // an eventfd
  uv_mutex_t post_lock;
  rl_post *posts, **posts_tail;
  bool closed_to_posts;
  atomic_bool poked;  // something was posted since the last drain
  bool owns_uv, closing;
  uv_loop_t own;

  rl_slab slab;  // records of tasks, scopes and ops; blocks to read into
  rl_closer *closers;
  void *resolver;            // of runtime/io
  struct rl_permit *permit;  // of runtime/io: what may be reached; NULL: everything
};

// `uv` NULL: the loop makes its own. Negative: a libuv error, nothing to undo.
int rl_loop_init(rl_loop *loop, uv_loop_t *uv, void (*run)(rl_loop *, rl_job *), void *owner);
// Starts closing the loop's own handles; rl_loop_fini follows once rl_loop_closed says so.
void rl_loop_close(rl_loop *loop);
void rl_loop_on_close(rl_loop *loop, rl_closer *closer);
bool rl_loop_closed(const rl_loop *loop);
void rl_loop_fini(rl_loop *loop);

// Joins the tail.
static inline void rl_loop_ready(rl_loop *loop, rl_job *job) {
  job->next = NULL;
  *loop->tail = job;
  loop->tail = &job->next;
  loop->ready++;
}
// Joins the tail, and runs only after one more poll.
static inline void rl_loop_ready_after_poll(rl_loop *loop, rl_job *job) {
  rl_loop_ready(loop, job);
  if (!loop->fence) loop->fence = job;
}

static inline void rl_loop_before_poll(rl_loop *loop, rl_chore *chore) {
  if (!rl_link_linked(&chore->link)) rl_list_push(&loop->chores, &chore->link);
}
// For whoever leaves the next poll to somebody else.
void rl_loop_do_chores(rl_loop *loop);

// Nanoseconds, fresh, monotonic; stands still under a virtual clock.
uint64_t rl_loop_now(rl_loop *loop);
// When a wait of `ns` that begins now is over: a nanosecond late, so that a script's `now() -
// before` does not come out short when it is rounded.
static inline uint64_t rl_loop_after(rl_loop *loop, uint64_t ns) {
  uint64_t now = rl_loop_now(loop);
  return ns >= RL_NEVER - now ? RL_NEVER : now + ns + 1;
}
void rl_loop_set_virtual(rl_loop *loop, bool on);
uint64_t rl_loop_random(rl_loop *loop);  // the seeded sequence

int rl_loop_timer(rl_loop *loop, rl_timer *t, uint64_t due);
static inline void rl_loop_timer_stop(rl_loop *loop, rl_timer *t) {
  rl_timer_stop(&loop->timers, t);
}

// Any thread. False: the loop is closing, and `drop` was not called.
bool rl_loop_post(rl_loop *loop, rl_post *post);
void rl_loop_wake(rl_loop *loop);  // any thread and signal handlers: ends a poll

// A tick is a run and a poll. The run: the jobs that are ready, and those they make ready for a
// moment longer.
void rl_loop_run(rl_loop *loop);
// The poll: I/O, posts, timers. It blocks only if `block` and nothing is ready or due.
void rl_loop_poll(rl_loop *loop, bool block);
static inline void rl_loop_tick(rl_loop *loop, bool block) {
  rl_loop_run(loop);
  rl_loop_poll(loop, block);
}
// The same for a loop that someone else polls, and has polled just now if `polled`: runs what is
// due, arms the alarm.
void rl_loop_turn(rl_loop *loop, bool polled);
// For a loop whose backend descriptor somebody else polls: from now on that tells when a timer is
// due, to a tenth of a millisecond; libuv alone counts in whole ones. rl_loop_arm sets it to the
// next timer. Negative: a libuv error, and nothing has changed.
int rl_loop_precise(rl_loop *loop);
void rl_loop_arm(rl_loop *loop);
// Nothing ready, no timer, nothing awaited from outside, no post: no tick will ever change
// anything.
bool rl_loop_stuck(const rl_loop *loop);

#endif
