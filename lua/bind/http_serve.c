// Serving HTTP/1: the loop over the exchanges of a connection, and over connections. What has
// arrived is served in order, and the answers leave together; what fails is told, and answered if
// it still can be.
#include "lua/bind/http_serve.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/http_answer.h"
#include "lua/bind/scope.h"
#include "lua/bind/stream.h"
#include "lua/bind/task.h"
#include "lua/bind/trace.h"
#include "runtime/io/http_body.h"

#include <stdlib.h>
#include <string.h>

// The stack of a task that serves.

enum { R_SEAT = 1, R_HANDLER, R_ON_ERROR, R_TRACE, R_REQUEST, R_FAILURE };

// What comes next. Continuations go on with `run`; DONE and RL_HTTP_HANDED are its results, perhaps
// of a continuation that has run inside already.
enum { DONE = 0, NEXT = -1, OVER = -2, FREE = -3 };
enum { SPARES = 64 };                     // workers that are kept with nothing to do
enum { RUN_TIME = 1000000 };              // ns that a worker goes from connection to connection
#define LINGER_TIME UINT64_C(2000000000)  // ns that a refused client has to read why

static int run(lua_State *L, int next);

static rl_http_seat *seat_of(lua_State *L) { return lua_touserdata(L, R_SEAT); }
static rl_http_box *box_of(lua_State *L) { return seat_of(L)->at; }
static rl_http_conn *conn_of(lua_State *L) { return &box_of(L)->conn; }

static int next_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return run(L, NEXT);
}

typedef int after(lua_State *, rl_http_box *);

static int wrote_k(lua_State *L, int status, lua_KContext then);

// Sends all of `out`, then goes on with `then`.
static int send_all(lua_State *L, rl_http_box *b, after *then) {
  rl_http_conn *c = &b->conn;
  int left = rl_http_conn_flush(c);
  if (left < 0) return OVER;
  if (left == 0) return then(L, b);
  rl_http_conn_wait_out(c, RL_STREAM_OUT_LOW);
  return rl_await(L, &c->stream->writer, wrote_k, (lua_KContext)then);
}

static int wrote_k(lua_State *L, int status, lua_KContext then) {
  (void)status;
  rl_http_box *b = box_of(L);
  rl_http_conn_wrote(&b->conn);
  if (rl_awaited(L, &b->conn.stream->writer) < 0) return run(L, OVER);
  return run(L, send_all(L, b, (after *)then));
}

static int to_next(lua_State *L, rl_http_box *b) {
  (void)L, (void)b;
  return NEXT;
}

static int to_end(lua_State *L, rl_http_box *b) {
  (void)L, (void)b;
  return OVER;
}

// Ends a connection whose client may still be sending: closing at once could destroy the answer on
// its way.
static int linger_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_http_conn *c = conn_of(L);
  if (ctx && rl_awaited(L, &c->op) < 0) return run(L, OVER);
  size_t len = rl_stream_len(c->stream);
  if (len) rl_stream_consume(c->stream, len);
  if (rl_http_conn_ended(c)) return run(L, OVER);
  rl_op_begin(&c->op, c->task);
  c->stream->kind->pull(c->stream);
  return rl_await(L, &c->op, linger_k, 1);
}

static int shut_k(lua_State *L, int status, lua_KContext ctx) {
  rl_http_conn *c = conn_of(L);
  rl_stream_write_done(c->stream, c->task);
  if (rl_awaited(L, &c->stream->writer) < 0) return run(L, OVER);
  rl_http_conn_phase(c, RL_HTTP_IDLE, LINGER_TIME);
  return linger_k(L, status, ctx);
}

static int to_linger(lua_State *L, rl_http_box *b) {
  rl_http_conn *c = &b->conn;
  rl_http_conn_phase(c, RL_HTTP_WRITE, LINGER_TIME);
  rl_stream_wait_finish(c->stream, c->task);
  return rl_await(L, &c->stream->writer, shut_k, 0);
}

static int hang_up(lua_State *L, rl_http_box *b, bool linger) {
  return send_all(L, b, linger ? to_linger : to_end);
}

// Waiting for a head.

