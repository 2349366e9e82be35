// rille.native.http: the server's hot path. A worker takes a connection for which something has
// come: it parses a head, calls the handler, writes the answer, and goes on with what has already
// arrived; answers to pipelined requests leave together. A connection that waits has no task.
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/http_answer.h"
#include "lua/bind/http_serve.h"
#include "lua/bind/stream.h"
#include "lua/bind/task.h"
#include "lua/bind/trace.h"

#include <string.h>

typedef struct server_box {
  rl_box box;
  rl_http_server *server;
} server_box;

static int server_gc(lua_State *L);
static int server_close(lua_State *L);
static int server_drain(lua_State *L);
static int server_stats(lua_State *L);
static int server_count(lua_State *L);
static const luaL_Reg server_methods[] = {
    {"drain", server_drain}, {"stats", server_stats}, {"count", server_count},
    {"close", server_close}, {"__gc", server_gc},     {NULL, NULL},
};
static const rl_class server_class = {"rille.http.native.Server", sizeof(server_box),
                                      server_methods};

static int seat_close(lua_State *L);
static const luaL_Reg seat_methods[] = {
    {"__gc", seat_close}, {"__close", seat_close}, {NULL, NULL}};
static const rl_class seat_class = {"rille.http.native.Seat", sizeof(rl_http_seat), seat_methods};

static const luaL_Reg stream_methods[] = {RL_STREAM_METHODS, {NULL, NULL}};
const rl_class rl_http_stream_class = {"rille.http.Stream", sizeof(rl_stream_box), stream_methods};

static rl_http_box *box_of(rl_http_owner *owner) {
  return rl_container_of(owner, rl_http_box, owner);
}

// What a request asks of its connection.

static rl_stream *owner_body(rl_http_owner *owner) {
  return rl_http_conn_body(&box_of(owner)->conn);
}

static rl_stream *owner_stream(rl_http_owner *owner) { return box_of(owner)->conn.stream; }

// The stream leaves HTTP, and what has arrived of it goes along.
static void owner_push_stream(rl_http_owner *owner, lua_State *L) {
  rl_http_conn *c = &box_of(owner)->conn;
  if (!c->body_done) rl_raise(L, "EINVAL", "the request's body has not been read");
  c->committed = c->last = true;
  if (rl_http_conn_flush(c) != 0) rl_raise(L, "ECONNRESET", "the client does not take the answer");
  c->taken = true;
  rl_http_conn_phase(c, RL_HTTP_NO_PHASE, RL_NEVER);
  c->stream->above = NULL;
  rl_stream_box *box = rl_object_new(L, &rl_http_stream_class, 0);
  box->stream = c->stream;
  rl_stream_ref(c->stream);
}

static const rl_http_owner_kind conn_kind = {11, owner_body, owner_stream, owner_push_stream};

// Serving.

static server_box *check_server(lua_State *L) {
  server_box *box = rl_check_object(L, 1, &server_class);
  luaL_argcheck(L, box->server && !box->server->closed, 1, "is closed");
  return box;
}

static rl_http_box *new_box(lua_State *L, rl_http_server *server, rl_stream *s) {
  int err;
  rl_http_box *b = rl_http_box_new(server, s, &conn_kind, &err);
  if (!b) rl_stream_raise(L, s, err, "serve");
  return b;
}

// adopt(server, stream): the stream is the server's now. True: it needs a worker, see hire.
static int http_adopt(lua_State *L) {
  rl_http_server *server = check_server(L)->server;
  rl_stream *s = rl_check_open_stream(L, 2, "serve");
  rl_http_box *b = new_box(L, server, s);
  ((rl_stream_box *)lua_touserdata(L, 2))->stream = NULL;
  rl_stream_unref(s);
  rl_http_conn_rest(&b->conn);
  if (server->draining || s->in_status || rl_stream_len(s) > 0) rl_http_conn_turn(&b->conn);
  lua_pushboolean(L, server->spare == 0);
  return 1;
}

