// The methods of every stream.
#include "lua/bind/stream.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/format.h"
#include "lua/bind/site.h"

#include <string.h>

enum { PIECES = 64 };  // handed to one send
static bool is_stream_class(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return false;
  lua_getfield(L, -1, "__stream");
  bool is = !lua_isnil(L, -1);
  lua_pop(L, 2);
  return is;
}

rl_stream *rl_test_stream(lua_State *L, int index) {
  rl_stream_box *box = lua_touserdata(L, index);
  if (!box || lua_rawlen(L, index) < sizeof *box) return NULL;  // light ones have no length
  rl_state *st = rl_state_of(L);
  if (box->box.class == st->stream_class && st->stream_class) return box->stream;
  if (!is_stream_class(L, index)) return NULL;
  st->stream_class = box->box.class;
  return box->stream;
}

rl_stream *rl_check_stream(lua_State *L, int index) {
  rl_stream *s = rl_test_stream(L, index);
  if (!s) luaL_typeerror(L, index, "rille.Stream");
  return s;
}

// The sentence for what has no system error, or NULL.
static const char *own_reason(rl_stream *s, int status) {
  switch (status) {
    case RL_CLOSED: return s->closed ? "the stream is closed" : "the stream is shut down";
    case RL_BROKEN: return "an earlier write was cancelled when a part of it had been sent";
    case RL_LIMIT: return "no end of the line or token within the limit";
    default: return s->kind->explain ? s->kind->explain(s, status) : NULL;
  }
}

// `reason` NULL: the system's words.
static void push_error(lua_State *L, rl_stream *s, int status, const char *op, const char *reason) {
  char subject[256] = "";
  if (s->kind->describe) s->kind->describe(s, subject, sizeof subject);
  if (!reason) {
    rl_push_sys(L, status, op, s->kind->subject, *subject ? subject : NULL);
    return;
  }
  rl_push_error(L, rl_code_name(status), *subject ? "%s '%s': %s" : "%s%s: %s", op, subject,
                reason);
  lua_pushstring(L, op);
  lua_setfield(L, -2, "op");
  if (*subject && s->kind->subject) {
    lua_pushstring(L, subject);
    lua_setfield(L, -2, s->kind->subject);
  }
}

void rl_stream_push_error(lua_State *L, rl_stream *s, int status, const char *op) {
  push_error(L, s, status, op, own_reason(s, status));
}

int rl_stream_raise(lua_State *L, rl_stream *s, int status, const char *op) {
  rl_stream_push_error(L, s, status, op);
  return lua_error(L);
}

static int raise_busy(lua_State *L, rl_stream *s, const char *op, const char *reason) {
  push_error(L, s, UV_EBUSY, op, reason);
  return lua_error(L);
}

int rl_stream_raise_reading(lua_State *L, rl_stream *s, const char *op) {
  return raise_busy(L, s, op, "another task is reading this stream");
}

int rl_stream_raise_writing(lua_State *L, rl_stream *s, const char *op) {
  return raise_busy(L, s, op, "another task is writing this stream");
}

rl_stream *rl_check_open_stream(lua_State *L, int index, const char *op) {
  rl_stream *s = rl_check_stream(L, index);
  if (s->closed) rl_stream_raise(L, s, RL_CLOSED, op);
  if (s->above) raise_busy(L, s, op, "another stream stands on this one");
  return s;
}

// What read(format) asks for: `index` is a count, a format's name, or nothing.
static void check_format(lua_State *L, int index, rl_request *r) {
  *r = (rl_request){.what = RL_READ_ANY, .limit = RL_STREAM_LIMIT};
  if (lua_isnoneornil(L, index)) return;
  if (lua_type(L, index) == LUA_TNUMBER) {
    lua_Integer n = luaL_checkinteger(L, index);
    luaL_argcheck(L, n >= 0, index, "a count of bytes must not be negative");
    r->what = RL_READ_COUNT;
    r->count = (size_t)n;
    return;
  }
  const char *format = luaL_checkstring(L, index);
  if (*format == '*') format++;  // as Lua before 5.3 wrote it
  switch (*format) {
    case 'L': r->keep = true;  // fall through
    case 'l':
      r->what = RL_READ_UNTIL;
      r->delimiter = "\n";
      r->delimiter_length = 1;
      return;
    case 'a': r->what = RL_READ_ALL; return;
    case 'n': r->what = RL_READ_NUMBER; return;
    default: luaL_argerror(L, index, "invalid format");
  }
}