static int refuse(lua_State *L, rl_http_box *b, int status) {
  rl_http_conn *c = &b->conn;
  c->last = true;
  c->server->refused++;
  b->head_only = false;
  rl_http_put_plain(b, status, rl_http_reason(status));
  return hang_up(L, b, true);
}

static int timed_out(lua_State *L, rl_http_box *b) {
  return rl_stream_len(b->conn.stream) > 0 ? refuse(L, b, 408) : OVER;
}

static int waited_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_http_box *b = box_of(L);
  int err = rl_awaited(L, &b->conn.op);
  if (err == RL_TIMEOUT) return run(L, timed_out(L, b));
  return run(L, err < 0 ? OVER : NEXT);
}

// Nothing of a handler's is left in the worker's task.
static bool is_free(lua_State *L, const rl_http_seat *seat) {
  const rl_ltask *t = rl_state_of(L)->current;
  const rl_scope *s = t->core.scope;
  return !seat->own && s == seat->scope && s->member_count == 0 && !s->doomed &&
         !t->core.unwinding && !t->held && !t->slot && !t->name && t->vars == seat->vars;
}

static void set_spare(rl_http_seat *seat, bool spare) {
  if (seat->spare != spare) seat->server->spare += spare ? 1u : UINT32_MAX;
  seat->spare = spare;
}

// All that has come was served, and the answers are on their way.
static int to_rest(lua_State *L, rl_http_box *b) {
  rl_http_seat *seat = seat_of(L);
  rl_http_conn *c = &b->conn;
  if (rl_http_conn_ended(c) || (c->server->draining && rl_stream_len(c->stream) == 0)) return OVER;
  if (!is_free(L, seat)) {
    rl_http_conn_wait(c);
    return rl_await(L, &c->op, waited_k, 0);
  }
  rl_http_conn_rest(c);
  seat->at = NULL;
  set_spare(seat, true);
  return FREE;
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
  if (c->taken) return OVER;
  int body = rl_http_conn_finish(c);
  if (body == 0) {  // the answer need not wait for what is read away
    rl_http_conn_flush_later(c);
    return rl_await(L, &c->op, skipped_k, 0);
  }
  if (body < 0) return hang_up(L, b, true);
  if (c->last) return hang_up(L, b, rl_stream_len(c->stream) > 0);
  if (rl_buf_len(&c->out) >= RL_HTTP_OUT_HIGH) return send_all(L, b, to_next);
  if (--rl_state_of(L)->budget <= 0) return rl_no_wait(L, next_k, 0);
  return NEXT;
}

static int skipped_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_http_box *b = box_of(L);
  if (rl_awaited(L, &b->conn.op) < 0) return run(L, hang_up(L, b, true));
  return run(L, end_exchange(L, b));
}

static void report(lua_State *L) {  // the error is at the top
  rl_push_report(L, -1);
  rl_report_text(rl_state_of(L), lua_tostring(L, -1));
  lua_pop(L, 1);
}

// What the client did wrong, or a handler's error that says which status it means; 0: neither.
// Pushes a message, or nil.
static int status_of_failure(lua_State *L, rl_http_box *b) {
  int status = rl_http_asked_status(L, -1);
  rl_http_body *body = b->conn.body;
  if (!b->conn.body_bad || !body) return status;
  int why = body->s.in_status;
  return why == RL_LIMIT ? 413 : why == RL_TIMEOUT ? 408 : 400;
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
  return run(L, error_told(L, box_of(L), status == LUA_OK || status == LUA_YIELD, mark));
}