// hire(server): a worker beside the current task.
static int http_hire(lua_State *L) {
  rl_http_server *server = check_server(L)->server;
  rl_checkpoint(L);
  rl_http_hire(L, 1, server);
  return 0;
}

// spawn(f): runs it in a task beside the current one, whose failure is reported and nobody else's.
static int http_spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  rl_checkpoint(L);
  rl_http_spawn(L);
  return 0;
}

// seat(server, stream): for this connection; the stream stays the caller's.
// seat(server, nil, again): for a worker; `again`: it has failed, and is counted no more.
static int http_seat(lua_State *L) {
  rl_http_server *server = check_server(L)->server;
  lua_settop(L, 3);
  rl_stream *s = lua_isnoneornil(L, 2) ? NULL : rl_check_open_stream(L, 2, "serve");
  rl_checkpoint(L);
  rl_http_seat *seat = rl_object_new(L, &seat_class, 1);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  if (s) seat->at = new_box(L, server, s);
  seat->server = server;
  server->refs++;
  seat->own = s;
  seat->spare = !s;
  if (lua_toboolean(L, 3)) server->spare++;
  seat->vars = rl_state_of(L)->current->vars;
  seat->scope = rl_current(L)->scope;
  if (s) seat->at->conn.task = rl_current(L);
  if (s) seat->at->conn.scope = seat->scope;
  return 1;
}

// work(seat): serves. Gives a stream that speaks HTTP/2 (true: the seat's own), or nothing.
static int http_work(lua_State *L) {
  rl_http_seat *seat = rl_check_object(L, 1, &seat_class);
  lua_settop(L, 1);
  rl_checkpoint(L);
  luaL_argcheck(L, seat->server, 1, "is closed");
  lua_getiuservalue(L, 1, 1);
  lua_getiuservalue(L, 2, RL_HTTP_HANDLER);
  lua_getiuservalue(L, 2, RL_HTTP_ON_ERROR);
  lua_remove(L, 2);
  return rl_http_serve(L);
}

static int seat_close(lua_State *L) {
  rl_http_seat *seat = rl_check_object(L, 1, &seat_class);
  if (!seat->server) return 0;
  rl_http_seat_leave(seat);
  rl_http_server_unref(seat->server);
  seat->server = NULL;
  return 0;
}

// Servers.

static uint64_t seconds(lua_State *L, const char *name, uint64_t otherwise) {
  return rl_option_seconds(L, 3, name, otherwise * UINT64_C(1000000000));
}

static uint32_t count(lua_State *L, const char *name, lua_Integer high, lua_Integer otherwise) {
  return (uint32_t)rl_option_integer(L, 3, name, 1, high, otherwise);
}

// server(handler, on_error, limits, work): `work` is what a worker runs.
static int http_server(lua_State *L) {
  static const char *const names[] = {"line",      "head",      "fields",    "body",
                                      "head_time", "idle_time", "body_time", "write_time",
                                      "gone_time", NULL};
  luaL_checkany(L, 1);
  lua_settop(L, 4);
  rl_check_options(L, 3, names);
  rl_http_limits limits = {
      .head = {.line = count(L, "line", RL_HTTP1_HEAD_MAX, 8192),
               .head = count(L, "head", RL_HTTP1_HEAD_MAX, 32768),
               .fields = count(L, "fields", RL_HTTP_FIELDS_MAX, 128)},
      .body = (uint64_t)rl_option_integer(L, 3, "body", 0, LUA_MAXINTEGER, 8 * 1024 * 1024),
      .head_time = seconds(L, "head_time", 10),
      .idle_time = seconds(L, "idle_time", 60),
      .body_time = seconds(L, "body_time", 30),
      .write_time = seconds(L, "write_time", 30),
      .gone_time = seconds(L, "gone_time", 1),
  };
  server_box *box = rl_object_new(L, &server_class, 3);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, RL_HTTP_HANDLER);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, RL_HTTP_ON_ERROR);
  lua_pushvalue(L, 4);
  lua_setiuservalue(L, -2, RL_HTTP_WORK);
  box->server = rl_http_server_new(&rl_state_of(L)->loop, &limits);
  return box->server ? 1 : luaL_error(L, "not enough memory");
}

