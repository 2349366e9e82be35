// The server's side of an HTTP/2 connection.
#include "runtime/io/heavy/h2conn.h"

#include "runtime/core/scope.h"
#include "runtime/core/task.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)

static rl_stop stop_waiting(rl_op *op) {
  (void)op;
  return RL_STOP_NOW;
}

static const rl_op_kind wait_kind = {"http2:request", stop_waiting, NULL, RL_HOLD_REAL};
static const rl_op_kind room_kind = {"http2:write", stop_waiting, NULL, RL_HOLD_REAL};

static void end_conn(rl_h2conn *c);

// Sending what nghttp2 has to send.

static void touch(rl_h2conn *c) { c->touched = rl_loop_now(c->loop); }

// The timer will look whether something has waited for too long, after `time` at the latest.
static void watch(rl_h2conn *c, uint64_t time) {
  uint64_t now = rl_loop_now(c->loop), due = time < RL_NEVER - now ? now + time : RL_NEVER;
  if (c->over || due == RL_NEVER || (rl_timer_armed(&c->timer) && c->due <= due)) return;
  c->due = due;
  rl_loop_timer(c->loop, &c->timer, due);
}

static bool is_blocked(const rl_h2conn *c) {
  return rl_buf_len(&c->pending) > 0 || c->stream->unsent > 0;
}

static bool send_pending(rl_h2conn *c) {
  size_t len = rl_buf_len(&c->pending);
  if (len == 0) return true;
  uv_buf_t piece = uv_buf_init(rl_buf_head(&c->pending), (unsigned)len);
  ssize_t n = rl_stream_send(c->stream, &piece, 1);
  if (n < 0) {
    c->over = true;
    return false;
  }
  if (n > 0) {
    touch(c);
    c->sent = c->touched;
  }
  rl_buf_consume(&c->pending, (size_t)n);
  return rl_buf_len(&c->pending) == 0;
}

enum { WORTH_A_RECORD = 16 * 1024, GATHER = 32 * 1024 };

static void pump(rl_h2conn *c) {
  if (c->busy) return;
  c->busy = true;
  if (!is_blocked(c)) c->sent = rl_loop_now(c->loop);
  while (!c->over && send_pending(c)) {
    const uint8_t *data;
    ssize_t n = 0;
    while (rl_buf_len(&c->pending) < GATHER &&
           (n = nghttp2_session_mem_send(c->session, &data)) > 0) {
      if (!rl_buf_put(&c->pending, data, (size_t)n)) n = -1;
    }
    if (n < 0) c->over = true;
    if (rl_buf_len(&c->pending) == 0) break;
  }
  c->busy = false;
  bool idle = !nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session);
  if (c->over || (idle && rl_buf_len(&c->pending) == 0)) {
    end_conn(c);
  } else if (is_blocked(c)) {
    watch(c, c->limits.write_time);
  }
}

static void on_chore(rl_chore *chore) { pump(rl_container_of(chore, rl_h2conn, chore)); }

static void pump_soon(rl_h2conn *c) { rl_loop_before_poll(c->loop, &c->chore); }

// Streams.

static rl_h2stream *stream_of(rl_stream *s) { return (rl_h2stream *)s; }

