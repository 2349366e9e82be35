// Tasks that wait for the host: rille_await and the three ways to end it.
#include "lua/host/runtime.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WAITS = -7031 };  // what rille_await returns: the host hands it on to call_async

// The task's part and the host's part of a wait. The op lives until the host has ended it and the task has gone.
struct rille_op {
  rl_op op;
  rl_link link;       // in rt->ops
  rille_runtime *rt;
  rl_port *port;
  void (*on_cancel)(rille_op *, void *);
  void *ud;
  lua_State *stack;   // the results; NULL before the first need
  int anchor;         // registry reference to `stack`
  int results;
  rille_status status;
  rille_msg *msg;
  bool host_done, task_done, cancelled;
};

static void free_op(rille_op *op) {
  if (!op->host_done || !op->task_done) return;
  rl_link_remove(&op->link);
  if (op->rt->life != RL_LIFE_CLOSED && op->anchor) luaL_unref(op->rt->st.L, LUA_REGISTRYINDEX, op->anchor);
  rille_msg_unref(op->msg);
  rl_port_unref(op->port);
  free(op);
}

static rl_stop op_stop(rl_op *base) {
  rille_op *op = rl_container_of(base, rille_op, op);
  op->cancelled = true;
  if (op->on_cancel) op->on_cancel(op, op->ud);
  return RL_STOP_LEAVE;
}

static const rl_op_kind host_op_kind = {"host", op_stop, NULL, RL_HOLD_PASSIVE};

int rille_await(lua_State *L, rille_op **out, void (*on_cancel)(rille_op *, void *), void *ud) {
  rille_runtime *rt = rl_runtime_of(L);
  if (!rt->awaiting || !out) return luaL_error(L, "rille_await is for functions registered as RILLE_ASYNC");
  rl_checkpoint(L);
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
  *rt->awaiting = *out = op;
  return WAITS;
}
