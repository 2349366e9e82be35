// The loop: ready jobs, timers, posts, one poll between ticks.
#include "runtime/core/loop.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { POLL_WITHIN = 1000000 };  // ns: a tick polls at least so often, however short its rounds are
enum { CLOCK_TURNS = 16 };       // turns without a poll between two looks at the clock
enum { CLOCK_EVERY = 64 };       // jobs run between two looks at the clock
enum { TICK = 100000 };          // ns

// An eventfd of our own: the receiver of a uv_async_t spins and yields for as long as the sender,
// whom it may just have preempted, is not through, and on Linux since 6.6 a yield costs a whole
// time slice.
static void wake(rl_loop *loop) {
  uint64_t one = 1;
  while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {}
}

// uv_run looks at its timers before it polls: an alarm that went off there must not leave it to
// block.
static void on_alarm(uv_timer_t *alarm) {
  rl_loop *loop = alarm->data;
  loop->alarm_due = RL_NEVER;
  if (loop->owns_uv) {
    uv_stop(loop->uv);
  } else {
    wake(loop);
  }
}

static void drain_posts(rl_loop *loop) {
  if (!atomic_exchange(&loop->poked, false)) return;
  uv_mutex_lock(&loop->post_lock);
  rl_post *post = loop->posts;
  loop->posts = NULL;
  loop->posts_tail = &loop->posts;
  uv_mutex_unlock(&loop->post_lock);
  while (post) {
    rl_post *next = post->next;
    post->run(post);
    post = next;
  }
}

static void on_wakeup(uv_poll_t *wakeup, int status, int events) {
  (void)status;
  (void)events;
  rl_loop *loop = wakeup->data;
  uint64_t count;
  while (read(loop->wake_fd, &count, sizeof count) < 0 && errno == EINTR) {}
  drain_posts(loop);
}

static void on_closed(uv_handle_t *h) { ((rl_loop *)h->data)->handles--; }

static int open_handles(rl_loop *loop) {
  loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (loop->wake_fd < 0) return -errno;
  int err = uv_poll_init(loop->uv, &loop->wakeup, loop->wake_fd);
  if (err < 0) {
    close(loop->wake_fd);
    return err;
  }
  uv_timer_init(loop->uv, &loop->alarm);
  loop->alarm.data = loop->wakeup.data = loop;
  uv_poll_start(&loop->wakeup, UV_READABLE, on_wakeup);
  uv_unref((uv_handle_t *)&loop->wakeup);
  uv_unref((uv_handle_t *)&loop->alarm);
  return 0;
}

static void on_tick(uv_poll_t *ticker, int status, int events) {
  (void)status;
  (void)events;
  rl_loop *loop = ticker->data;
  uint64_t count;
  while (read(loop->ticker_fd, &count, sizeof count) < 0 && errno == EINTR) {}
  loop->alarm_due = RL_NEVER;
}

int rl_loop_precise(rl_loop *loop) {
  if (loop->ticker_fd >= 0) return 0;
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) return -errno;
  int err = uv_poll_init(loop->uv, &loop->ticker, fd);
  if (err < 0) {
    close(fd);
    return err;
  }
  uv_timer_stop(&loop->alarm);
  loop->alarm_due = RL_NEVER;
  loop->ticker_fd = fd;
  loop->ticker.data = loop;
  uv_poll_start(&loop->ticker, UV_READABLE, on_tick);
  uv_unref((uv_handle_t *)&loop->ticker);
  return 0;
}

int rl_loop_init(rl_loop *loop, uv_loop_t *uv, void (*run)(rl_loop *, rl_job *), void *owner) {
  memset(loop, 0, sizeof *loop);
  loop->run = run;
  loop->owner = owner;
  loop->tail = &loop->head;
  rl_link_init(&loop->uvhandles);
  rl_link_init(&loop->chores);
  loop->posts_tail = &loop->posts;
  loop->alarm_due = RL_NEVER;
  loop->ticker_fd = -1;
  loop->owns_uv = !uv;
  loop->uv = uv ? uv : &loop->own;
  rl_timers_init(&loop->timers);
  rl_slab_init(&loop->slab);
  atomic_init(&loop->poked, false);
  int err = uv ? 0 : uv_loop_init(&loop->own);
  if (err < 0) return err;
  err = open_handles(loop);
  if (err == 0) err = uv_mutex_init(&loop->post_lock);
  if (err < 0 && loop->owns_uv) uv_loop_close(&loop->own);
  return err;
}

void rl_loop_on_close(rl_loop *loop, rl_closer *closer) {
  closer->next = loop->closers;
  loop->closers = closer;
}