// Closes, with the connections that nobody serves.
static void close_server(rl_http_server *server) {
  rl_http_server_close(server);
  for (rl_link *l = server->conns.next, *next; l != &server->conns; l = next) {
    next = l->next;
    rl_http_conn *c = rl_container_of(l, rl_http_conn, link);
    if (!c->task) rl_http_box_free(rl_container_of(c, rl_http_box, conn), true);
  }
}

static int server_gc(lua_State *L) {
  server_box *box = rl_check_object(L, 1, &server_class);
  rl_http_server *server = box->server;
  box->server = NULL;
  if (!server) return 0;
  close_server(server);
  rl_http_server_unref(server);
  return 0;
}

static int server_close(lua_State *L) {
  server_box *box = rl_check_object(L, 1, &server_class);
  if (box->server) close_server(box->server);
  return 0;
}

static int server_drain(lua_State *L) {
  server_box *box = rl_check_object(L, 1, &server_class);
  if (box->server) rl_http_server_drain(box->server);
  return 0;
}

// count(status): one more answer, over HTTP/2; count(): one more connection.
static int server_count(lua_State *L) {
  server_box *box = rl_check_object(L, 1, &server_class);
  lua_Integer class = luaL_optinteger(L, 2, 0) / 100;
  if (!box->server) return 0;
  if (class == 0) {
    box->server->accepted++;
    return 0;
  }
  box->server->requests++;
  box->server->answers[class >= 0 && class < 6 ? class : 0]++;
  return 0;
}

static int server_stats(lua_State *L) {
  server_box *box = rl_check_object(L, 1, &server_class);
  lua_newtable(L);
  if (!box->server) return 1;
  const rl_http_server *s = box->server;
  lua_Integer open = 0;
  for (rl_link *l = s->conns.next; l != &s->conns; l = l->next) open++;
  const struct {
    const char *name;
    uint64_t value;
  } all[] = {{"accepted", s->accepted},      {"requests", s->requests},
             {"refused", s->refused},        {"timeouts", s->timeouts},
             {"bytes_out", s->bytes_out},    {"open", (uint64_t)open},
             {"answers_2xx", s->answers[2]}, {"answers_3xx", s->answers[3]},
             {"answers_4xx", s->answers[4]}, {"answers_5xx", s->answers[5]}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    lua_pushinteger(L, (lua_Integer)all[i].value);
    lua_setfield(L, -2, all[i].name);
  }
  return 1;
}

// Small parts for the floor above.

static int http_decode(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  return rl_http_push_decoded(L, s, len, lua_toboolean(L, 2)) ? 1 : 0;
}

static lua_Integer count_segments(const char *p, const char *end) {
  lua_Integer n = 0;
  for (; p < end; p++) n += *p != '/' && (p + 1 == end || p[1] == '/');
  return n;
}

// split(path, decode): the list of what stands between its slashes; whether it ends with one
// behind something. Nothing: a bad escape.
static int http_split(lua_State *L) {
  size_t len;
  const char *p = luaL_checklstring(L, 1, &len), *end = p + len;
  bool decode = lua_toboolean(L, 2);
  lua_createtable(L, (int)count_segments(p, end), 0);
  lua_Integer n = 0;
  while (p < end) {
    const char *slash = memchr(p, '/', (size_t)(end - p)), *stop = slash ? slash : end;
    if (stop > p) {
      if (!decode) {
        lua_pushlstring(L, p, (size_t)(stop - p));
      } else if (!rl_http_push_decoded(L, p, (size_t)(stop - p), true)) {
        return 0;
      }
      lua_rawseti(L, -2, ++n);
    }
    p = stop + 1;
  }
  lua_pushboolean(L, len > 1 && end[-1] == '/');
  return 2;
}

