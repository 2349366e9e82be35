// rille.native.http: the server's hot path. One task serves a connection: it parses a head, calls
// the handler, writes the answer, and goes on with what has already arrived; answers to pipelined
// requests leave together.
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/http_serve.h"
#include "lua/bind/stream.h"

#include <string.h>

typedef struct server_box {
  rl_box box;
  rl_http_server *server;
} server_box;

// User values: of a server, its handler and on_error; of a connection, its server and its stream.
enum { SERVER_HANDLER = 1, SERVER_ON_ERROR };
enum { CONN_SERVER = 1, CONN_STREAM };

static int server_gc(lua_State *L);
static int server_close(lua_State *L);
static int server_drain(lua_State *L);
static int server_stats(lua_State *L);
static const luaL_Reg server_methods[] = {
    {"drain", server_drain},
    {"stats", server_stats},
    {"close", server_close},
    {"__gc", server_gc},
    {NULL, NULL},
};
static const rl_class server_class = {"rille.http.native.Server", sizeof(server_box),
                                      server_methods};

static int conn_gc(lua_State *L);
static const luaL_Reg conn_methods[] = {{"__gc", conn_gc}, {"__close", conn_gc}, {NULL, NULL}};
static const rl_class conn_class = {"rille.http.native.Connection", sizeof(rl_http_box),
                                    conn_methods};

static const luaL_Reg stream_methods[] = {RL_STREAM_METHODS, {NULL, NULL}};
static const rl_class stream_class = {"rille.http.Stream", sizeof(rl_stream_box), stream_methods};

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
  rl_stream_box *box = rl_object_new(L, &stream_class, 0);
  box->stream = c->stream;
  rl_stream_ref(c->stream);
}

static const rl_http_owner_kind conn_kind = {11, owner_body, owner_stream, owner_push_stream};

// run(connection): serves it to its end. Upvalue: the metatable of requests.
static int conn_run(lua_State *L) {
  rl_http_box *b = rl_check_object(L, 1, &conn_class);
  lua_settop(L, 1);
  rl_checkpoint(L);
  luaL_argcheck(L, b->conn.registered && b->conn.task == NULL, 1, "is served already");
  b->conn.task = rl_current(L);
  lua_getiuservalue(L, 1, CONN_SERVER);
  lua_getiuservalue(L, 2, SERVER_HANDLER);
  lua_getiuservalue(L, 2, SERVER_ON_ERROR);
  lua_remove(L, 2);
  return rl_http_serve(L, b);
}

static int conn_gc(lua_State *L) {
  rl_http_box *b = rl_check_object(L, 1, &conn_class);
  if (b->request) b->request->owner = NULL;
  rl_http_conn_fini(&b->conn);
  return 0;
}

// connection(server, stream)
static int http_connection(lua_State *L) {
  server_box *server = rl_check_object(L, 1, &server_class);
  rl_stream *s = rl_check_open_stream(L, 2, "serve");
  luaL_argcheck(L, server->server && rl_uvhandle_open(&server->server->handle), 1, "is closed");
  rl_http_box *b = rl_object_new(L, &conn_class, 2);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, CONN_SERVER);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, CONN_STREAM);
  b->owner.kind = &conn_kind;
  int err = rl_http_conn_init(&b->conn, server->server, s, NULL);
  if (err < 0) return rl_stream_raise(L, s, err, "serve");
  return 1;
}

// Servers.

static uint64_t seconds(lua_State *L, const char *name, uint64_t otherwise) {
  return rl_option_seconds(L, 3, name, otherwise * UINT64_C(1000000000));
}

static uint32_t count(lua_State *L, const char *name, lua_Integer high, lua_Integer otherwise) {
  return (uint32_t)rl_option_integer(L, 3, name, 1, high, otherwise);
}

// server(handler, on_error, limits)
static int http_server(lua_State *L) {
  static const char *const names[] = {"line",      "head",      "fields",    "body",
                                      "head_time", "idle_time", "body_time", "write_time",
                                      "gone_time", NULL};
  int err;
  luaL_checkany(L, 1);
  lua_settop(L, 3);
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
  server_box *box = rl_object_new(L, &server_class, 2);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, SERVER_HANDLER);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, SERVER_ON_ERROR);
  box->server = rl_http_server_new(&rl_state_of(L)->loop, &limits, &err);
  return box->server ? 1 : rl_raise_sys(L, err, "serve", NULL, NULL);
}

static int server_gc(lua_State *L) {
  server_box *box = rl_check_object(L, 1, &server_class);
  rl_http_server *server = box->server;
  box->server = NULL;
  if (!server) return 0;
  rl_http_server_close(server);
  rl_http_server_unref(server);
  return 0;
}

static int server_close(lua_State *L) {
  server_box *box = rl_check_object(L, 1, &server_class);
  if (box->server) rl_http_server_close(box->server);
  return 0;
}

static int server_drain(lua_State *L) {
  server_box *box = rl_check_object(L, 1, &server_class);
  if (box->server) rl_http_server_drain(box->server);
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

static int http_pairs(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  return rl_http_push_pairs(L, s, len, (size_t)luaL_optinteger(L, 2, RL_HTTP_PAIRS_MAX)) ? 1 : 0;
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
    {"server", http_server},   {"connection", http_connection},
    {"decode", http_decode},   {"pairs", http_pairs},
    {"date", http_date},       {"read_date", http_read_date},
    {"reason", http_reason},   {"take", http_take},
    {"failure", http_failure}, {NULL, NULL},
};

int rl_open_http(lua_State *L);
int rl_open_http(lua_State *L) {
  rl_class_open(L, &server_class);
  rl_class_open(L, &conn_class);
  rl_class_open(L, &stream_class);
  luaL_newlib(L, functions);
  rl_http_request_open(L);
  lua_getfield(L, -1, "methods");
  lua_setfield(L, -3, "request");
  lua_pushcclosure(L, conn_run, 1);
  lua_setfield(L, -2, "run");
  return 1;
}
