// Signals over uv_signal_t.
#include "runtime/io/signals.h"

#include "runtime/base/check.h"
#include "runtime/base/error.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct rl_signal_source {
  rl_uvhandle handle;
  uv_signal_t signal;
  rl_signals *all;
  struct sigaction before;
  int watchers;
};

static void deliver(rl_signal_watch *w, int number) {
  if (!w->wanted[number] || w->pending[number]) return;
  w->pending[number] = true;
  w->queue[w->count++] = (uint8_t)number;
  if (rl_op_pending(&w->op)) rl_op_finish(&w->op, 0);
}

static void on_signal(uv_signal_t *signal, int number) {
  rl_signals *all = rl_container_of(signal, rl_signal_source, signal)->all;
  for (rl_link *l = all->watchers.next; l != &all->watchers; l = l->next)
    deliver(rl_container_of(l, rl_signal_watch, link), number);
}

static void on_closed(rl_uvhandle *h) { free(rl_container_of(h, rl_signal_source, handle)); }

static void (*handler_of(int number, struct sigaction *action))(int) {
  sigaction(number, NULL, action);
  return action->sa_handler;
}

// libuv's own handler, where another loop had it installed before, is not given back: it may watch
// nothing by then.
static int source_new(rl_signals *all, int number, rl_signal_source **out) {
  rl_signal_source *source = calloc(1, sizeof *source);
  if (!source) return UV_ENOMEM;
  void (*before)(int) = handler_of(number, &source->before);
  source->all = all;
  uv_signal_init(all->loop->uv, &source->signal);
  rl_uvhandle_opened(&source->handle, all->loop, &source->signal, on_closed);
  int err = uv_signal_start(&source->signal, on_signal, number);
  if (err < 0) {
    rl_uvhandle_close(&source->handle);
    return err;
  }
  struct sigaction ours;
  if (handler_of(number, &ours) == before) source->before.sa_handler = SIG_DFL;
  *out = source;
  return 0;
}

static void source_release(rl_signals *all, int number) {
  rl_signal_source *source = all->sources[number];
  if (--source->watchers > 0) return;
  all->sources[number] = NULL;
  uv_signal_stop(&source->signal);
  struct sigaction now;
  if (handler_of(number, &now) == SIG_DFL && source->before.sa_handler != SIG_DFL)
    sigaction(number, &source->before, NULL);
  rl_uvhandle_close(&source->handle);
}

void rl_signals_init(rl_signals *s, rl_loop *loop) {
  memset(s, 0, sizeof *s);
  s->loop = loop;
  rl_link_init(&s->watchers);
}

void rl_signals_close(rl_signals *s) {
  while (!rl_list_empty(&s->watchers))
    rl_signal_watch_close(rl_container_of(s->watchers.next, rl_signal_watch, link));
}

static rl_stop stop(rl_op *op) {
  (void)op;
  return RL_STOP_NOW;
}

static const rl_op_kind signal_kind = {"signal", stop, NULL, RL_HOLD_PASSIVE};

void rl_signal_watch_init(rl_signal_watch *w, rl_signals *s) {
  w->signals = s;
  rl_op_init(&w->op, &signal_kind);
  rl_list_push(&s->watchers, &w->link);
}

int rl_signal_watch_add(rl_signal_watch *w, int number) {
  rl_signals *all = w->signals;
  if (number <= 0 || number >= RL_SIGNALS) return UV_EINVAL;
  if (w->wanted[number]) return 0;
  int err = all->sources[number] ? 0 : source_new(all, number, &all->sources[number]);
  if (err < 0) return err;
  all->sources[number]->watchers++;
  w->wanted[number] = true;
  return 0;
}

void rl_signal_watch_close(rl_signal_watch *w) {
  if (!w->signals) return;
  for (int number = 1; number < RL_SIGNALS; number++) {
    if (w->wanted[number]) source_release(w->signals, number);
  }
  memset(w->wanted, 0, sizeof w->wanted);
  w->signals = NULL;
  rl_link_remove(&w->link);
  if (rl_op_pending(&w->op)) rl_op_finish(&w->op, RL_CLOSED);
}

int rl_signal_watch_take(rl_signal_watch *w) {
  if (w->count == 0) return 0;
  int number = w->queue[0];
  memmove(w->queue, w->queue + 1, (size_t)--w->count);
  w->pending[number] = false;
  return number;
}

void rl_signal_watch_wait(rl_signal_watch *w, struct rl_task *task) {
  rl_op_init(&w->op, &signal_kind);
  rl_op_begin(&w->op, task);
}
