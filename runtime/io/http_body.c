// The body of a request: decoded on its way from the connection's stream to its own.
#include "runtime/io/http_body.h"

#include <stdlib.h>

int rl_http_body_piece(rl_http_conn *c, const char **data, size_t *size, size_t *used) {
  rl_stream *under = c->stream;
  const char *in = rl_buf_head(&under->in);
  size_t len = rl_stream_len(under), at = 0;
  *size = *used = 0;
  if (c->body_done) return 1;
  int got = 0;
  if (c->head.framing == RL_HTTP1_LENGTH) {
    *size = *used = len < c->body_left ? len : (size_t)c->body_left;
    c->body_left -= *size;
    got = c->body_left == 0;
  } else if (len > 0) {
    got = rl_http1_chunks_next(&c->chunks, in, len, used, &at, size);
    if (got < 0) return RL_INVALID;
  }
  *data = in + at;
  c->body_size += *size;
  c->body_done = got == 1;
  if (c->body_size > c->server->limits.body) return RL_LIMIT;
  if (got == 0 && *used == 0 && under->in_status < 0) {
    return under->in_status == UV_EOF ? UV_ECONNRESET : under->in_status;
  }
  return got;
}

static rl_http_body *body_of(rl_stream *s) { return (rl_http_body *)s; }

static void end(rl_http_body *b, int status) {
  b->conn->body_bad = status != UV_EOF;
  rl_stream_ended(&b->s, status);
}

void rl_http_body_move(rl_http_body *b) {
  rl_http_conn *c = b->conn;
  bool grown = false;
  while (b->s.in_status == 0 && !rl_stream_full(&b->s)) {
    const char *data;
    size_t size, used;
    int got = rl_http_body_piece(c, &data, &size, &used);
    if (got >= 0 && size && !rl_buf_put(&b->s.in, data, size)) got = UV_ENOMEM;
    grown |= size > 0;
    if (used) rl_stream_consume(c->stream, used);
    if (got != 0) {
      end(b, got == 1 ? UV_EOF : got);
      return;
    }
    if (used == 0) break;
  }
  if (!grown) return;
  if (rl_op_pending(&b->s.reader)) {
    rl_http_conn_phase(c, RL_HTTP_BODY, c->server->limits.body_time);
  }
  rl_stream_arrived(&b->s);
}

void rl_http_body_invite(rl_http_conn *c) {
  if (!c->continue_due || c->committed || c->head.length > c->server->limits.body) return;
  c->continue_due = false;
  if (rl_stream_len(c->stream)) return;
  rl_buf_put(&c->out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
  rl_http_conn_flush(c);
}

static void body_pull(rl_stream *s) {
  rl_http_body *b = body_of(s);
  if (!b->conn || s->in_status) return;
  rl_http_conn *c = b->conn;
  rl_http_body_invite(c);
  rl_http_conn_phase(c, RL_HTTP_BODY, c->server->limits.body_time);
  rl_http_body_move(b);
  if (s->in_status == 0 && !c->stream->closed) c->stream->kind->pull(c->stream);
}

static ssize_t body_send(rl_stream *s, const uv_buf_t *pieces, unsigned count) {
  (void)s, (void)pieces, (void)count;
  return UV_EBADF;
}

static void body_close(rl_stream *s) { rl_stream_unref(s); }

static void body_free(rl_stream *s) { free(body_of(s)); }

static const rl_stream_kind body_kind = {
    .name = "http-body",
    .pull = body_pull,
    .send = body_send,
    .close = body_close,
    .free = body_free,
};

rl_http_body *rl_http_body_new(rl_http_conn *c) {
  rl_http_body *b = calloc(1, sizeof *b);
  if (!b) return NULL;
  rl_stream_init(&b->s, &body_kind, c->server->loop);
  b->conn = c;
  if (c->body_done) {
    rl_stream_ended(&b->s, UV_EOF);
  } else if (c->head.length > c->server->limits.body) {  // none of it need come
    end(b, RL_LIMIT);
  }
  return b;
}

void rl_http_body_detach(rl_http_body *b) {
  b->conn = NULL;
  rl_stream_ended(&b->s, RL_CLOSED);
}
