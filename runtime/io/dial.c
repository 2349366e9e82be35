// Connecting to one of several addresses.
#include "runtime/io/dial.h"

#include "runtime/core/task.h"

#include <stdlib.h>

#define STAGGER UINT64_C(250000000)  // ns, RFC 8305's recommendation

typedef struct attempt {
  rl_link link;
  rl_dial *dial;  // NULL: given up
  rl_uvstream *stream;
  uv_connect_t req;
} attempt;

static void try_next(rl_dial *d);

static void discard(rl_uvstream *u) {
  rl_stream_close(&u->s);
  rl_stream_unref(&u->s);
}

// Closes what is still on its way; its callbacks free the rest.
static void give_up(rl_dial *d) {
  rl_loop_timer_stop(d->loop, &d->stagger);
  for (rl_link *l; (l = rl_list_pop(&d->attempts));) {
    attempt *a = rl_container_of(l, attempt, link);
    a->dial = NULL;
    discard(a->stream);
  }
}

static rl_stop stop_dial(rl_op *op) {
  give_up(rl_container_of(op, rl_dial, op));
  return RL_STOP_NOW;
}

static const rl_op_kind dial_kind = {"connect", stop_dial, NULL, RL_HOLD_REAL};

static void failed(rl_dial *d, int err) {
  if (!d->error) d->error = err;
}

static void advance(rl_dial *d) {
  if (d->next < d->count) {
    try_next(d);
  } else if (rl_list_empty(&d->attempts)) {
    rl_loop_timer_stop(d->loop, &d->stagger);
    rl_op_finish(&d->op, d->error);
  }
}

static void on_connect(uv_connect_t *req, int status) {
  attempt *a = rl_container_of(req, attempt, req);
  rl_dial *d = a->dial;
  if (d) {
    rl_link_remove(&a->link);
    if (status == 0) {
      d->winner = a->stream;
      give_up(d);
      rl_op_finish(&d->op, 0);
    } else {
      discard(a->stream);
      failed(d, status);
      advance(d);
    }
  }
  free(a);
}

static attempt *start(rl_dial *d, uv_handle_type type) {
  int err = UV_ENOMEM;
  attempt *a = malloc(sizeof *a);
  rl_uvstream *u = a ? rl_uvstream_new(d->loop, type, &err) : NULL;
  if (!u) {
    free(a);
    failed(d, err);
    return NULL;
  }
  a->dial = d;
  a->stream = u;
  rl_list_push(&d->attempts, &a->link);
  return a;
}

static bool try_address(rl_dial *d, const rl_addr *addr) {
  attempt *a = start(d, UV_TCP);
  if (!a) return false;
  uv_tcp_nodelay(&a->stream->uv.tcp, 1);
  int err =
      uv_tcp_connect(&a->req, &a->stream->uv.tcp, (const struct sockaddr *)&addr->sa, on_connect);
  if (err == 0) return true;
  rl_link_remove(&a->link);
  discard(a->stream);
  free(a);
  failed(d, err);
  return false;
}

static void try_next(rl_dial *d) {
  while (d->next < d->count) {
    if (!try_address(d, &d->addrs[d->next++])) continue;
    if (d->next < d->count) rl_loop_timer(d->loop, &d->stagger, rl_loop_now(d->loop) + STAGGER);
    return;
  }
  advance(d);
}

static void on_stagger(rl_timer *t) { try_next(rl_container_of(t, rl_dial, stagger)); }

rl_dial *rl_dial_new(rl_loop *loop, int count) {
  rl_dial *d = calloc(1, sizeof *d + (size_t)count * sizeof(rl_addr));
  if (!d) return NULL;
  rl_op_init(&d->op, &dial_kind);
  rl_link_init(&d->attempts);
  rl_timer_init(&d->stagger, on_stagger);
  d->loop = loop;
  d->count = count;
  return d;
}

void rl_dial_begin(rl_dial *d, rl_task *task) {
  rl_op_begin(&d->op, task);
  if (d->count == 0) failed(d, UV_EAI_NONAME);
  try_next(d);
}

void rl_dial_begin_path(rl_dial *d, const char *path, rl_task *task) {
  rl_op_begin(&d->op, task);
  attempt *a = start(d, UV_NAMED_PIPE);
  if (a) {
    uv_pipe_connect(&a->req, &a->stream->uv.pipe, path, on_connect);
  } else {
    rl_op_finish(&d->op, d->error);
  }
}

void rl_dial_free(rl_dial *d) {
  if (!d) return;
  if (rl_op_pending(&d->op)) rl_op_abort(&d->op);
  if (d->winner) discard(d->winner);
  free(d);
}
