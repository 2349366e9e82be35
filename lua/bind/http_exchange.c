// One exchange: calls the handler and writes its answer, streamed bodies with backpressure.
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/http_answer.h"
#include "lua/bind/http_serve.h"
#include "lua/bind/stream.h"
#include "runtime/io/http_body.h"

#include <string.h>

enum { INLINE_MAX = 16 * 1024 };  // a longer body is sent from where it lies

// Writing the head.

static inline bool put(rl_buf *out, const char *s) { return rl_buf_put(out, s, strlen(s)); }

typedef struct head_sink {
  rl_buf *out;
  bool failed;
} head_sink;

static void put_field(void *ud, const char *name, size_t name_len, const char *value, size_t len) {
  head_sink *sink = ud;
  sink->failed |= !rl_http1_put_field(sink->out, name, name_len, value, len);
}

static void put_date(rl_http_conn *c) {
  rl_buf_put(&c->out, rl_http_server_date(c->server), RL_HTTP_DATE_LINE);
}

static void put_connection(rl_http_conn *c) {
  if (c->last) {
    put(&c->out, "Connection: close\r\n");
  } else if (c->head.minor == 0) {
    put(&c->out, "Connection: keep-alive\r\n");
  }
}

static void count_answer(rl_http_conn *c, int status) {
  int class = status / 100;
  c->server->answers[class < 6 ? class : 0]++;
}

// Decides how the body's end is told.
static void choose_framing(rl_http_box *b, const rl_http_answer *a) {
  rl_http_conn *c = &b->conn;
  b->chunked = b->has_length = false;
  if (rl_http_answer_bodiless(a->status)) {
    b->head_only = true;
    if (a->status == 304 && a->has_length) rl_http1_put_length(&c->out, (uint64_t)a->length);
  } else if (a->kind == RL_ANSWER_STRING) {
    rl_http1_put_length(&c->out, a->text_len);
  } else if (a->has_length || a->kind == RL_ANSWER_EMPTY) {
    if (a->kind == RL_ANSWER_EMPTY && a->length && !b->head_only) c->last = true;
    b->has_length = true;
    b->length_left = (uint64_t)a->length;
    rl_http1_put_length(&c->out, (uint64_t)a->length);
  } else if (c->head.minor) {
    b->chunked = true;
    put(&c->out, "Transfer-Encoding: chunked\r\n");
  } else {
    c->last = true;
  }
}

static void put_head(lua_State *L, rl_http_box *b, const rl_http_answer *a) {
  rl_http_conn *c = &b->conn;
  if (a->kind == RL_ANSWER_EMPTY && a->length && !b->head_only && a->status != 304)
    luaL_error(L, "response: Content-Length is %I, but there is no body", a->length);
  bool streamed = (a->kind == RL_ANSWER_FUNCTION || a->kind == RL_ANSWER_STREAM) && !b->head_only;
  if (streamed) rl_http_body_invite(c);  // it may read the request's body meanwhile
  c->mark = rl_buf_len(&c->out);
  if (c->server->draining || a->close || (!streamed && !rl_http_conn_will_skip(c))) c->last = true;
  if (!rl_buf_reserve(&c->out, 256)) luaL_error(L, "not enough memory");
  rl_http1_put_status(&c->out, a->status);
  if (!a->has_date) put_date(c);
  if (a->kind == RL_ANSWER_STRING && !a->has_type)
    put(&c->out, "Content-Type: text/plain; charset=utf-8\r\n");
  head_sink sink = {&c->out, false};
  rl_http_answer_each(L, a, put_field, &sink);
  if (sink.failed || !rl_buf_reserve(&c->out, 256)) luaL_error(L, "not enough memory");
  choose_framing(b, a);
  put_connection(c);
  put(&c->out, "\r\n");
  count_answer(c, a->status);
  c->committed = true;
}

