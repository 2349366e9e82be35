// The loop over the exchanges of one HTTP/1 connection. What has arrived is served in order, and
// the answers leave together; what fails is told, and answered if it still can be.
#include "lua/bind/http_serve.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/scope.h"
#include "lua/bind/task.h"
#include "lua/bind/trace.h"
#include "runtime/io/http_body.h"

#include <string.h>

// The connection: its task's stack is this.

enum { R_CONN = 1, R_HANDLER, R_ON_ERROR, R_REQUEST, R_FAILURE };
enum { NEXT = -1 };                       // go on with the next request; anything else is returned
#define LINGER_TIME UINT64_C(2000000000)  // ns that a refused client has to read why

static int step(lua_State *L, rl_http_box *b);

static int step_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return step(L, lua_touserdata(L, R_CONN));
}

static int wrote_k(lua_State *L, int status, lua_KContext then);

// Sends all of `out`, then goes on with `then`.
static int send_all(lua_State *L, rl_http_conn *c, lua_KFunction then) {
  int left = rl_http_conn_flush(c);
  if (left < 0) return 0;
  if (left == 0) return then(L, LUA_OK, 0);
  rl_http_conn_wait_out(c);
  return rl_await(L, &c->stream->writer, wrote_k, (lua_KContext)then);
}

static int wrote_k(lua_State *L, int status, lua_KContext then) {
  (void)status;
  rl_http_box *b = lua_touserdata(L, R_CONN);
  rl_http_conn_wrote(&b->conn);
  if (rl_awaited(L, &b->conn.stream->writer) < 0) return 0;
  return send_all(L, &b->conn, (lua_KFunction)then);
}

static int over_k(lua_State *L, int status, lua_KContext ctx) {
  (void)L, (void)status, (void)ctx;
  return 0;
}

// Ends a connection whose client may still be sending: closing at once could destroy the answer on
// its way.
static int linger_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_http_conn *c = &((rl_http_box *)lua_touserdata(L, R_CONN))->conn;
  if (ctx && rl_awaited(L, &c->op) < 0) return 0;
  size_t len = rl_stream_len(c->stream);
  if (len) rl_stream_consume(c->stream, len);
  if (rl_http_conn_ended(c)) return 0;
  rl_op_begin(&c->op, c->task);
  c->stream->kind->pull(c->stream);
  return rl_await(L, &c->op, linger_k, 1);
}

static int shut_k(lua_State *L, int status, lua_KContext ctx) {
  rl_http_conn *c = &((rl_http_box *)lua_touserdata(L, R_CONN))->conn;
  rl_stream_write_done(c->stream, c->task);
  if (rl_awaited(L, &c->stream->writer) < 0) return 0;
  rl_http_conn_phase(c, RL_HTTP_IDLE, LINGER_TIME);
  return linger_k(L, status, ctx);
}

static int linger_start_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_http_conn *c = &((rl_http_box *)lua_touserdata(L, R_CONN))->conn;
  rl_http_conn_phase(c, RL_HTTP_WRITE, LINGER_TIME);
  rl_stream_wait_finish(c->stream, c->task);
  return rl_await(L, &c->stream->writer, shut_k, 0);
}

static int hang_up(lua_State *L, rl_http_conn *c, bool linger) {
  return send_all(L, c, linger ? linger_start_k : over_k);
}

// Waiting for a head.

static int refuse(lua_State *L, rl_http_box *b, int status) {
  rl_http_conn *c = &b->conn;
  c->last = true;
  c->server->refused++;
  b->head_only = false;
  rl_http_put_plain(b, status, rl_http_reason(status));
  return hang_up(L, c, true);
}

static int waited_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_http_box *b = lua_touserdata(L, R_CONN);
  int err = rl_awaited(L, &b->conn.op);
  if (err == RL_TIMEOUT && rl_stream_len(b->conn.stream) > 0) return refuse(L, b, 408);
  return err < 0 ? 0 : step(L, b);
}

static int wait_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_http_conn *c = &((rl_http_box *)lua_touserdata(L, R_CONN))->conn;
  if (rl_http_conn_ended(c)) return 0;
  rl_http_conn_wait(c);
  return rl_await(L, &c->op, waited_k, 0);
}

// Parses the next head and pushes its request. The verdict, as rl_http1_parse_request.
static int next_request(lua_State *L, rl_http_box *b) {
  rl_http1_field fields[RL_HTTP_FIELDS_MAX];
  rl_http_conn *c = &b->conn;
  int got = rl_http_conn_parse(c, fields);
  if (got <= 0) return got;
  const char *head = rl_buf_head(&c->stream->in);
  b->request =
      rl_http_request_new(L, lua_upvalueindex(1), &b->owner, head, (size_t)got, &c->head, fields);
  b->head_only = c->head.method_len == 4 && memcmp(head + c->head.method, "HEAD", 4) == 0;
  b->failing = false;
  rl_http_conn_start(c, (size_t)got);
  c->mark = SIZE_MAX;
  if (rl_buf_len(&c->out)) rl_http_conn_flush_later(c);
  return got;
}

// Ending an exchange.

static int skipped_k(lua_State *L, int status, lua_KContext ctx);

static int end_exchange(lua_State *L, rl_http_box *b) {
  rl_http_conn *c = &b->conn;
  if (c->taken) return 0;
  int body = rl_http_conn_finish(c);
  if (body == 0) return rl_await(L, &c->op, skipped_k, 0);
  if (body < 0) return hang_up(L, c, true);
  if (c->last) return hang_up(L, c, rl_stream_len(c->stream) > 0);
  if (rl_buf_len(&c->out) >= RL_HTTP_OUT_HIGH) return send_all(L, c, step_k);
  if (--rl_state_of(L)->budget <= 0) return rl_no_wait(L, step_k, 0);
  return NEXT;
}

