// Tasks that wait for the host: rille_await and the three ways to end it.
#include "lua/host/runtime.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// The task's part and the host's part of a wait: it is freed when both are over. `rt` is read and
// cleared under the port's lock, for hosts that end the op from another thread while the runtime
// closes.
struct rille_op {
  rl_op op;
  rl_link link;  // in rt->ops
  rille_runtime *rt;
  rl_port *port;
  void (*on_cancel)(rille_op *, void *);
  void *ud;
  lua_State *stack;  // of the results; NULL before the first need
  int anchor;        // registry reference to `stack`
  int results;
  rille_status status;
  char *text;  // of a rejection
  rille_msg *msg;
  bool host_done, task_done;
};

static void free_op(rille_op *op) {
  if (!op->host_done || !op->task_done) return;
  rl_link_remove(&op->link);
  if (op->rt && op->anchor) luaL_unref(op->rt->st.L, LUA_REGISTRYINDEX, op->anchor);
  rille_msg_unref(op->msg);
  rl_port_unref(op->port);
  free(op->text);
  free(op);
}

static rl_stop op_stop(rl_op *base) {
  rille_op *op = rl_container_of(base, rille_op, op);
  if (op->on_cancel) op->on_cancel(op, op->ud);
  op->task_done = true;
  free_op(op);
  return RL_STOP_LEAVE;
}

static const rl_op_kind host_op_kind = {"host", op_stop, NULL, RL_HOLD_PASSIVE};

int rille_await(lua_State *L, rille_op **out, void (*on_cancel)(rille_op *, void *), void *ud) {
  if (!rl_host_may_wait(L))
    return luaL_error(L, "rille_await is for functions registered as RILLE_ASYNC");
  if (!out) return luaL_error(L, "rille_await: no place for the op");
  rl_checkpoint(L);
  rille_runtime *rt = rl_runtime_of(L);
  rille_op *op = calloc(1, sizeof *op);
  if (!op) return luaL_error(L, "not enough memory");
  rl_op_init(&op->op, &host_op_kind);
  op->rt = rt;
  op->port = rt->port;
  rl_port_ref(op->port);
  op->on_cancel = on_cancel;
  op->ud = ud;
  rl_list_push(&rt->ops, &op->link);
  rl_op_begin(&op->op, rl_current(L));
  rt->awaited = op;
  *out = op;
  return RL_HOST_AWAITS;
}

// op -> its results, or the error
static int finish_protected(lua_State *L) {
  rille_op *op = lua_touserdata(L, 1);
  if (op->status == RILLE_OK && op->msg) return rille_msg_push(L, op->msg);
  if (op->status == RILLE_OK) {
    luaL_checkstack(L, op->results, "too many results");
    if (op->results > 0) lua_xmove(op->stack, L, op->results);
    return op->results;
  }
  if (op->msg && rille_msg_push(L, op->msg) > 0) luaL_tolstring(L, -1, NULL);
  const char *text = op->text              ? op->text
                     : lua_isstring(L, -1) ? lua_tostring(L, -1)
                                           : rille_strerror(op->status);
  return rl_raise(L, rl_host_status_code(op->status), "%s", text);
}

static int after_op(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rille_op *op = (rille_op *)ctx;
  rl_awaited(L, &op->op);
  int base = lua_gettop(L), err = LUA_ERRMEM;
  if (lua_checkstack(L, 2)) {
    lua_pushcfunction(L, finish_protected);
    lua_pushlightuserdata(L, op);
    err = lua_pcall(L, 1, LUA_MULTRET, 0);
  } else {
    lua_settop(L, base);
    lua_pushnil(L);
  }
  op->task_done = true;
  free_op(op);
  if (err != LUA_OK) return lua_error(L);
  return lua_gettop(L) - base;
}

int rl_host_await(lua_State *L, rille_op *op) {
  return rl_await(L, &op->op, after_op, (lua_KContext)op);
}

static int new_stack(lua_State *L) {
  rille_op *op = lua_touserdata(L, 1);
  lua_State *stack = lua_newthread(L);
  op->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
  op->stack = stack;
  return 0;
}

lua_State *rille_op_stack(rille_op *op) {
  if (!op || !op->rt || rl_runtime_check(op->rt) == RILLE_ETHREAD) return NULL;
  if (!rl_op_pending(&op->op)) return NULL;
  lua_State *L = op->rt->st.L;
  if (op->stack || !lua_checkstack(L, 4)) return op->stack;
  lua_pushcfunction(L, new_stack);
  lua_pushlightuserdata(L, op);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
  return op->stack;
}

// The host's part is over: wakes the task if it still waits.
static void end_op(rille_op *op) {
  op->host_done = true;
  if (rl_op_pending(&op->op)) {
    rl_op_finish(&op->op, 0);
    rl_runtime_stir(op->rt);
  } else {
    free_op(op);
  }
}

void rille_op_resolve(rille_op *op, int nresults) {
  if (!op) return;
  bool given = op->stack && nresults > 0 && lua_gettop(op->stack) >= nresults;
  op->results = given ? nresults : 0;
  op->status = RILLE_OK;
  end_op(op);
}

void rille_op_reject(rille_op *op, rille_status status, const char *format, ...) {
  if (!op) return;
  op->status = status == RILLE_OK ? RILLE_EERROR : status;
  if (format) {
    va_list args;
    va_start(args, format);
    if (vasprintf(&op->text, format, args) < 0) op->text = NULL;
    va_end(args);
  }
  end_op(op);
}

typedef struct op_post {
  rl_post post;
  rille_op *op;
  rille_status status;
  rille_msg *msg;
} op_post;

static void op_post_run(rl_post *post) {
  op_post *p = rl_container_of(post, op_post, post);
  p->op->status = p->status;
  p->op->msg = p->msg;
  end_op(p->op);
  free(p);
}

// The runtime closes: no task waits any more, and nobody else knows the op.
static void op_post_drop(rl_post *post) {
  op_post *p = rl_container_of(post, op_post, post);
  p->op->msg = p->msg;
  p->op->host_done = true;
  free_op(p->op);
  free(p);
}

rille_status rille_op_post(rille_op *op, rille_status status, rille_msg *msg) {
  op_post *p = op ? malloc(sizeof *p) : NULL;
  if (!p) {
    rille_msg_unref(msg);
    return op ? RILLE_ENOMEM : RILLE_EINVAL;
  }
  *p = (op_post){{NULL, op_post_run, op_post_drop}, op, status, msg};
  if (rl_port_post(op->port, &p->post)) return RILLE_OK;
  op_post_drop(&p->post);
  return RILLE_ECLOSED;
}

void rl_ops_orphan(rille_runtime *rt) {
  uv_mutex_lock(&rt->port->lock);
  for (rl_link *l; (l = rl_list_pop(&rt->ops));) rl_container_of(l, rille_op, link)->rt = NULL;
  uv_mutex_unlock(&rt->port->lock);
}
