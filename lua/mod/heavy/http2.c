// rille.native.http2: connections of HTTP/2 for stdlib/http/h2.lua. Requests are those of HTTP/1.
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/http_answer.h"
#include "lua/bind/http_request.h"
#include "lua/bind/stream.h"
#include "runtime/io/heavy/h2conn.h"

#include <string.h>

enum { FIELDS_MAX = 128 };

typedef struct conn_box {
  rl_box box;
  rl_h2conn conn;
} conn_box;

// One answer being written. User value: its request.
typedef struct out_box {
  rl_box box;
  rl_http_owner owner;
  rl_h2stream *stream;  // a reference
  rl_http_request *request;
  bool finished;
} out_box;

static int conn_accept(lua_State *L);
static int conn_drain(lua_State *L);
static int conn_gc(lua_State *L);
static const luaL_Reg conn_methods[] = {
    {"accept", conn_accept}, {"drain", conn_drain}, {"__gc", conn_gc},
    {"__close", conn_gc},    {NULL, NULL},
};
static const rl_class conn_class = {"rille.http.native.Connection2", sizeof(conn_box),
                                    conn_methods};

static int out_begin(lua_State *L);
static int out_over(lua_State *L);
static int out_respond(lua_State *L);
static int out_write(lua_State *L);
static int out_finish(lua_State *L);
static int out_refused(lua_State *L);
static int out_gc(lua_State *L);
static const luaL_Reg out_methods[] = {
    {"begin", out_begin},   {"respond", out_respond}, {"write", out_write},
    {"finish", out_finish}, {"refused", out_refused}, {"over", out_over},
    {"__gc", out_gc},       {"__close", out_gc},      {NULL, NULL},
};
static const rl_class out_class = {"rille.http.native.Answer2", sizeof(out_box), out_methods};

static out_box *box_of(rl_http_owner *owner) { return rl_container_of(owner, out_box, owner); }

static rl_stream *owner_body(rl_http_owner *owner) {
  rl_stream *s = &box_of(owner)->stream->s;
  rl_stream_ref(s);
  return s;
}

static rl_stream *owner_stream(rl_http_owner *owner) {
  rl_h2stream *s = box_of(owner)->stream;
  return s->conn ? s->conn->stream : &s->s;
}

static const rl_http_owner_kind owner_kind = {20, owner_body, owner_stream, NULL};

// Requests.

static int push_request(lua_State *L, rl_h2stream *s) {
  out_box *out = rl_object_new(L, &out_class, 1);
  out->owner.kind = &owner_kind;
  out->stream = s;
  rl_http_request_open(L);
  out->request = rl_http_request_new(L, lua_gettop(L), &out->owner, rl_buf_head(&s->bytes),
                                     rl_buf_len(&s->bytes), &s->head, s->fields);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, -4, 1);
  lua_remove(L, -2);
  lua_insert(L, -2);
  return 2;
}

static int accepted(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  conn_box *b = lua_touserdata(L, 1);
  if (ctx) rl_awaited(L, &b->conn.op);
  rl_h2stream *s = rl_h2conn_take(&b->conn);
  if (s) return push_request(L, s);
  if (b->conn.over) return 0;
  rl_h2conn_wait(&b->conn, rl_current(L));
  return rl_await(L, &b->conn.op, accepted, 1);
}

// accept(): the next request and its answer; nothing when the connection is over.
static int conn_accept(lua_State *L) {
  rl_check_object(L, 1, &conn_class);
  lua_settop(L, 1);
  rl_checkpoint(L);
  return rl_no_wait(L, accepted, 0);
}

static int conn_drain(lua_State *L) {
  conn_box *b = rl_check_object(L, 1, &conn_class);
  if (b->conn.session) rl_h2conn_drain(&b->conn);
  return 0;
}

static int conn_gc(lua_State *L) {
  conn_box *b = rl_check_object(L, 1, &conn_class);
  rl_h2conn_fini(&b->conn);
  return 0;
}