static void check_until(lua_State *L, rl_request *r) {
  static const char *const names[] = {"limit", "keep", NULL};
  *r = (rl_request){.what = RL_READ_UNTIL};
  r->delimiter = luaL_checklstring(L, 2, &r->delimiter_length);
  luaL_argcheck(L, r->delimiter_length > 0, 2, "a delimiter must not be empty");
  rl_check_options(L, 3, names);
  r->keep = rl_option_bool(L, 3, "keep", false);
  r->limit = (size_t)rl_option_integer(L, 3, "limit", 0, LUA_MAXINTEGER / 2, RL_STREAM_LIMIT);
}

// ctx of a read's continuations: which call it is.
enum { BY_FORMAT, BY_DELIMITER };

static int read_k(lua_State *L, int status, lua_KContext ctx);

static int read_more(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_stream *s = ((rl_stream_box *)lua_touserdata(L, 1))->stream;
  rl_request r;
  size_t want = 0;
  if (ctx == BY_DELIMITER) {
    check_until(L, &r);
  } else {
    check_format(L, 2, &r);
  }
  if (rl_stream_reading(s)) return rl_stream_raise_reading(L, s, "read");
  int got = rl_take(L, s, &r, &want);
  if (got > 0) return 1;
  if (got < 0) return rl_stream_raise(L, s, got, "read");
  rl_stream_wait_in(s, want, rl_current(L));
  return rl_await(L, &s->reader, read_k, ctx);
}

static int read_k(lua_State *L, int status, lua_KContext ctx) {
  rl_stream *s = ((rl_stream_box *)lua_touserdata(L, 1))->stream;
  rl_stream_read_done(s, rl_current(L));
  int err = rl_awaited(L, &s->reader);
  if (err < 0) return rl_stream_raise(L, s, err, "read");
  return read_more(L, status, ctx);
}

int rl_stream_m_read(lua_State *L) {
  rl_request r;
  luaL_argcheck(L, lua_gettop(L) <= 2, 3, "one format at a time");  // a cancel loses no value
  lua_settop(L, 2);
  rl_check_open_stream(L, 1, "read");
  check_format(L, 2, &r);
  rl_checkpoint(L);
  return rl_no_wait(L, read_more, BY_FORMAT);
}

int rl_stream_m_read_until(lua_State *L) {
  rl_request r;
  lua_settop(L, 3);
  rl_check_open_stream(L, 1, "read_until");
  check_until(L, &r);
  rl_checkpoint(L);
  return rl_no_wait(L, read_more, BY_DELIMITER);
}

// An iterator's step: the stream and the format are upvalues.
static int next_item(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, lua_upvalueindex(2));
  rl_check_open_stream(L, 1, "read");
  rl_checkpoint(L);
  return rl_no_wait(L, read_more, BY_FORMAT);
}

int rl_stream_m_lines(lua_State *L) {
  rl_request r;
  lua_settop(L, 2);
  rl_check_open_stream(L, 1, "lines");
  if (lua_isnil(L, 2)) {
    lua_pushliteral(L, "l");
    lua_replace(L, 2);
  }
  check_format(L, 2, &r);
  lua_pushcclosure(L, next_item, 2);
  return 1;
}

int rl_stream_m_chunks(lua_State *L) {
  lua_settop(L, 1);
  rl_check_open_stream(L, 1, "chunks");
  lua_pushnil(L);
  lua_pushcclosure(L, next_item, 2);
  return 1;
}

static int ready_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_stream *s = ((rl_stream_box *)lua_touserdata(L, 1))->stream;
  rl_stream_read_done(s, rl_current(L));
  int err = rl_awaited(L, &s->reader);
  return err < 0 ? rl_stream_raise(L, s, err, "ready") : 1;
}

int rl_stream_m_ready(lua_State *L) {
  lua_settop(L, 1);
  rl_stream *s = rl_check_open_stream(L, 1, "ready");
  rl_checkpoint(L);
  if (rl_stream_len(s) > 0 || s->in_status) return 1;
  if (rl_stream_reading(s)) return rl_stream_raise_reading(L, s, "ready");
  rl_stream_wait_in(s, 1, rl_current(L));
  return rl_await(L, &s->reader, ready_k, 0);
}

int rl_stream_m_buffered(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)rl_stream_len(rl_check_stream(L, 1)));
  return 1;
}

// The arguments from byte `from` of their concatenation on, as pieces; *bytes is what they hold.
static unsigned gather(lua_State *L, size_t from, uv_buf_t *pieces, size_t *bytes) {
  unsigned count = 0;
  *bytes = 0;
  for (int i = 2, top = lua_gettop(L); i <= top && count < PIECES; i++) {
    size_t n;
    const char *text = lua_tolstring(L, i, &n);
    if (from >= n) {
      from -= n;
      continue;
    }
    pieces[count].base = (char *)text + from;
    pieces[count++].len = n - from;
    *bytes += n - from;
    from = 0;
  }
  return count;
}

