// TLS as a filter.
#include "runtime/io/heavy/tlsstream.h"

#include "runtime/core/task.h"

#include <stdlib.h>

enum {
  SLACK = 1024,      // of the lower stream's room: for alerts and close_notify
  RECORD_COST = 64,  // bytes that a record adds, at most
  OUT_HIGH = RL_STREAM_OUT_HIGH + RL_STREAM_OUT_ADDED - SLACK,  // cipher bytes under way
};

static rl_tlsstream *of(rl_stream *s) { return (rl_tlsstream *)s; }

// Hands cipher bytes down, and tells how many of ours have gone.
static void flush(rl_tlsstream *t) {
  rl_buf *out = rl_tls_out(t->tls);
  while (rl_buf_len(out)) {
    uv_buf_t piece = uv_buf_init(rl_buf_head(out), (unsigned)rl_buf_len(out));
    ssize_t taken = rl_stream_send(t->lower, &piece, 1);
    if (taken < 0) {
      rl_buf_fini(out);
      if (t->s.out_status == 0) rl_stream_out_failed(&t->s, (int)taken);
      return;
    }
    if (taken == 0) break;
    rl_buf_consume(out, (size_t)taken);
  }
  t->s.unsent = rl_buf_len(out) + t->lower->unsent;
}

static void end_handshake(rl_tlsstream *t, int status) {
  if (rl_op_pending(&t->handshake)) rl_op_finish(&t->handshake, status);
}

static void fail(rl_tlsstream *t, int status) {
  flush(t);  // the alert
  if (t->s.out_status == 0 && status != UV_EOF) rl_stream_out_failed(&t->s, status);
  rl_stream_ended(&t->s, status);
  end_handshake(t, status);
}

static void shake(rl_tlsstream *t) {
  int done = rl_tls_handshake(t->tls);
  if (done < 0) {
    fail(t, UV_EPROTO);
    return;
  }
  flush(t);
  if (done != 1) return;
  t->shaken = true;
  end_handshake(t, 0);
}

// Decrypts what has been fed. True: go on when more comes.
static bool decrypt(rl_tlsstream *t) {
  if (rl_tls_left(t->tls) > RL_BLOCK_SMALL) t->s.bulk = true;
  uv_buf_t chunk = rl_stream_chunk(&t->s);
  size_t n = 0;
  ssize_t got = 0;
  while (chunk.len - n >= RL_TLS_RECORD &&
         (got = rl_tls_read(t->tls, chunk.base + n, chunk.len - n)) > 0)
    n += (size_t)got;
  bool any = n > 0;
  rl_stream_took(&t->s, chunk, n);
  if (!chunk.base) {
    fail(t, UV_ENOMEM);
  } else if (got == RL_TLS_FAILED) {
    fail(t, UV_EPROTO);
  } else {
    flush(t);  // answers to key updates
    if (any) rl_stream_arrived(&t->s);
    if (got == RL_TLS_END) rl_stream_ended(&t->s, UV_EOF);
  }
  return any && got > 0 && t->s.in_status == 0;
}

// Works off what has arrived below.
static void pump(rl_tlsstream *t) {
  if (t->pumping || t->s.closed) return;
  t->pumping = true;
  rl_stream *lower = t->lower;
  bool again = true;
  while (again && t->s.in_status == 0 && !t->s.closed && !rl_stream_full(&t->s)) {
    size_t n = rl_stream_len(lower);
    rl_tls_feed(t->tls, n ? rl_buf_head(&lower->in) : NULL, n);
    bool shaken = t->shaken;
    if (shaken) {
      again = decrypt(t);
    } else {
      shake(t);
      again = t->shaken;
    }
    size_t used = n - rl_tls_left(t->tls);
    rl_tls_feed(t->tls, NULL, 0);
    if (used) rl_stream_consume(lower, used);
    if (rl_stream_len(lower) && used) again = true;
  }
  t->pumping = false;
  if (lower->in_status && !rl_stream_len(lower) && t->s.in_status == 0 && !t->s.paused)
    fail(t, lower->in_status == UV_EOF ? UV_EPROTO : lower->in_status);
}

static void lower_in(rl_stream_above *above) {
  rl_tlsstream *t = rl_container_of(above, rl_tlsstream, above);
  rl_stream_ref(&t->s);
  pump(t);
  rl_stream_unref(&t->s);
}

