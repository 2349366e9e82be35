// The server's side of an HTTP/1 connection.
#include "runtime/io/http_conn.h"

#include "runtime/io/http_body.h"

static rl_stop stop_waiting(rl_op *op) {
  (void)op;
  return RL_STOP_NOW;
}

static const rl_op_kind wait_kind = {"http:request", stop_waiting, NULL, RL_HOLD_REAL};

// The client is gone: who answers it is cancelled.
static void abandon(rl_http_conn *c) {
  if (c->task) rl_scope_cancel(c->scope, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
}

static void expire(rl_http_conn *c) {
  rl_http_phase phase = c->phase;
  c->phase = RL_HTTP_NO_PHASE;
  if (phase == RL_HTTP_GONE) {
    abandon(c);
    return;
  }
  c->server->timeouts++;
  if (phase == RL_HTTP_BODY && c->body) {
    c->body_bad = true;
    rl_stream_ended(&c->body->s, RL_TIMEOUT);
  } else if (phase == RL_HTTP_WRITE) {
    if (rl_op_pending(&c->stream->writer)) rl_op_finish(&c->stream->writer, RL_TIMEOUT);
  } else if (rl_op_pending(&c->op)) {
    rl_op_finish(&c->op, RL_TIMEOUT);
  } else if (!c->task && !rl_link_linked(&c->turn)) {
    c->expired = true;
    rl_http_conn_turn(c);
  }
}

static void on_timer(rl_timer *t) {
  rl_http_conn *c = rl_container_of(t, rl_http_conn, timer);
  if (c->phase == RL_HTTP_NO_PHASE || c->due == RL_NEVER) return;
  if (rl_loop_now(c->server->loop) < c->due) {
    c->armed = c->due;
    rl_loop_timer(c->server->loop, &c->timer, c->due);
  } else {
    expire(c);
  }
}

// The timer is moved only to fire earlier; when it fires too early it is set again.
void rl_http_conn_phase(rl_http_conn *c, rl_http_phase phase, uint64_t time) {
  c->phase = (uint8_t)phase;
  if (phase == RL_HTTP_NO_PHASE) return;
  c->due = time == RL_NEVER ? RL_NEVER : rl_loop_now(c->server->loop) + time;
  if (c->due == RL_NEVER || (rl_timer_armed(&c->timer) && c->armed <= c->due)) return;
  c->armed = c->due;
  rl_loop_timer(c->server->loop, &c->timer, c->due);
}

static void on_in(rl_stream_above *above) {
  rl_http_conn *c = rl_container_of(above, rl_http_conn, above);
  if (rl_op_pending(&c->op)) {
    rl_op_finish(&c->op, 0);
    return;
  }
  if (!c->task) rl_http_conn_turn(c);
  if (!c->serving) return;
  int status = c->stream->in_status;
  if (c->body && rl_op_pending(&c->body->s.reader)) {
    rl_http_body_move(c->body);
  } else if (status == UV_EOF) {
    if (c->phase == RL_HTTP_NO_PHASE)
      rl_http_conn_phase(c, RL_HTTP_GONE, c->server->limits.gone_time);
  } else if (status < 0) {
    abandon(c);
  }
}

static void on_out(rl_stream_above *above) {
  rl_http_conn *c = rl_container_of(above, rl_http_conn, above);
  if (!rl_stream_writing(c->stream)) rl_http_conn_flush(c);
}

int rl_http_conn_init(rl_http_conn *c, rl_http_server *server, rl_stream *stream) {
  if (stream->above || rl_stream_reading(stream) || rl_stream_writing(stream)) return UV_EBUSY;
  c->server = server;
  c->stream = stream;
  c->above = (rl_stream_above){on_in, on_out};
  rl_link_init(&c->unflushed);
  rl_link_init(&c->turn);
  rl_op_init(&c->op, &wait_kind);
  rl_timer_init(&c->timer, on_timer);
  rl_buf_init(&c->out);
  server->refs++;
  server->accepted++;
  rl_list_push(&server->conns, &c->link);
  rl_stream_ref(stream);
  stream->above = &c->above;
  c->registered = c->fresh = c->body_done = true;
  return 0;
}

void rl_http_conn_fini(rl_http_conn *c) {
  if (!c->registered) return;
  c->registered = false;
  if (c->body) {
    rl_http_body_detach(c->body);
    rl_stream_unref(&c->body->s);
    c->body = NULL;
  }
  if (c->stream->above == &c->above) c->stream->above = NULL;
  rl_loop_timer_stop(c->server->loop, &c->timer);
  rl_link_remove(&c->link);
  rl_link_remove(&c->unflushed);
  rl_link_remove(&c->turn);
  rl_buf_fini(&c->out);
  rl_stream_unref(c->stream);
  if (rl_http_server_over(c->server)) rl_lot_wake_all(&c->server->parked, 0);
  rl_http_server_unref(c->server);
}

int rl_http_conn_parse(rl_http_conn *c, rl_http1_field *fields) {
  size_t len = rl_stream_len(c->stream);
  if (len == 0) return RL_HTTP1_MORE;
  return rl_http1_parse_request(rl_buf_head(&c->stream->in), len, &c->scan, &c->server->limits.head,
                                &c->head, fields);
}

// The deadline for what a connection waits for between two exchanges.
static void start_waiting(rl_http_conn *c) {
  const rl_http_limits *limits = &c->server->limits;
  bool begun = rl_stream_len(c->stream) > 0 || c->fresh;
  if (begun && c->phase != RL_HTTP_HEAD) {
    rl_http_conn_phase(c, RL_HTTP_HEAD, limits->head_time);
  } else if (!begun && c->phase != RL_HTTP_IDLE) {
    rl_http_conn_phase(c, RL_HTTP_IDLE, limits->idle_time);
  }
}

void rl_http_conn_wait(rl_http_conn *c) {
  start_waiting(c);
  rl_op_begin(&c->op, c->task);
  if (c->server->draining && rl_stream_len(c->stream) == 0) {
    rl_op_finish(&c->op, RL_CLOSED);
  } else if (c->stream->in_status < 0) {
    rl_op_finish(&c->op, 0);
  } else {
    c->stream->kind->pull(c->stream);
  }
}

void rl_http_conn_turn(rl_http_conn *c) {
  if (rl_link_linked(&c->turn)) return;
  rl_list_push(&c->server->ready, &c->turn);
  rl_http_server_call(c->server);
}

void rl_http_conn_rest(rl_http_conn *c) {
  RL_CHECK(rl_buf_len(&c->out) == 0);
  start_waiting(c);
  c->task = NULL;
  if (c->server->out.cap == 0) {
    c->server->out = c->out;
    rl_buf_init(&c->out);
  } else {
    rl_buf_fini(&c->out);
  }
  c->stream->kind->pull(c->stream);
}

void rl_http_conn_start(rl_http_conn *c, size_t size) {
  c->scan = (rl_http1_scan){0};
  c->chunks = (rl_http1_chunks){0};
  c->body_left = c->head.length;
  c->body_size = 0;
  c->body_done = c->head.framing == RL_HTTP1_NO_BODY;
  c->body_bad = false;
  c->continue_due = c->head.expects_continue && !c->body_done;
  c->last |= !c->head.keep_alive;
  c->serving = true;
  if (c->out.cap == 0) {
    c->out = c->server->out;
    rl_buf_init(&c->server->out);
  }
  c->fresh = c->committed = false;
  c->server->requests++;
  rl_http_conn_phase(c, RL_HTTP_NO_PHASE, RL_NEVER);
  rl_stream_consume(c->stream, size);
}

bool rl_http_conn_will_skip(const rl_http_conn *c) {
  return c->body_done || !(c->body_bad || c->continue_due || c->body_size > RL_HTTP_SKIP_MAX ||
                           c->body_left > RL_HTTP_SKIP_MAX);
}

int rl_http_conn_finish(rl_http_conn *c) {
  if (c->body) {
    rl_stream *s = &c->body->s;
    rl_http_body_detach(c->body);
    rl_stream_unref(s);
    c->body = NULL;
  }
  c->serving = false;
  if (c->body_done) return RL_HTTP_READY;
  if (c->last || !rl_http_conn_will_skip(c)) return RL_INVALID;
  for (;;) {
    const char *data;
    size_t size, used;
    int got = rl_http_body_piece(c, &data, &size, &used);
    if (used) rl_stream_consume(c->stream, used);
    if (got != 0) return got;
    if (c->body_size > RL_HTTP_SKIP_MAX || c->body_left > RL_HTTP_SKIP_MAX) return RL_LIMIT;
    if (used == 0) break;
  }
  if (c->phase != RL_HTTP_BODY) rl_http_conn_phase(c, RL_HTTP_BODY, c->server->limits.body_time);
  rl_op_begin(&c->op, c->task);
  c->stream->kind->pull(c->stream);
  return 0;
}

rl_stream *rl_http_conn_body(rl_http_conn *c) {
  if (!c->body) c->body = rl_http_body_new(c);
  if (!c->body) return NULL;
  rl_stream_ref(&c->body->s);
  return &c->body->s;
}

int rl_http_conn_flush(rl_http_conn *c) {
  size_t len = rl_buf_len(&c->out);
  if (rl_link_linked(&c->unflushed)) rl_link_remove(&c->unflushed);
  if (len == 0 || c->flushing) return 0;
  c->flushing = true;
  uv_buf_t piece = uv_buf_init(rl_buf_head(&c->out), (unsigned)len);
  ssize_t n = rl_stream_send(c->stream, &piece, 1);
  c->flushing = false;
  if (n < 0) return (int)n;
  c->server->bytes_out += (uint64_t)n;
  rl_buf_consume(&c->out, (size_t)n);
  return (size_t)n < len;
}

void rl_http_conn_wait_out(rl_http_conn *c, size_t mark) {
  rl_http_conn_phase(c, RL_HTTP_WRITE, c->server->limits.write_time);
  rl_stream_wait_out(c->stream, mark, true, c->task);
}

void rl_http_conn_wrote(rl_http_conn *c) {
  rl_stream_write_done(c->stream, c->task);
  rl_http_conn_phase(c, RL_HTTP_NO_PHASE, RL_NEVER);
}

void rl_http_conn_flush_later(rl_http_conn *c) {
  if (rl_link_linked(&c->unflushed)) return;
  rl_list_push(&c->server->unflushed, &c->unflushed);
  rl_loop_before_poll(c->server->loop, &c->server->chore);
}
