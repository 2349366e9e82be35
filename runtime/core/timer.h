// Timers: a 4-ary heap ordered by (deadline, sequence). One thread. Times are nanoseconds of the
// loop's clock.
#ifndef RL_CORE_TIMER_H
#define RL_CORE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RL_NEVER UINT64_MAX

typedef struct rl_timer rl_timer;
struct rl_timer {
  uint32_t place;  // in the heap, from 1; 0: not armed
  uint32_t seq;    // breaks ties
  void (*fire)(rl_timer *);
};

typedef struct rl_timer_entry {
  uint64_t due;
  rl_timer *timer;
} rl_timer_entry;

typedef struct rl_timers {
  rl_timer_entry *heap;
  size_t count, cap;
  uint32_t seq;
} rl_timers;

void rl_timers_init(rl_timers *ts);
void rl_timers_fini(rl_timers *ts);
static inline uint64_t rl_timers_next(const rl_timers *ts) {
  return ts->count ? ts->heap[0].due : RL_NEVER;
}
// The earliest that is due, disarmed; or NULL.
rl_timer *rl_timers_pop(rl_timers *ts, uint64_t now);

static inline void rl_timer_init(rl_timer *t, void (*fire)(rl_timer *)) {
  t->place = 0;
  t->seq = 0;
  t->fire = fire;
}
static inline bool rl_timer_armed(const rl_timer *t) { return t->place != 0; }
// Or moves it; UV_ENOMEM-like -12 when memory is out.
int rl_timer_start(rl_timers *ts, rl_timer *t, uint64_t due);
void rl_timer_stop(rl_timers *ts, rl_timer *t);
uint64_t rl_timer_due(const rl_timers *ts, const rl_timer *t);  // RL_NEVER if not armed

#endif