void rl_loop_close(rl_loop *loop) {
  if (loop->closing) return;
  loop->closing = true;
  for (rl_closer *c; (c = loop->closers);) {
    loop->closers = c->next;
    c->close(c);
  }
  uv_mutex_lock(&loop->post_lock);
  loop->closed_to_posts = true;
  rl_post *post = loop->posts;
  loop->posts = NULL;
  loop->posts_tail = &loop->posts;
  uv_mutex_unlock(&loop->post_lock);
  for (rl_post *next; post; post = next) {
    next = post->next;
    if (post->drop) post->drop(post);
  }
  loop->handles += 2;
  uv_close((uv_handle_t *)&loop->wakeup, on_closed);
  uv_close((uv_handle_t *)&loop->alarm, on_closed);
  if (loop->ticker_fd < 0) return;
  loop->handles++;
  uv_close((uv_handle_t *)&loop->ticker, on_closed);
}

bool rl_loop_closed(const rl_loop *loop) { return loop->closing && loop->handles == 0; }

void rl_loop_fini(rl_loop *loop) {
  RL_CHECK(rl_loop_closed(loop));
  close(loop->wake_fd);
  if (loop->ticker_fd >= 0) close(loop->ticker_fd);
  if (loop->owns_uv) RL_CHECK(uv_loop_close(&loop->own) == 0);
  uv_mutex_destroy(&loop->post_lock);
  rl_timers_fini(&loop->timers);
  rl_slab_fini(&loop->slab);
}

static uint64_t clock_now(rl_loop *loop) { return loop->now = uv_hrtime() + loop->skew; }

uint64_t rl_loop_now(rl_loop *loop) { return loop->virtual_clock ? loop->now : clock_now(loop); }

void rl_loop_set_virtual(rl_loop *loop, bool on) {
  if (on == loop->virtual_clock) return;
  if (on) {
    clock_now(loop);
  } else {
    loop->skew = loop->now - uv_hrtime();
  }
  loop->virtual_clock = on;
}