static int return_self(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  lua_settop(L, 1);
  return 1;
}

static int write_k(lua_State *L, int status, lua_KContext ctx);

// ctx: bytes sent so far.
static int write_more(lua_State *L, int status, lua_KContext ctx) {
  rl_stream *s = ((rl_stream_box *)lua_touserdata(L, 1))->stream;
  uv_buf_t pieces[PIECES];
  size_t done = (size_t)ctx, bytes;
  if (rl_stream_writing(s)) return rl_stream_raise_writing(L, s, "write");
  for (unsigned count; (count = gather(L, done, pieces, &bytes)) > 0;) {
    ssize_t taken = rl_stream_send(s, pieces, count);
    if (taken < 0) return rl_stream_raise(L, s, (int)taken, "write");
    done += (size_t)taken;
    if ((size_t)taken == bytes) continue;
    rl_stream_wait_out(s, RL_STREAM_OUT_LOW, done > 0, rl_current(L));
    return rl_await(L, &s->writer, write_k, (lua_KContext)done);
  }
  return return_self(L, status, ctx);
}

// The end of a wait for room: what every writing continuation begins with.
static rl_stream *written(lua_State *L, const char *op) {
  rl_stream *s = ((rl_stream_box *)lua_touserdata(L, 1))->stream;
  rl_stream_write_done(s, rl_current(L));
  int err = rl_awaited(L, &s->writer);
  if (err < 0) rl_stream_raise(L, s, err, op);
  return s;
}

static int write_k(lua_State *L, int status, lua_KContext ctx) {
  written(L, "write");
  return write_more(L, status, ctx);
}

int rl_stream_m_write(lua_State *L) {
  rl_check_open_stream(L, 1, "write");
  for (int i = 2, top = lua_gettop(L); i <= top; i++) {
    if (lua_type(L, i) != LUA_TSTRING) luaL_checkstring(L, i);
  }
  rl_checkpoint(L);
  return rl_no_wait(L, write_more, 0);
}

static int flush_k(lua_State *L, int status, lua_KContext ctx) {
  written(L, "flush");
  return return_self(L, status, ctx);
}

int rl_stream_m_flush(lua_State *L) {
  rl_stream *s = rl_check_open_stream(L, 1, "flush");
  rl_checkpoint(L);
  if (rl_stream_writing(s)) return rl_stream_raise_writing(L, s, "flush");
  rl_stream_wait_out(s, 0, false, rl_current(L));
  return rl_await(L, &s->writer, flush_k, 0);
}

static int shutdown_k(lua_State *L, int status, lua_KContext ctx) {
  written(L, "shutdown");
  return return_self(L, status, ctx);
}

int rl_stream_m_shutdown(lua_State *L) {
  rl_stream *s = rl_check_open_stream(L, 1, "shutdown");
  rl_checkpoint(L);
  if (rl_stream_writing(s)) return rl_stream_raise_writing(L, s, "shutdown");
  rl_stream_wait_finish(s, rl_current(L));
  return rl_await(L, &s->writer, shutdown_k, 0);
}

int rl_stream_m_close(lua_State *L) {
  rl_stream *s = rl_test_stream(L, 1);
  if (s) rl_stream_close(s);
  return 0;
}

int rl_stream_m_is_closed(lua_State *L) {
  lua_pushboolean(L, rl_check_stream(L, 1)->closed);
  return 1;
}

int rl_stream_m_gc(lua_State *L) {
  rl_stream_box *box = lua_touserdata(L, 1);
  rl_stream *s = box->stream;
  if (!s) return 0;
  box->stream = NULL;
  if (!s->closed) {
    char what[40];
    snprintf(what, sizeof what, "stream (%s)", s->kind->name);
    rl_site_unclosed(rl_state_of(L), what, s->place);
  }
  rl_stream_close(s);
  rl_stream_unref(s);
  return 0;
}

int rl_stream_m_tostring(lua_State *L) {
  rl_stream_box *box = lua_touserdata(L, 1);
  rl_stream *s = rl_check_stream(L, 1);
  char subject[256] = "";
  if (!s->closed && s->kind->describe) s->kind->describe(s, subject, sizeof subject);
  if (s->closed) strcpy(subject, "closed");
  lua_pushfstring(L, *subject ? "%s (%s)" : "%s", box->box.class->name, subject);
  return 1;
}

int rl_stream_m_mark(lua_State *L) {
  (void)L;
  return 0;
}