static int skipped_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_http_box *b = lua_touserdata(L, R_CONN);
  if (rl_awaited(L, &b->conn.op) < 0) return hang_up(L, &b->conn, true);
  int next = end_exchange(L, b);
  return next == NEXT ? step(L, b) : next;
}

static void report(lua_State *L) {  // the error is at the top
  rl_push_report(L, -1);
  rl_report_text(rl_state_of(L), lua_tostring(L, -1));
  lua_pop(L, 1);
}

// What the client did wrong, or a handler's error that says which status it means; 0: neither.
static int status_of_failure(lua_State *L, rl_http_box *b) {
  rl_http_body *body = b->conn.body;
  if (b->conn.body_bad && body) {
    int why = body->s.in_status;
    return why == RL_LIMIT ? 413 : why == RL_TIMEOUT ? 408 : 400;
  }
  if (!lua_istable(L, -1)) return 0;
  lua_getfield(L, -1, "status");
  lua_Integer status = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return status >= 400 && status < 500 ? (int)status : 0;
}

// The request on the stack belongs to the exchange, or to nobody any more.
static void attach(rl_http_box *b, rl_http_request *request, bool attached) {
  request->owner = attached ? &b->owner : NULL;
  b->request = attached ? request : NULL;
}

static int end_failed(lua_State *L, rl_http_box *b) {
  if (b->conn.body_bad) b->conn.last = true;
  return end_exchange(L, b);
}

static int error_told(lua_State *L, rl_http_box *b, bool ok, lua_KContext mark) {
  attach(b, lua_touserdata(L, R_REQUEST), false);
  rl_protect_done(L, mark, !ok);
  if (!ok) {
    report(L);
    if (!b->conn.committed) rl_http_put_plain(b, 500, rl_http_reason(500));
  }
  return end_failed(L, b);
}

static int error_told_k(lua_State *L, int status, lua_KContext mark) {
  rl_http_box *b = lua_touserdata(L, R_CONN);
  int next = error_told(L, b, status == LUA_OK || status == LUA_YIELD, mark);
  return next == NEXT ? step(L, b) : next;
}

// An answer that was not begun can still be another one; one that was begun is cut off.
static int fail(lua_State *L, rl_http_box *b) {
  rl_http_conn *c = &b->conn;
  if (c->lost) return 0;  // a client that went away is nobody's error
  if (c->mark != SIZE_MAX && !c->committed) c->out.tail = c->out.head + c->mark;
  if (c->committed) c->last = true;
  int status = status_of_failure(L, b);
  if (status && !c->committed) {
    if (b->conn.body_bad) c->last = true;
    bool told = lua_istable(L, -1) && lua_getfield(L, -1, "message") == LUA_TSTRING;
    rl_http_put_plain(b, status, told ? lua_tostring(L, -1) : rl_http_reason(status));
    return end_failed(L, b);
  }
  if (lua_isnil(L, R_ON_ERROR)) {
    report(L);
    if (!c->committed) rl_http_put_plain(b, 500, rl_http_reason(500));
    return end_failed(L, b);
  }
  b->failing = true;
  attach(b, lua_touserdata(L, R_REQUEST), true);
  lua_settop(L, R_FAILURE);
  lua_pushcfunction(L, rl_http_exchange);
  lua_pushvalue(L, R_CONN);
  lua_pushvalue(L, R_REQUEST);
  lua_pushvalue(L, R_ON_ERROR);
  lua_pushvalue(L, R_FAILURE);
  lua_pushvalue(L, R_REQUEST);
  lua_KContext mark = rl_protect_mark(L);
  int got = lua_pcallk(L, 5, 0, 0, mark, error_told_k);
  return error_told(L, b, got == LUA_OK, mark);
}

static int handled(lua_State *L, rl_http_box *b, bool ok, lua_KContext mark) {
  attach(b, lua_touserdata(L, R_REQUEST), false);
  rl_protect_done(L, mark, !ok);  // may raise
  return ok ? end_exchange(L, b) : fail(L, b);
}

static int handled_k(lua_State *L, int status, lua_KContext mark) {
  rl_http_box *b = lua_touserdata(L, R_CONN);
  int next = handled(L, b, status == LUA_OK || status == LUA_YIELD, mark);
  return next == NEXT ? step(L, b) : next;
}

// HTTP/2 with prior knowledge: the stream goes to who speaks it, with all that has arrived.
static int hand_over(lua_State *L, rl_http_conn *c) {
  c->taken = true;
  c->stream->above = NULL;
  rl_http_conn_phase(c, RL_HTTP_NO_PHASE, RL_NEVER);
  lua_pushliteral(L, "h2");
  return 1;
}

static int step(lua_State *L, rl_http_box *b) {
  rl_http_conn *c = &b->conn;
  for (;;) {
    lua_settop(L, R_ON_ERROR);
    int got = next_request(L, b);
    if (got == RL_HTTP1_MORE) return send_all(L, c, wait_k);
    if (got == RL_HTTP1_PREFACE) return c->fresh ? hand_over(L, c) : refuse(L, b, 505);
    if (got < 0) return refuse(L, b, -got);
    lua_pushcfunction(L, rl_http_exchange);
    lua_pushvalue(L, R_CONN);
    lua_pushvalue(L, R_REQUEST);
    lua_pushvalue(L, R_HANDLER);
    lua_pushvalue(L, R_REQUEST);
    lua_KContext mark = rl_protect_mark(L);
    int ok = lua_pcallk(L, 4, 0, 0, mark, handled_k) == LUA_OK;
    int next = handled(L, b, ok, mark);
    if (next != NEXT) return next;
  }
}

int rl_http_serve(lua_State *L, rl_http_box *b) { return step(L, b); }
