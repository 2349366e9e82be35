// Waiting for a readable descriptor, over uv_poll_t.
#include "runtime/io/watch.h"

#include "runtime/base/check.h"
#include "runtime/base/error.h"

#include <stdlib.h>
#include <unistd.h>

static rl_stop stop(rl_op *op) {
  uv_poll_stop(&rl_container_of(op, rl_watch, op)->poll);
  return RL_STOP_NOW;
}

static const rl_op_kind watch_kind = {"watch", stop, NULL, RL_HOLD_PASSIVE};

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)events;
  rl_watch *w = rl_container_of(poll, rl_watch, poll);
  uv_poll_stop(poll);
  if (rl_op_pending(&w->op)) rl_op_finish(&w->op, status);
}

static void closed(rl_uvhandle *h) {
  rl_watch *w = rl_container_of(h, rl_watch, handle);
  close(w->fd);
  free(w);
}

int rl_watch_new(rl_loop *loop, int fd, rl_watch **out) {
  rl_watch *w = malloc(sizeof *w);
  if (!w) return UV_ENOMEM;
  int err = uv_poll_init(loop->uv, &w->poll, fd);
  if (err < 0) {
    free(w);
    return err;
  }
  w->fd = fd;
  rl_op_init(&w->op, &watch_kind);
  rl_uvhandle_opened(&w->handle, loop, &w->poll, closed);
  *out = w;
  return 0;
}

void rl_watch_wait(rl_watch *w, struct rl_task *task) {
  rl_op_init(&w->op, &watch_kind);
  rl_op_begin(&w->op, task);
  int err = uv_poll_start(&w->poll, UV_READABLE, on_poll);
  if (err < 0) rl_op_finish(&w->op, err);
}

void rl_watch_close(rl_watch *w) {
  if (!rl_uvhandle_open(&w->handle)) return;
  if (rl_op_pending(&w->op)) rl_op_finish(&w->op, RL_CLOSED);
  rl_uvhandle_close(&w->handle);
}