static void leave(rl_h2stream *s) {  // its connection, or its place in it
  rl_h2conn *c = s->conn;
  if (!c) return;
  s->conn = NULL;
  rl_link_remove(&s->link);
  bool whole = s->answered && (!s->has_body || s->out_over);
  if (s->scope && !whole) rl_scope_cancel(s->scope, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
  if (rl_op_pending(&s->writer)) rl_op_finish(&s->writer, UV_ECONNRESET);
  rl_stream_ended(&s->s, s->end_seen ? UV_EOF : UV_ECONNRESET);
  if (rl_link_linked(&s->queued)) rl_link_remove(&s->queued);
  if (!s->taken) rl_stream_close(&s->s);
  rl_stream_unref(&s->s);  // the connection's
}

static void get_on(rl_h2stream *s, uint64_t time) {
  s->moved = rl_loop_now(s->conn->loop);
  watch(s->conn, time);
}

// The window opens by what was read, or came while somebody waits for more.
static bool open_window(rl_h2stream *s) {
  bool wanted = rl_op_pending(&s->s.reader) && !rl_stream_full(&s->s);
  uint64_t done = wanted ? s->received : s->received - rl_stream_len(&s->s);
  if (done <= s->acknowledged) return false;
  nghttp2_session_consume(s->conn->session, s->id, (size_t)(done - s->acknowledged));
  s->acknowledged = done;
  return true;
}

static void body_pull(rl_stream *stream) {
  rl_h2stream *s = stream_of(stream);
  if (!s->conn) return;
  get_on(s, s->conn->limits.body_time);
  if (open_window(s)) pump(s->conn);
}

static ssize_t body_send(rl_stream *s, const uv_buf_t *pieces, unsigned count) {
  (void)s, (void)pieces, (void)count;
  return UV_EBADF;
}

static void body_close(rl_stream *s) { rl_stream_unref(s); }

static void body_free(rl_stream *stream) {
  rl_h2stream *s = stream_of(stream);
  rl_buf_fini(&s->bytes);
  rl_buf_fini(&s->out);
  free(s->fields);
  free(s);
}

static const rl_stream_kind body_kind = {
    .name = "http2-body",
    .pull = body_pull,
    .send = body_send,
    .close = body_close,
    .free = body_free,
};

static rl_h2stream *new_stream(rl_h2conn *c, int32_t id) {
  rl_h2stream *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  rl_stream_init(&s->s, &body_kind, c->loop);
  rl_op_init(&s->writer, &room_kind);
  rl_link_init(&s->queued);
  s->conn = c;
  s->id = id;
  s->head = (rl_http1_head){.host = -1, .upgrade = -1, .minor = 1};
  rl_list_push(&c->streams, &s->link);
  return s;
}

// Heads.

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *user) {
  (void)flags, (void)user;
  rl_h2stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  bool of_head =
      s && frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
  if (!of_head || rl_h2stream_field(s, name, name_len, value, len)) return 0;
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

// A stream that was passed over can never be opened (RFC 9113, 5.1.1). nghttp2 takes its HEADERS
// for late ones of a closed stream.
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user) {
  rl_h2conn *c = user;
  if (hd->type != NGHTTP2_HEADERS || !(hd->stream_id & 1)) return 0;
  if (hd->stream_id > c->last_id) {
    if (hd->stream_id > c->last_id + 2) {
      c->passed_from = c->last_id;
      c->passed_to = hd->stream_id;
    }
    c->last_id = hd->stream_id;
  } else if (hd->stream_id > c->passed_from && hd->stream_id < c->passed_to) {
    nghttp2_session_terminate_session(session, NGHTTP2_PROTOCOL_ERROR);
  }
  return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  rl_h2conn *c = user;
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  rl_h2stream *s = new_stream(c, frame->hd.stream_id);
  if (!s) return NGHTTP2_ERR_CALLBACK_FAILURE;
  get_on(s, c->limits.head_time);
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
  return 0;
}

// An answer of the connection's own, without a body.
static void answer_plain(rl_h2stream *s, const char *status) {
  nghttp2_nv field = {(uint8_t *)":status", (uint8_t *)status, 7, 3, NGHTTP2_NV_FLAG_NONE};
  nghttp2_submit_response(s->conn->session, s->id, &field, 1, NULL);
  s->answered = true;
}

static void enqueue(rl_h2conn *c, rl_h2stream *s) {
  s->head_over = true;
  s->head.framing = s->end_seen ? RL_HTTP1_NO_BODY : RL_HTTP1_LENGTH;
  if (s->too_large) {
    answer_plain(s, "431");
  } else if (s->malformed || !s->has_target || !s->has_method) {
    answer_plain(s, "400");
  } else {
    rl_list_push(&c->queue, &s->queued);
    if (rl_op_pending(&c->op)) rl_op_finish(&c->op, 0);
  }
}

// Frames that carry nothing are paid from a credit that comes back with time.
static bool spend(rl_h2conn *c, uint32_t price) {
  uint64_t now = rl_loop_now(c->loop), back = (now - c->refilled) * RL_H2_FRAMES_RATE / SECOND;
  if (back) {
    c->credit =
        back > RL_H2_FRAMES_BURST - c->credit ? RL_H2_FRAMES_BURST : c->credit + (uint32_t)back;
    c->refilled = now;
  }
  if (c->credit < price) return false;
  c->credit -= price;
  return true;
}