static int http_pairs(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  return rl_http_push_pairs(L, s, len, (size_t)luaL_optinteger(L, 2, RL_HTTP_PAIRS_MAX)) ? 1 : 0;
}

// trim(s): without the white space around it. In linear time: patterns that end in "%s*$" take the
// square of a run of spaces.
static int http_trim(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len), *end = s + len;
  while (s < end && strchr(" \t\r\n", *s) && *s) s++;
  while (end > s && strchr(" \t\r\n", end[-1]) && end[-1]) end--;
  lua_pushlstring(L, s, (size_t)(end - s));
  return 1;
}

static int http_date(lua_State *L) {
  char date[RL_HTTP_DATE_LEN];
  rl_http_date(date, luaL_checkinteger(L, 1));
  lua_pushlstring(L, date, sizeof date);
  return 1;
}

static int http_read_date(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  int64_t seconds = rl_http_read_date(s, len);
  if (seconds < 0) return 0;
  lua_pushinteger(L, seconds);
  return 1;
}

static int http_reason(lua_State *L) {
  lua_pushstring(L, rl_http_reason((int)luaL_checkinteger(L, 1)));
  return 1;
}

// failure(status, message, code): an error object that is answered with `status`.
static int http_failure(lua_State *L) {
  lua_Integer status = luaL_checkinteger(L, 1);
  rl_push_error(L, luaL_optstring(L, 3, "EINVAL"), "%s", luaL_checkstring(L, 2));
  lua_pushinteger(L, status);
  lua_setfield(L, -2, "status");
  return 1;
}

// asked(err): the status from 400 to 499 that an error asks for, or nil; and its message.
static int http_asked(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  int status = rl_http_asked_status(L, 1);
  if (status)
    lua_pushinteger(L, status);
  else
    lua_pushnil(L);
  lua_insert(L, 2);
  return 2;
}

// report(err): as an error of a handler that nobody answers for is told.
static int http_report(lua_State *L) {
  luaL_checkany(L, 1);
  rl_push_report(L, 1);
  rl_report_text(rl_state_of(L), lua_tostring(L, -1));
  return 0;
}

// take(request, bytes): sends `bytes`, and the connection's stream is the caller's.
static int http_take(lua_State *L) {
  rl_http_request *r = rl_check_object(L, 1, &rl_http_request_class);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  if (!r->owner) return rl_raise(L, "CLOSED", "the request has been answered");
  if (!r->owner->kind->push_stream) return rl_raise(L, "EINVAL", "HTTP/2 has no upgrade");
  rl_http_box *b = box_of(r->owner);
  if (b->conn.taken || b->conn.committed)
    return rl_raise(L, "EINVAL", "the request has been answered");
  rl_buf_put(&b->conn.out, bytes, len);
  r->owner->kind->push_stream(r->owner, L);
  return 1;
}

static const luaL_Reg functions[] = {
    {"server", http_server},
    {"adopt", http_adopt},
    {"hire", http_hire},
    {"seat", http_seat},
    {"decode", http_decode},
    {"pairs", http_pairs},
    {"date", http_date},
    {"read_date", http_read_date},
    {"reason", http_reason},
    {"take", http_take},
    {"failure", http_failure},
    {"asked", http_asked},
    {"report", http_report},
    {"trim", http_trim},
    {"split", http_split},
    {"spawn", http_spawn},
    {NULL, NULL},
};

int rl_open_http(lua_State *L);
int rl_open_http(lua_State *L) {
  rl_class_open(L, &server_class);
  rl_class_open(L, &seat_class);
  rl_class_open(L, &rl_http_stream_class);
  luaL_newlib(L, functions);
  rl_http_request_open(L);
  lua_getfield(L, -1, "methods");
  lua_setfield(L, -3, "request");
  lua_pushcclosure(L, http_work, 1);
  lua_setfield(L, -2, "work");
  return 1;
}
