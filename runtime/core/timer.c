// Timers: a 4-ary heap ordered by (deadline, sequence).
#include "runtime/core/timer.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <stdlib.h>

void rl_timers_init(rl_timers *ts) { *ts = (rl_timers){0}; }

void rl_timers_fini(rl_timers *ts) {
  free(ts->heap);
  rl_timers_init(ts);
}

static inline bool earlier(const rl_timer_entry *a, const rl_timer_entry *b) {
  if (a->due != b->due) return a->due < b->due;
  return (int32_t)(a->timer->seq - b->timer->seq) < 0;
}

static inline void put(rl_timers *ts, size_t i, rl_timer_entry e) {
  ts->heap[i] = e;
  e.timer->place = (uint32_t)i + 1;
}

static void sift_up(rl_timers *ts, size_t i, rl_timer_entry e) {
  while (i > 0) {
    size_t parent = (i - 1) / 4;
    if (!earlier(&e, &ts->heap[parent])) break;
    put(ts, i, ts->heap[parent]);
    i = parent;
  }
  put(ts, i, e);
}

static void sift_down(rl_timers *ts, size_t i, rl_timer_entry e) {
  for (;;) {
    size_t child = 4 * i + 1, best = child;
    if (child >= ts->count) break;
    size_t end = child + 4 < ts->count ? child + 4 : ts->count;
    for (size_t c = child + 1; c < end; c++) {
      if (earlier(&ts->heap[c], &ts->heap[best])) best = c;
    }
    if (!earlier(&ts->heap[best], &e)) break;
    put(ts, i, ts->heap[best]);
    i = best;
  }
  put(ts, i, e);
}

static bool grow(rl_timers *ts) {
  size_t cap = ts->cap ? ts->cap + ts->cap / 2 : 64;
  if (cap > UINT32_MAX - 1) return false;
  rl_timer_entry *heap = realloc(ts->heap, cap * sizeof *heap);
  if (!heap) return false;
  ts->heap = heap;
  ts->cap = cap;
  return true;
}

int rl_timer_start(rl_timers *ts, rl_timer *t, uint64_t due) {
  rl_timer_stop(ts, t);
  if (ts->count == ts->cap && !grow(ts)) return -ENOMEM;
  t->seq = ++ts->seq;
  sift_up(ts, ts->count++, (rl_timer_entry){due, t});
  return 0;
}

void rl_timer_stop(rl_timers *ts, rl_timer *t) {
  if (!t->place) return;
  size_t i = t->place - 1;
  t->place = 0;
  rl_timer_entry last = ts->heap[--ts->count];
  if (i == ts->count) return;
  if (i > 0 && earlier(&last, &ts->heap[(i - 1) / 4])) {
    sift_up(ts, i, last);
  } else {
    sift_down(ts, i, last);
  }
}

uint64_t rl_timer_due(const rl_timers *ts, const rl_timer *t) {
  return t->place ? ts->heap[t->place - 1].due : RL_NEVER;
}

rl_timer *rl_timers_pop(rl_timers *ts, uint64_t now) {
  if (!ts->count || ts->heap[0].due > now) return NULL;
  rl_timer *t = ts->heap[0].timer;
  rl_timer_stop(ts, t);
  return t;
}