// connection(stream, {head=, fields=, body=, idle_time=, ...})
static int http2_connection(lua_State *L) {
  rl_stream *s = rl_check_open_stream(L, 1, "serve");
  uint64_t second = UINT64_C(1000000000);
  rl_h2_limits limits = {
      .head = (uint32_t)rl_option_integer(L, 2, "head", 1, RL_HTTP1_HEAD_MAX, 32768),
      .fields = (uint32_t)rl_option_integer(L, 2, "fields", 1, 256, 128),
      .body = (uint64_t)rl_option_integer(L, 2, "body", 0, LUA_MAXINTEGER, 8 * 1024 * 1024),
      .head_time = rl_option_seconds(L, 2, "head_time", 10 * second),
      .idle_time = rl_option_seconds(L, 2, "idle_time", 60 * second),
      .body_time = rl_option_seconds(L, 2, "body_time", 30 * second),
      .write_time = rl_option_seconds(L, 2, "write_time", 30 * second),
  };
  conn_box *b = rl_object_new(L, &conn_class, 1);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  int err = rl_h2conn_init(&b->conn, s, &limits);
  return err < 0 ? rl_stream_raise(L, s, err, "serve") : 1;
}

// Answers.

static out_box *check_out(lua_State *L) { return rl_check_object(L, 1, &out_class); }

typedef struct head {
  nghttp2_nv fields[FIELDS_MAX];
  size_t count;
  char text[32 * 1024];  // names in lower case, and values
  size_t used;
  bool full;
} head;

static char *keep(head *h, const char *s, size_t len, bool lower) {
  if (h->used + len > sizeof h->text) {
    h->full = true;
    return h->text;
  }
  char *at = h->text + h->used;
  for (size_t i = 0; i < len; i++)
    at[i] = lower && s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] | 0x20) : s[i];
  h->used += len;
  return at;
}

// Fields of one connection of HTTP/1, beside those that rl_http_answer_each leaves out: with them,
// an answer would be malformed (RFC 9113, 8.2.2).
static bool is_of_http1(const char *name, size_t len) {
  return (len == 2 && rl_http1_same(name, 2, "te")) ||
         (len == 7 && rl_http1_same(name, 7, "upgrade")) ||
         (len == 16 && rl_http1_same(name, 16, "proxy-connection"));
}

static void add(void *ud, const char *name, size_t name_len, const char *value, size_t len) {
  head *h = ud;
  if (is_of_http1(name, name_len)) return;
  if (h->count == FIELDS_MAX) {
    h->full = true;
    return;
  }
  nghttp2_nv *f = &h->fields[h->count++];
  f->name = (uint8_t *)keep(h, name, name_len, true);
  f->namelen = name_len;
  f->value = (uint8_t *)keep(h, value, len, false);
  f->valuelen = len;
  f->flags = NGHTTP2_NV_FLAG_NONE;
}

static void add_number(head *h, const char *name, size_t name_len, uint64_t n) {
  char text[24], *p = text + sizeof text;
  do {
    *--p = (char)('0' + n % 10);
  } while (n /= 10);
  add(h, name, name_len, p, (size_t)(text + sizeof text - p));
}

static void fill(lua_State *L, head *h, const rl_http_answer *a, rl_h2conn *conn) {
  add_number(h, ":status", 7, (uint64_t)a->status);
  if (!a->has_date) add(h, "date", 4, rl_h2conn_date(conn), RL_HTTP_DATE_LEN);
  if (a->kind == RL_ANSWER_STRING && !a->has_type)
    add(h, "content-type", 12, "text/plain; charset=utf-8", 25);
  if (!rl_http_answer_bodiless(a->status) &&
      (a->kind == RL_ANSWER_STRING || a->kind == RL_ANSWER_EMPTY || a->has_length)) {
    lua_Integer length = a->kind == RL_ANSWER_STRING ? (lua_Integer)a->text_len : a->length;
    add_number(h, "content-length", 14, (uint64_t)length);
  }
  rl_http_answer_each(L, a, add, h);
}

// begin(): the innermost scope answers, and is cancelled if the client gives up, until over().
// False: it has.
static int out_begin(lua_State *L) {
  rl_h2stream *s = check_out(L)->stream;
  s->scope = rl_current(L)->scope;
  lua_pushboolean(L, s->conn != NULL);
  return 1;
}

static int out_over(lua_State *L) {
  check_out(L)->stream->scope = NULL;
  return 0;
}