static void refuse_more(rl_h2conn *c) {
  nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(c->session), NGHTTP2_NO_ERROR, NULL,
                        0);
}

static bool carries_nothing(const nghttp2_frame *frame) {
  switch (frame->hd.type) {
    case NGHTTP2_DATA:
      return frame->hd.length <= frame->data.padlen && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    case NGHTTP2_HEADERS: return false;
    case NGHTTP2_WINDOW_UPDATE: return frame->window_update.window_size_increment < 1024;
    default: return true;
  }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  rl_h2conn *c = user;
  if (carries_nothing(frame) && !spend(c, frame->hd.type == NGHTTP2_RST_STREAM ? 2 : 1)) {
    nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
  }
  if (c->draining && frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK))
    refuse_more(c);
  rl_h2stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (!s || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)) return 0;
  bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
  s->end_seen |= end;
  if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
    enqueue(c, s);
  if (end) rl_stream_ended(&s->s, UV_EOF);
  return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *user) {
  (void)flags;
  rl_h2conn *c = user;
  rl_h2stream *s = nghttp2_session_get_stream_user_data(session, id);
  if (!s) {
    nghttp2_session_consume(session, id, len);
    return 0;
  }
  s->received += len;
  s->moved = rl_loop_now(c->loop);
  if (s->received > c->limits.body) {
    rl_stream_ended(&s->s, RL_LIMIT);
    return 0;
  }
  if (s->s.in_status || s->s.closed) return 0;  // nobody will read it: the window stays shut
  if (!rl_buf_put(&s->s.in, data, len)) return NGHTTP2_ERR_CALLBACK_FAILURE;
  rl_stream_arrived(&s->s);
  open_window(s);
  return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
  (void)user, (void)code;
  rl_h2stream *s = nghttp2_session_get_stream_user_data(session, id);
  if (!s) return 0;
  if (s->received > s->acknowledged) {
    nghttp2_session_consume_connection(session, (size_t)(s->received - s->acknowledged));
  }
  nghttp2_session_set_stream_user_data(session, id, NULL);
  rl_h2conn *c = s->conn;
  watch(c, c->limits.idle_time);
  leave(s);
  if (c->draining && rl_list_empty(&c->streams)) refuse_more(c);
  return 0;
}

// Answers.

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *data, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *user) {
  (void)session, (void)id, (void)user;
  rl_h2stream *s = source->ptr;
  size_t len = rl_buf_len(&s->out), n = len < room ? len : room;
  if (n == 0 && !s->out_over) {
    s->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  if (n) memcpy(data, rl_buf_head(&s->out), n);
  if (n) rl_buf_consume(&s->out, n);
  s->moved = rl_loop_now(s->conn->loop);
  if (s->out_over && n == len) *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (rl_op_pending(&s->writer) && rl_buf_len(&s->out) <= RL_H2_OUT_MIN / 2)
    rl_op_finish(&s->writer, 0);
  return (ssize_t)n;
}

// An answer is whole while its request is not: the rest is not wanted (RFC 9113, 8.1).
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  (void)user;
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.last_stream_id == INT32_MAX)
    nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, NULL);  // behind the notice
  bool of_answer = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
  if (!of_answer || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  const rl_h2stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (s && !s->end_seen)
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
  return 0;
}

int rl_h2stream_respond(rl_h2stream *s, const nghttp2_nv *fields, size_t count, bool body) {
  if (!s->conn) return UV_ECONNRESET;
  nghttp2_data_provider provider = {.source = {.ptr = s}, .read_callback = on_read};
  if (nghttp2_submit_response(s->conn->session, s->id, fields, count, body ? &provider : NULL) != 0)
    return UV_EINVAL;
  s->answered = true;
  s->has_body = body;
  if (!body) pump_soon(s->conn);
  return 0;
}

size_t rl_h2stream_room(const rl_h2stream *s) {
  if (!s->conn) return RL_H2_OUT_MAX;  // feeding tells
  nghttp2_session *session = s->conn->session;
  int32_t window = nghttp2_session_get_remote_window_size(session);
  int32_t own = nghttp2_session_get_stream_remote_window_size(session, s->id);
  if (own < window) window = own;
  size_t held = rl_buf_len(&s->out), most = window < RL_H2_OUT_MIN   ? RL_H2_OUT_MIN
                                            : window < RL_H2_OUT_MAX ? (size_t)window
                                                                     : RL_H2_OUT_MAX;
  return held < most ? most - held : 0;
}

