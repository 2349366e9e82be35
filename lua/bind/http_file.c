// A file as an answer's body, sent without passing through Lua.
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/http_serve.h"
#include "lua/bind/stream.h"
#include "runtime/io/sendfile.h"
#include "runtime/io/uvstream.h"

enum { X_CONN = 1, X_ANSWER = 3 };
enum { WORTH_IT = 64 * 1024 };  // shorter ones leave together with their head

static rl_file *push_file(lua_State *L) {
  if (lua_getfield(L, X_ANSWER, "file") != LUA_TUSERDATA) return NULL;
  rl_stream *s = rl_test_stream(L, -1);
  if (!s || s->closed || !rl_stream_is_file(s) || rl_stream_reading(s)) return NULL;
  return rl_file_of(s)->seekable && !rl_file_of(s)->reading ? rl_file_of(s) : NULL;
}

bool rl_http_can_send_file(lua_State *L, const rl_http_box *b) {
  if (!b->has_length || b->length_left <= WORTH_IT || rl_stream_socket(b->conn.stream) < 0)
    return false;
  if (luaL_getmetafield(L, X_ANSWER, "__file_part") == LUA_TNIL) return false;
  bool can = push_file(L) != NULL;
  lua_pop(L, 2);
  return can;
}

static int room_made(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_http_conn *c = &((rl_http_box *)lua_touserdata(L, X_CONN))->conn;
  rl_http_conn_wrote(c);
  rl_http_check_sent(L, c, rl_awaited(L, &c->stream->writer));
  return rl_http_send_file(L);
}

static int file_sent(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_sendfile *job = (rl_sendfile *)ctx;
  rl_http_box *b = lua_touserdata(L, X_CONN);
  rl_http_conn *c = &b->conn;
  int err = rl_awaited(L, &job->work.op), file_error = job->file_error;
  size_t went = job->sent + job->have;
  rl_file_seek(job->file, rl_file_tell(job->file) + (int64_t)went);
  b->length_left -= went;
  c->server->bytes_out += job->sent;
  bool kept = rl_buf_put(&c->out, job->bytes, job->have);
  job->work.drop(&job->work);
  rl_http_check_sent(L, c, err);
  if (!kept) return luaL_error(L, "not enough memory");
  if (file_error == UV_EOF) {
    return luaL_error(L, "response: the file ended %I bytes before its Content-Length",
                      (lua_Integer)b->length_left);
  }
  if (file_error < 0) return rl_raise_sys(L, file_error, "read", NULL, NULL);
  return rl_http_send_file(L);
}

int rl_http_send_file(lua_State *L) {
  rl_http_box *b = lua_touserdata(L, X_CONN);
  rl_http_conn *c = &b->conn;
  lua_settop(L, X_ANSWER);
  if (b->length_left == 0) {
    rl_http_conn_flush_later(c);
    return 0;
  }
  int left = rl_http_conn_flush(c);
  rl_http_check_sent(L, c, left);
  if (left || c->stream->unsent > 0) {
    rl_http_conn_wait_out(c, 0);
    return rl_await(L, &c->stream->writer, room_made, 0);
  }
  rl_file *f = push_file(L);
  if (!f) return luaL_error(L, "response: the file was closed, or is being read");
  rl_sendfile *job = rl_sendfile_new(f, rl_stream_socket(c->stream), b->length_left);
  if (!job) return luaL_error(L, "not enough memory or descriptors");
  rl_pooled_start(&job->work, &rl_state_of(L)->loop, rl_current(L));
  return rl_await(L, &job->work.op, file_sent, (lua_KContext)job);
}