void rl_http_put_plain(rl_http_box *b, int status, const char *text) {
  rl_http_conn *c = &b->conn;
  size_t len = strlen(text);
  bool head_only = b->head_only || rl_http_answer_bodiless(status);
  if (!rl_http_conn_will_skip(c)) c->last = true;
  rl_http1_put_status(&c->out, status);
  put_date(c);
  put(&c->out, "Content-Type: text/plain; charset=utf-8\r\n");
  // RFC 9110, 15.5.22; RFC 6455, 4.4
  if (status == 426) put(&c->out, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
  rl_http1_put_length(&c->out, len + 1);
  put_connection(c);
  put(&c->out, "\r\n");
  if (!head_only) {
    put(&c->out, text);
    put(&c->out, "\n");
  }
  count_answer(c, status);
  c->committed = true;
}

// Answering: the stack of an exchange is its connection, the request, then what is called, later
// the answer.

enum { X_CONN = 1, X_REQUEST, X_ANSWER };

static int stream_step(lua_State *L, int status, lua_KContext ctx);

static int finish_stream(lua_State *L, rl_http_box *b) {
  rl_http_conn *c = &b->conn;
  if (b->has_length && b->length_left > 0)
    return luaL_error(L, "response: the body ended %I bytes before its Content-Length",
                      (lua_Integer)b->length_left);
  if (b->chunked) put(&c->out, "0\r\n\r\n");
  return 0;
}

void rl_http_check_sent(lua_State *L, rl_http_conn *c, int err) {
  if (err >= 0) return;
  c->lost = true;
  rl_stream_raise(L, c->stream, err, "respond");
}

// A piece of a streamed body is at the top.
static void put_piece(lua_State *L, rl_http_box *b) {
  size_t len;
  rl_http_conn *c = &b->conn;
  const char *s = lua_tolstring(L, -1, &len);
  if (!s)
    luaL_error(L, "response: a piece of the body must be a string, got %s", luaL_typename(L, -1));
  if (len == 0) return;
  if (b->has_length) {
    if (len > b->length_left) luaL_error(L, "response: the body is longer than its Content-Length");
    b->length_left -= len;
  }
  bool done = (!b->chunked || rl_http1_put_chunk(&c->out, len)) && rl_buf_put(&c->out, s, len) &&
              (!b->chunked || rl_buf_put(&c->out, "\r\n", 2));
  if (!done) luaL_error(L, "not enough memory");
}

// After a wait for room: sends the rest, or waits again.
static int stream_sent(lua_State *L, int status, lua_KContext ctx) {
  rl_http_box *b = lua_touserdata(L, X_CONN);
  rl_http_conn *c = &b->conn;
  (void)status;
  rl_http_conn_wrote(c);
  rl_http_check_sent(L, c, rl_awaited(L, &c->stream->writer));
  int left = rl_http_conn_flush(c);
  rl_http_check_sent(L, c, left);
  if (left && rl_buf_len(&c->out) > INLINE_MAX) {
    rl_http_conn_wait_out(c, RL_STREAM_OUT_LOW);
    return rl_await(L, &c->stream->writer, stream_sent, ctx);
  }
  if (left) rl_http_conn_flush_later(c);
  return stream_step(L, LUA_YIELD, 0);
}

// The body's function or method has returned; or (ctx 0) it is to be called.
static int stream_step(lua_State *L, int status, lua_KContext ctx) {
  rl_http_box *b = lua_touserdata(L, X_CONN);
  rl_http_conn *c = &b->conn;
  for (;; ctx = 0) {
    if (ctx == 0) {
      lua_settop(L, X_ANSWER);
      bool reader = lua_type(L, X_ANSWER) != LUA_TFUNCTION;
      if (reader) {
        lua_getfield(L, X_ANSWER, "read");
      }
      lua_pushvalue(L, X_ANSWER);
      lua_callk(L, reader ? 1 : 0, 1, 1, stream_step);
    }
    if (lua_isnil(L, -1)) return finish_stream(L, b);
    put_piece(L, b);
    rl_http_conn_flush_later(c);
    if (rl_buf_len(&c->out) >= INLINE_MAX) {
      int left = rl_http_conn_flush(c);
      rl_http_check_sent(L, c, left);
      if (left) {
        rl_http_conn_wait_out(c, RL_STREAM_OUT_LOW);
        return rl_await(L, &c->stream->writer, stream_sent, 0);
      }
    }
    if (--rl_state_of(L)->budget <= 0) {
      lua_settop(L, X_ANSWER);
      return rl_no_wait(L, stream_step, 0);
    }
    (void)status;
  }
}

static int text_sent(lua_State *L, int status, lua_KContext done);

// Sends a long string from where it lies, behind what `out` holds.
static int send_text(lua_State *L, rl_http_box *b, size_t done) {
  rl_http_conn *c = &b->conn;
  size_t len, head = rl_buf_len(&c->out);
  const char *text = lua_tolstring(L, X_ANSWER, &len);
  uv_buf_t pieces[2] = {uv_buf_init(head ? rl_buf_head(&c->out) : NULL, (unsigned)head),
                        {.base = (char *)text + done, .len = len - done}};
  ssize_t n = rl_stream_send(c->stream, head ? pieces : pieces + 1, head ? 2 : 1);
  rl_http_check_sent(L, c, n < 0 ? (int)n : 0);
  c->server->bytes_out += (uint64_t)n;
  size_t of_head = (size_t)n < head ? (size_t)n : head;
  if (of_head) rl_buf_consume(&c->out, of_head);
  done += (size_t)n - of_head;
  if (done == len && rl_buf_len(&c->out) == 0) return 0;
  rl_http_conn_wait_out(c, RL_STREAM_OUT_LOW);
  return rl_await(L, &c->stream->writer, text_sent, (lua_KContext)done);
}

static int text_sent(lua_State *L, int status, lua_KContext done) {
  (void)status;
  rl_http_box *b = lua_touserdata(L, X_CONN);
  rl_http_conn_wrote(&b->conn);
  rl_http_check_sent(L, &b->conn, rl_awaited(L, &b->conn.stream->writer));
  return send_text(L, b, (size_t)done);
}

// A response object is a table that says what it is once it knows the request: its respond is
// called.
static bool push_deferred(lua_State *L) {
  if (!lua_istable(L, X_ANSWER)) return false;
  if (lua_getfield(L, X_ANSWER, "respond") == LUA_TFUNCTION) {
    lua_pushvalue(L, X_ANSWER);
    lua_pushvalue(L, X_REQUEST);
    return true;
  }
  lua_pop(L, 1);
  return false;
}

// A stream is closed when it was sent, and when sending it failed.
static void close_with_exchange(lua_State *L) {
  if (luaL_getmetafield(L, X_ANSWER, "__close") == LUA_TNIL) return;
  lua_pop(L, 1);
  lua_toclose(L, X_ANSWER);
}

static int write_answer(lua_State *L, rl_http_box *b) {
  rl_http_answer a;
  rl_http_answer_open(L, X_ANSWER, &a);
  put_head(L, b, &a);
  if (a.kind == RL_ANSWER_STRING && a.text_len <= INLINE_MAX && !b->head_only) {
    if (!rl_buf_put(&b->conn.out, a.text, a.text_len)) return luaL_error(L, "not enough memory");
    return 0;
  }
  if (a.kind == RL_ANSWER_EMPTY) return 0;
  lua_pushvalue(L, a.body);
  lua_replace(L, X_ANSWER);
  lua_settop(L, X_ANSWER);
  if (a.kind == RL_ANSWER_STREAM) close_with_exchange(L);
  if (b->head_only) return 0;
  if (a.kind == RL_ANSWER_STRING) return send_text(L, b, 0);
  if (a.kind == RL_ANSWER_STREAM && rl_http_can_send_file(L, b)) return rl_http_send_file(L);
  rl_http_conn_flush_later(&b->conn);  // the head need not wait for the first piece
  return stream_step(L, LUA_OK, 0);
}

// ctx 1: a response object's respond has returned.
static int answered(lua_State *L, int status, lua_KContext ctx) {
  rl_http_box *b = lua_touserdata(L, X_CONN);
  (void)status;
  if (b->conn.taken) return 0;
  for (;; ctx = 1) {
    if (ctx) lua_replace(L, X_ANSWER);
    if (!push_deferred(L)) break;
    lua_callk(L, 2, 1, 1, answered);
  }
  if (b->failing && b->conn.committed) return 0;
  if (b->failing && lua_isnil(L, X_ANSWER)) {
    rl_http_put_plain(b, 500, rl_http_reason(500));
    return 0;
  }
  return write_answer(L, b);
}

// conn, request, function, arguments...
int rl_http_exchange(lua_State *L) {
  lua_callk(L, lua_gettop(L) - X_ANSWER, 1, 0, answered);
  return answered(L, LUA_OK, 0);
}