int rl_h2stream_feed(rl_h2stream *s, const char *data, size_t size, bool over) {
  if (!s->conn) return UV_ECONNRESET;
  if (rl_buf_len(&s->out) == 0) get_on(s, s->conn->limits.write_time);
  if (size && !rl_buf_put(&s->out, data, size)) return UV_ENOMEM;
  s->out_over = over;
  if (s->deferred) nghttp2_session_resume_data(s->conn->session, s->id);
  s->deferred = false;
  if (rl_buf_len(&s->out) < WORTH_A_RECORD) {
    pump_soon(s->conn);
  } else {
    pump(s->conn);
  }
  return 0;
}

void rl_h2stream_wait_room(rl_h2stream *s, rl_task *task) {
  rl_op_begin(&s->writer, task);
  if (!s->conn) {
    rl_op_finish(&s->writer, UV_ECONNRESET);
  } else if (rl_h2stream_room(s) > 0) {
    rl_op_finish(&s->writer, 0);
  }
}

void rl_h2stream_reset(rl_h2stream *s, uint32_t code) {
  if (!s->conn) return;
  nghttp2_submit_rst_stream(s->conn->session, NGHTTP2_FLAG_NONE, s->id, code);
  pump(s->conn);
}

// The connection.

static void end_conn(rl_h2conn *c) {
  c->over = true;
  rl_loop_timer_stop(c->loop, &c->timer);
  if (rl_op_pending(&c->op)) rl_op_finish(&c->op, 0);
}

// Why a session that nghttp2 has given up ends.
static uint32_t reason_of(ssize_t error) {
  switch (error) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC: return NGHTTP2_PROTOCOL_ERROR;
    case NGHTTP2_ERR_NOMEM:
    case NGHTTP2_ERR_CALLBACK_FAILURE: return NGHTTP2_INTERNAL_ERROR;
    default: return NGHTTP2_ENHANCE_YOUR_CALM;  // one of its floods
  }
}

static void receive(rl_h2conn *c) {
  if (c->busy || c->over) return;
  rl_stream *under = c->stream;
  size_t len = rl_stream_len(under);
  if (len) {
    c->busy = true;
    touch(c);
    ssize_t n = nghttp2_session_mem_recv(c->session, (uint8_t *)rl_buf_head(&under->in), len);
    rl_stream_consume(under, n < 0 ? len : (size_t)n);
    c->busy = false;
    if (n < 0) {
      nghttp2_session_terminate_session(c->session, reason_of(n));
      pump(c);
      end_conn(c);
      return;
    }
  }
  pump(c);
  if (!c->over && under->in_status < 0) end_conn(c);
}

static void on_in(rl_stream_above *above) { receive(rl_container_of(above, rl_h2conn, above)); }
static void on_out(rl_stream_above *above) { pump(rl_container_of(above, rl_h2conn, above)); }

// How long the stream may wait for what it waits for from the client.
static uint64_t allowed(const rl_h2stream *s) {
  const rl_h2_limits *limits = &s->conn->limits;
  if (!s->head_over) return limits->head_time;
  if (rl_op_pending(&s->s.reader)) return limits->body_time;
  return rl_buf_len(&s->out) ? limits->write_time : RL_NEVER;
}