static void lower_out(rl_stream_above *above) {
  rl_tlsstream *t = rl_container_of(above, rl_tlsstream, above);
  if (t->s.closed || t->s.out_status < 0) return;
  if (t->lower->out_status < 0) {
    rl_stream_out_failed(&t->s, t->lower->out_status);
    return;
  }
  flush(t);
  rl_stream_sent(&t->s, 0);
}

static void tls_pull(rl_stream *s) {
  rl_tlsstream *t = of(s);
  pump(t);
  bool wanting = s->in_status == 0 && !s->closed && !s->paused;
  if (wanting && t->lower->in_status == 0 && !t->lower->closed) t->lower->kind->pull(t->lower);
}

// The count taken: up to whole records, where there is a choice.
static ssize_t encrypt(rl_tlsstream *t, const char *bytes, size_t n, size_t room) {
  size_t done = 0;
  while (done < n && room > RECORD_COST) {
    size_t piece = n - done < RL_TLS_RECORD ? n - done : RL_TLS_RECORD;
    if (piece > room - RECORD_COST) {
      if (done) break;
      piece = room - RECORD_COST;
    }
    if (rl_tls_write(t->tls, bytes + done, piece) < 0) return UV_EPROTO;
    done += piece;
    room -= piece + RECORD_COST;
  }
  return (ssize_t)done;
}

static ssize_t tls_send(rl_stream *s, const uv_buf_t *pieces, unsigned count) {
  rl_tlsstream *t = of(s);
  if (!t->shaken) return UV_ENOTCONN;
  rl_buf *out = rl_tls_out(t->tls);
  size_t taken = 0;
  if (pieces[0].len > RL_TLS_RECORD) rl_buf_reserve(out, OUT_HIGH - rl_buf_len(out));
  for (unsigned i = 0; i < count; i++) {
    size_t under_way = rl_buf_len(out) + t->lower->unsent;
    size_t room = under_way < OUT_HIGH ? OUT_HIGH - under_way : 0;
    ssize_t n = encrypt(t, pieces[i].base, pieces[i].len, room);
    if (n < 0) {
      rl_stream_out_failed(s, (int)n);
      return n;
    }
    taken += (size_t)n;
    if ((size_t)n < pieces[i].len) break;
  }
  flush(t);
  return s->out_status < 0 ? s->out_status : (ssize_t)taken;
}

static void tls_finish(rl_stream *s) {
  rl_tls_close(of(s)->tls);
  flush(of(s));
  rl_stream_finished(s, 0);
}

static void tls_close(rl_stream *s) {
  rl_tlsstream *t = of(s);
  if (s->out_status == 0) rl_tls_close(t->tls);
  flush(t);
  end_handshake(t, RL_CLOSED);
  t->lower->above = NULL;
  rl_stream_close(t->lower);
  rl_stream_unref(t->lower);
  t->lower = NULL;
  rl_stream_unref(s);
}

static void tls_free(rl_stream *s) {
  rl_tls_free(of(s)->tls);
  free(s);
}

static void tls_describe(rl_stream *s, char *text, size_t size) {
  rl_stream *lower = of(s)->lower;
  *text = 0;
  if (lower && lower->kind->describe) lower->kind->describe(lower, text, size);
}

static const char *tls_explain(rl_stream *s, int status) {
  if (status != UV_EPROTO) return NULL;
  const char *text = rl_tls_error(of(s)->tls);
  return *text ? text : "the peer ended without close_notify: what arrived may be cut off";
}

static const rl_stream_kind tls_kind = {
    .name = "tls",
    .subject = "address",
    .pull = tls_pull,
    .send = tls_send,
    .finish = tls_finish,
    .close = tls_close,
    .free = tls_free,
    .describe = tls_describe,
    .explain = tls_explain,
};

static rl_stop stop_handshake(rl_op *op) {
  rl_tlsstream *t = rl_container_of(op, rl_tlsstream, handshake);
  rl_stream_close(&t->s);
  return RL_STOP_NOW;
}

static const rl_op_kind handshake_kind = {"tls:handshake", stop_handshake, NULL, RL_HOLD_REAL};

rl_tlsstream *rl_tlsstream_new(rl_stream *lower, rl_tls *tls) {
  rl_tlsstream *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  rl_stream_init(&t->s, &tls_kind, lower->loop);
  rl_op_init(&t->handshake, &handshake_kind);
  t->above = (rl_stream_above){lower_in, lower_out};
  t->lower = lower;
  t->tls = tls;
  lower->above = &t->above;
  return t;
}

void rl_tlsstream_handshake(rl_tlsstream *t, rl_task *task) {
  rl_op_begin(&t->handshake, task);
  tls_pull(&t->s);
}