// An answer that was not begun can still be another one; one that was begun is cut off.
static int fail(lua_State *L, rl_http_box *b) {
  rl_http_conn *c = &b->conn;
  if (c->lost) return OVER;  // a client that went away is nobody's error
  if (c->mark != SIZE_MAX && !c->committed) c->out.tail = c->out.head + c->mark;
  if (c->committed) c->last = true;
  int status = status_of_failure(L, b);
  if (c->committed && c->body_bad) return end_failed(L, b);  // nor is one that cut its own body
  if (status && !c->committed) {
    if (c->body_bad) c->last = true;
    rl_http_put_plain(b, status, lua_isnil(L, -1) ? rl_http_reason(status) : lua_tostring(L, -1));
    return end_failed(L, b);
  }
  lua_pop(L, 1);
  if (lua_isnil(L, R_ON_ERROR)) {
    report(L);
    if (!c->committed) rl_http_put_plain(b, 500, rl_http_reason(500));
    return end_failed(L, b);
  }
  b->failing = true;
  attach(b, lua_touserdata(L, R_REQUEST), true);
  lua_settop(L, R_FAILURE);
  lua_pushcfunction(L, rl_http_exchange);
  lua_pushlightuserdata(L, b);
  lua_pushvalue(L, R_REQUEST);
  lua_pushvalue(L, R_ON_ERROR);
  lua_pushvalue(L, R_FAILURE);
  lua_pushvalue(L, R_REQUEST);
  lua_KContext mark = rl_protect_mark(L);
  int got = lua_pcallk(L, 5, 0, R_TRACE, mark, error_told_k);
  return error_told(L, b, got == LUA_OK, mark);
}

static int handled(lua_State *L, rl_http_box *b, bool ok, lua_KContext mark) {
  attach(b, lua_touserdata(L, R_REQUEST), false);
  rl_protect_done(L, mark, !ok);  // may raise
  return ok ? end_exchange(L, b) : fail(L, b);
}

static int handled_k(lua_State *L, int status, lua_KContext mark) {
  return run(L, handled(L, box_of(L), status == LUA_OK || status == LUA_YIELD, mark));
}

// HTTP/2 with prior knowledge: the stream goes to who speaks it, with all that has arrived.
static int hand_over(lua_State *L, rl_http_seat *seat) {
  rl_http_conn *c = &seat->at->conn;
  rl_stream_box *box = seat->own ? NULL : rl_object_new(L, &rl_http_stream_class, 0);
  c->taken = true;
  c->stream->above = NULL;
  rl_http_conn_phase(c, RL_HTTP_NO_PHASE, RL_NEVER);
  if (!box) {
    lua_pushboolean(L, true);
    return RL_HTTP_HANDED;
  }
  box->stream = c->stream;
  rl_stream_ref(c->stream);
  rl_http_box_free(seat->at, false);
  seat->at = NULL;
  return RL_HTTP_HANDED;
}

// One request, as far as it has come.
static int step(lua_State *L, rl_http_box *b) {
  rl_http_conn *c = &b->conn;
  lua_settop(L, R_TRACE);
  if (c->expired) return timed_out(L, b);
  int got = next_request(L, b);
  if (got == RL_HTTP1_MORE) return send_all(L, b, to_rest);
  if (got == RL_HTTP1_PREFACE) return c->fresh ? hand_over(L, seat_of(L)) : refuse(L, b, 505);
  if (got < 0) return refuse(L, b, -got);
  lua_pushcfunction(L, rl_http_exchange);
  lua_pushlightuserdata(L, b);
  lua_pushvalue(L, R_REQUEST);
  lua_pushvalue(L, R_HANDLER);
  lua_pushvalue(L, R_REQUEST);
  lua_KContext mark = rl_protect_mark(L);
  int ok = lua_pcallk(L, 4, 0, R_TRACE, mark, handled_k) == LUA_OK;
  return handled(L, b, ok, mark);
}

// Workers.

static void ended(rl_ltask *t, lua_State *co, int count, rl_ended how) {
  (void)t, (void)count;
  if (how == RL_ENDED_FAILED) report(co);
}

static const rl_child_kind served_kind = {.ended = ended};

void rl_http_spawn(lua_State *L) {
  rl_spawn(L, rl_task_home(rl_current(L)), 0, RL_MODE_CHILD)->child = &served_kind;
}

void rl_http_hire(lua_State *L, int index, rl_http_server *server) {
  lua_getiuservalue(L, index, RL_HTTP_WORK);
  rl_http_spawn(L);
  server->spare++;
}