// respond(answer, head_only): writes the head. Its status; the body, where it is still to be
// written in pieces, and the length that was promised for it.
static int out_respond(lua_State *L) {
  out_box *out = check_out(L);
  bool head_only = lua_toboolean(L, 3);
  rl_http_answer a;
  lua_settop(L, 2);
  rl_http_answer_open(L, 2, &a);
  bool body = !head_only && !rl_http_answer_bodiless(a.status) && a.kind != RL_ANSWER_EMPTY &&
              !(a.kind == RL_ANSWER_STRING && a.text_len == 0);
  if (!out->stream->conn) return rl_raise_sys(L, UV_ECONNRESET, "respond", NULL, NULL);
  head h;
  h.count = h.used = 0;
  h.full = false;
  fill(L, &h, &a, out->stream->conn);
  if (h.full) return luaL_error(L, "response: too many or too long headers");
  int err = rl_h2stream_respond(out->stream, h.fields, h.count, body);
  if (err < 0) return rl_raise_sys(L, err, "respond", NULL, NULL);
  bool whole = a.kind == RL_ANSWER_STRING && a.text_len <= rl_h2stream_room(out->stream);
  if (body && whole) rl_h2stream_feed(out->stream, a.text, a.text_len, true);
  out->finished = !body || whole;
  lua_pushinteger(L, a.status);
  if (out->finished) return 1;
  lua_pushvalue(L, a.body);
  if (!a.has_length) return 2;
  lua_pushinteger(L, a.length);
  return 3;
}

static int write_more(lua_State *L, int status, lua_KContext at);

static int wrote(lua_State *L, int status, lua_KContext at) {
  out_box *out = lua_touserdata(L, 1);
  int err = rl_awaited(L, &out->stream->writer);
  if (err < 0) return rl_raise_sys(L, err, "respond", NULL, NULL);
  return write_more(L, status, at);
}

// Feeds the bytes from `at` on, as there is room for them.
static int write_more(lua_State *L, int status, lua_KContext at) {
  (void)status;
  size_t len;
  out_box *out = lua_touserdata(L, 1);
  const char *data = lua_tolstring(L, 2, &len);
  for (size_t n, room; (size_t)at < len; at += (lua_KContext)n) {
    if ((room = rl_h2stream_room(out->stream)) == 0) {
      rl_h2stream_wait_room(out->stream, rl_current(L));
      return rl_await(L, &out->stream->writer, wrote, at);
    }
    n = len - (size_t)at < room ? len - (size_t)at : room;
    int err = rl_h2stream_feed(out->stream, data + at, n, false);
    if (err < 0) return rl_raise_sys(L, err, "respond", NULL, NULL);
  }
  return 0;
}

// write(data): waits while much is unsent.
static int out_write(lua_State *L) {
  check_out(L);
  luaL_checkstring(L, 2);
  rl_checkpoint(L);
  return rl_no_wait(L, write_more, 0);
}

static int out_finish(lua_State *L) {
  out_box *out = check_out(L);
  out->finished = true;
  rl_h2stream_feed(out->stream, NULL, 0, true);
  return 0;
}

// refused(): the status that a body which could not be read is refused with, or nil; and whether an
// answer was begun.
static int out_refused(lua_State *L) {
  out_box *out = check_out(L);
  int why = out->stream->s.in_status;
  if (why == 0 || why == UV_EOF) {
    lua_pushnil(L);
  } else {
    lua_pushinteger(L, why == RL_LIMIT ? 413 : why == RL_TIMEOUT ? 408 : 400);
  }
  lua_pushboolean(L, out->stream->answered);
  return 2;
}

// An answer that was left unfinished is cut off, so that nobody takes it for whole.
static int out_gc(lua_State *L) {
  out_box *out = check_out(L);
  rl_h2stream *s = out->stream;
  if (!s) return 0;
  out->stream = NULL;
  s->scope = NULL;
  if (out->request) out->request->owner = NULL;
  if (!out->finished) rl_h2stream_reset(s, NGHTTP2_INTERNAL_ERROR);
  rl_stream_close(&s->s);
  rl_stream_unref(&s->s);
  return 0;
}

static const luaL_Reg functions[] = {{"connection", http2_connection}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_rille_native_http2(lua_State *L);
int luaopen_rille_native_http2(lua_State *L) {
  rl_class_open(L, &conn_class);
  rl_class_open(L, &out_class);
  luaL_newlib(L, functions);
  return 1;
}