// splitmix64: every seed gives a full-period sequence.
uint64_t rl_loop_random(rl_loop *loop) {
  uint64_t z = (loop->rng += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

int rl_loop_timer(rl_loop *loop, rl_timer *t, uint64_t due) {
  if (due == RL_NEVER) {
    rl_timer_stop(&loop->timers, t);
    return 0;
  }
  return rl_timer_start(&loop->timers, t, due);
}

bool rl_loop_post(rl_loop *loop, rl_post *post) {
  post->next = NULL;
  uv_mutex_lock(&loop->post_lock);
  bool open = !loop->closed_to_posts;
  if (open) {
    *loop->posts_tail = post;
    loop->posts_tail = &post->next;
    if (!atomic_exchange(&loop->poked, true)) wake(loop);
  }
  uv_mutex_unlock(&loop->post_lock);
  return open;
}

void rl_loop_wake(rl_loop *loop) {
  int before = errno;  // a signal handler may call this
  wake(loop);
  errno = before;
}

bool rl_loop_stuck(const rl_loop *loop) {
  return !loop->head && !loop->timers.count && !loop->real && !loop->passive &&
         !atomic_load(&((rl_loop *)loop)->poked);
}

static void fire_timers(rl_loop *loop) {
  if (!loop->timers.count) return;
  uint64_t now = rl_loop_now(loop);
  // Timers that are armed while firing wait for the next tick.
  uint32_t last = loop->timers.seq;
  while (loop->timers.count && loop->timers.heap[0].due <= now &&
         (int32_t)(loop->timers.heap[0].timer->seq - last) <= 0) {
    rl_timer *t = rl_timers_pop(&loop->timers, now);
    t->fire(t);
  }
}

// The order of equally ready jobs under a seed: the whole queue is dealt anew. Not if memory is
// out.
static void shuffle(rl_loop *loop) {
  uint32_t count = loop->ready;
  rl_job **deck = count > 1 ? malloc(count * sizeof *deck) : NULL;
  if (!deck) return;
  rl_job *job = loop->head;
  for (uint32_t i = 0; i < count; i++, job = job->next) deck[i] = job;
  loop->tail = &loop->head;
  for (uint32_t left = count; left > 0; left--) {
    rl_job **dealt = &deck[rl_loop_random(loop) % left];
    *loop->tail = *dealt;
    loop->tail = &(*dealt)->next;
    *dealt = deck[left - 1];
  }
  *loop->tail = NULL;
  free(deck);
}

// With nothing to come from outside that we know of, a poll now and then is enough: for handles of
// others.
static bool poll_is_due(rl_loop *loop) {
  if (loop->real || loop->passive || loop->handles || !loop->head || atomic_load(&loop->poked))
    return true;
  if (loop->polls % CLOCK_TURNS) return false;
  uint64_t now = uv_hrtime();
  if (now - loop->polled_at <= POLL_WITHIN) return false;
  loop->polled_at = now;
  return true;
}

// A poll that would find nothing is over at once.
static bool pass_fence(rl_loop *loop) {
  if (loop->timers.count || loop->seed || poll_is_due(loop)) return false;
  loop->polls++;
  loop->fence = NULL;
  return loop->polls % CLOCK_TURNS != 0;
}

void rl_loop_run(rl_loop *loop) {
  loop->ticks++;
  if (loop->seed) {
    shuffle(loop);
    loop->fence = NULL;
  }
  uint64_t start = 0;
  uint32_t batch = loop->ready, ran = 0;
  rl_job *job;
  while ((job = loop->head) && (job != loop->fence || pass_fence(loop))) {
    if (loop->seed && ran >= batch) break;
    loop->head = job->next;
    if (!job->next) loop->tail = &loop->head;
    loop->ready--;
    loop->run(loop, job);
    // Past the jobs that were ready at first, go on only for a moment: hand-offs need no poll, the
    // outside does.
    if (++ran < batch || ran % CLOCK_EVERY) continue;
    uint64_t now = uv_hrtime();
    if (!start) start = now;
    if (now - start > POLL_WITHIN) break;
  }
}

// Timers that are due within a tenth of a millisecond share a wake-up.
static void set_ticker(rl_loop *loop, uint64_t due) {
  struct itimerspec when = {0};
  if (due != RL_NEVER) {
    uint64_t ns = (due - loop->skew + TICK - 1) / TICK * TICK;
    when.it_value = (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
  }
  timerfd_settime(loop->ticker_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void set_alarm(rl_loop *loop, uint64_t due) {
  if (due == RL_NEVER) {
    uv_timer_stop(&loop->alarm);
    return;
  }
  uint64_t now = clock_now(loop);
  uint64_t ms = due > now ? (due - now + 999999) / 1000000 : 0;
  uv_update_time(loop->uv);
  uv_timer_start(&loop->alarm, on_alarm, ms, 0);
}

void rl_loop_arm(rl_loop *loop) {
  uint64_t due = loop->virtual_clock ? RL_NEVER : rl_timers_next(&loop->timers);
  if (due == loop->alarm_due) return;
  if (loop->ticker_fd >= 0) {
    set_ticker(loop, due);
  } else {
    set_alarm(loop, due);
  }
  loop->alarm_due = due;
}

// Under a virtual clock with nothing else to come, time jumps to the next deadline.
static bool jump(rl_loop *loop) {
  if (!loop->virtual_clock || loop->head || loop->real || !loop->timers.count) return false;
  if (atomic_load(&loop->poked)) return false;
  if (loop->timers.heap[0].due > loop->now) loop->now = loop->timers.heap[0].due;
  return true;
}

void rl_loop_do_chores(rl_loop *loop) {
  for (rl_link *l; (l = rl_list_pop(&loop->chores));) {
    rl_chore *chore = rl_container_of(l, rl_chore, link);
    chore->run(chore);
  }
}

void rl_loop_poll(rl_loop *loop, bool block) {
  rl_loop_do_chores(loop);
  bool wait = block && !loop->head && !jump(loop);
  if (wait && loop->timers.count && !loop->virtual_clock &&
      rl_timers_next(&loop->timers) <= clock_now(loop))
    wait = false;
  if (wait) rl_loop_arm(loop);
  if (wait || poll_is_due(loop)) {
    // Our own handles are not referenced: with nothing else alive, uv_run would not poll. What
    // tells a host of them must be read, or it would tell again and again.
    bool idle = (wait || loop->ticker_fd >= 0) && !uv_loop_alive(loop->uv);
    if (idle) uv_ref((uv_handle_t *)&loop->wakeup);
    uv_run(loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    if (idle) uv_unref((uv_handle_t *)&loop->wakeup);
  }
  loop->polls++;
  loop->fence = NULL;
  drain_posts(loop);
  fire_timers(loop);
}

void rl_loop_turn(rl_loop *loop, bool polled) {
  if (polled) loop->fence = NULL;
  drain_posts(loop);
  fire_timers(loop);
  rl_loop_run(loop);
  rl_loop_do_chores(loop);
  rl_loop_arm(loop);
}