// The next connection that is ready. Whoever leaves for one leaves a spare worker behind, who takes
// the next if the handler waits.
static bool take(lua_State *L, rl_http_seat *seat) {
  rl_http_server *server = seat->server;
  if (rl_list_empty(&server->ready)) return false;
  lua_settop(L, R_TRACE);
  if (server->spare < 2) {
    lua_getiuservalue(L, R_SEAT, 1);
    rl_http_hire(L, R_TRACE + 1, server);
    lua_settop(L, R_TRACE);
  }
  rl_http_conn *c = rl_container_of(rl_list_pop(&server->ready), rl_http_conn, turn);
  seat->at = rl_container_of(c, rl_http_box, conn);
  c->task = rl_current(L);
  c->scope = seat->scope;
  set_spare(seat, false);
  if (!rl_list_empty(&server->ready)) rl_http_server_call(server);
  return true;
}

static const rl_op_kind park_kind = {"http:worker", rl_lot_stop, NULL, RL_HOLD_NONE};

// A run of the worker begins.
static int begin(lua_State *L) {
  rl_http_seat *seat = seat_of(L);
  seat->began = rl_loop_now(seat->server->loop);
  return run(L, FREE);
}

static int begin_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return begin(L);
}

static int parked_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  seat_of(L)->server->called = false;
  rl_awaited(L, &rl_current(L)->wait);
  return begin(L);
}

// Other tasks may be ready too. The time is that at which the last connection went to rest.
static bool is_due(const rl_http_seat *seat) {
  const rl_http_server *server = seat->server;
  return server->loop->now > seat->began + RUN_TIME && !rl_list_empty(&server->ready);
}

static int make_way(lua_State *L) {
  rl_state_of(L)->budget = 0;
  return rl_no_wait(L, begin_k, 0);
}

static int park(lua_State *L, rl_http_seat *seat) {
  rl_http_server *server = seat->server;
  if (rl_http_server_over(server) || server->spare > SPARES) return DONE;
  rl_raise_cancelled_if_due(L);
  rl_task_park(rl_current(L), &server->parked, &park_kind, NULL);
  return rl_await(L, &rl_current(L)->wait, parked_k, 0);
}

static int run(lua_State *L, int next) {
  rl_http_seat *seat = seat_of(L);
  for (;;) {
    switch (next) {
      case NEXT: next = step(L, seat->at); break;
      case OVER: {
        bool stays = is_free(L, seat);
        rl_http_seat_leave(seat);
        if (!stays) return DONE;
        set_spare(seat, true);
        next = FREE;
        break;
      }
      case FREE:
        if (is_due(seat)) return make_way(L);
        next = take(L, seat) ? NEXT : park(L, seat);
        break;
      default: return next;
    }
  }
}

// An error that asks for its status is an answer, and needs no traceback.
static int trace(lua_State *L) {
  if (lua_istable(L, 1)) {
    lua_pushliteral(L, "status");
    int type = lua_rawget(L, 1);
    lua_settop(L, 1);
    if (type == LUA_TNUMBER) return 1;
  }
  return rl_trace_handler(L);
}

int rl_http_serve(lua_State *L) {
  lua_pushcfunction(L, trace);
  return seat_of(L)->own ? run(L, NEXT) : begin(L);
}

// Seats and what they serve.

rl_http_box *rl_http_box_new(rl_http_server *server, rl_stream *stream,
                             const rl_http_owner_kind *kind, int *err) {
  rl_http_box *b = calloc(1, sizeof *b);
  *err = UV_ENOMEM;
  if (!b) return NULL;
  b->owner.kind = kind;
  *err = rl_http_conn_init(&b->conn, server, stream);
  if (*err == 0) return b;
  free(b);
  return NULL;
}

void rl_http_box_free(rl_http_box *b, bool close) {
  rl_stream *s = b->conn.stream;
  rl_stream_ref(s);
  if (b->request) b->request->owner = NULL;
  rl_http_conn_fini(&b->conn);
  if (close) rl_stream_close(s);
  rl_stream_unref(s);
  free(b);
}

void rl_http_seat_leave(rl_http_seat *seat) {
  if (seat->at) rl_http_box_free(seat->at, !seat->own);
  seat->at = NULL;
  if (seat->server) set_spare(seat, false);
}