static void expire(rl_h2stream *s) {
  if (!s->head_over) {
    nghttp2_session_terminate_session(s->conn->session, NGHTTP2_ENHANCE_YOUR_CALM);
  } else if (rl_op_pending(&s->s.reader)) {
    rl_stream_ended(&s->s, RL_TIMEOUT);
  } else {
    nghttp2_submit_rst_stream(s->conn->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
  }
}

// What is left of `time` since `then`: 0 if none is.
static uint64_t left(const rl_h2conn *c, uint64_t then, uint64_t time) {
  uint64_t gone = rl_loop_now(c->loop) - then;
  return time == RL_NEVER ? RL_NEVER : gone < time ? time - gone : 0;
}

static void on_timer(rl_timer *timer) {
  rl_h2conn *c = rl_container_of(timer, rl_h2conn, timer);
  bool idle = rl_list_empty(&c->streams);
  uint64_t next = idle ? left(c, c->touched, c->limits.idle_time) : RL_NEVER;
  uint64_t unsent = is_blocked(c) ? left(c, c->sent, c->limits.write_time) : RL_NEVER;
  if (next == 0 || unsent == 0) {
    if (idle) nghttp2_session_terminate_session(c->session, NGHTTP2_NO_ERROR);
    pump(c);
    end_conn(c);
    return;
  }
  if (unsent < next) next = unsent;
  for (rl_link *l = c->streams.next; l != &c->streams; l = l->next) {
    rl_h2stream *s = rl_container_of(l, rl_h2stream, link);
    uint64_t rest = left(c, s->moved, allowed(s));
    if (rest == 0) expire(s);
    if (rest && rest < next) next = rest;
  }
  watch(c, next);
  pump(c);
}

static int make_session(rl_h2conn *c) {
  nghttp2_session_callbacks *callbacks;
  nghttp2_option *option;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) return UV_ENOMEM;
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  int err = nghttp2_option_new(&option);
  if (err == 0) {
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_outbound_ack(option, 1000);
    nghttp2_option_set_max_settings(option, 32);
    err = nghttp2_session_server_new2(&c->session, callbacks, c, option);
    nghttp2_option_del(option);
  }
  nghttp2_session_callbacks_del(callbacks);
  return err == 0 ? 0 : UV_ENOMEM;
}

int rl_h2conn_init(rl_h2conn *c, rl_stream *stream, const rl_h2_limits *limits) {
  c->loop = stream->loop;
  c->limits = *limits;
  c->stream = stream;
  rl_link_init(&c->streams);
  rl_link_init(&c->queue);
  rl_op_init(&c->op, &wait_kind);
  rl_timer_init(&c->timer, on_timer);
  rl_link_init(&c->chore.link);
  c->chore.run = on_chore;
  c->credit = RL_H2_FRAMES_BURST;
  c->last_id = c->passed_from = -1;
  c->refilled = rl_loop_now(c->loop);
  touch(c);
  int err = make_session(c);
  if (err < 0) return err;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, RL_H2_STREAMS_MAX},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, RL_H2_WINDOW},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->head},
  };
  nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
                          sizeof settings / sizeof *settings);
  nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, RL_H2_CONN_WINDOW);
  rl_stream_ref(stream);
  c->above = (rl_stream_above){on_in, on_out};
  stream->above = &c->above;
  watch(c, limits->idle_time);
  stream->kind->pull(stream);
  receive(c);
  return 0;
}

void rl_h2conn_fini(rl_h2conn *c) {
  if (!c->session) return;
  c->over = true;
  while (!rl_list_empty(&c->streams)) leave(rl_container_of(c->streams.next, rl_h2stream, link));
  rl_loop_timer_stop(c->loop, &c->timer);
  rl_link_remove(&c->chore.link);
  if (c->stream->above == &c->above) c->stream->above = NULL;
  nghttp2_session_del(c->session);
  c->session = NULL;
  rl_buf_fini(&c->pending);
  rl_stream_unref(c->stream);
}

rl_h2stream *rl_h2conn_take(rl_h2conn *c) {
  rl_link *l = rl_list_pop(&c->queue);
  if (!l) return NULL;
  rl_h2stream *s = rl_container_of(l, rl_h2stream, queued);
  s->taken = true;
  rl_stream_ref(&s->s);
  return s;
}

void rl_h2conn_wait(rl_h2conn *c, rl_task *task) {
  rl_op_begin(&c->op, task);
  if (c->over || !rl_list_empty(&c->queue)) rl_op_finish(&c->op, 0);
}

// Requests that are on their way are still taken: a ping tells when they have come (RFC 9113, 6.8).
void rl_h2conn_drain(rl_h2conn *c) {
  if (c->over || c->draining) return;
  c->draining = true;
  if (rl_list_empty(&c->streams)) {
    refuse_more(c);
  } else {
    nghttp2_submit_shutdown_notice(c->session);
  }
  pump(c);
}

const char *rl_h2conn_date(rl_h2conn *c) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != c->date_second) rl_http_date(c->date, now.tv_sec);
  c->date_second = now.tv_sec;
  return c->date;
}
