// How a C function waits.
#include "lua/bind/await.h"

#include "lua/bind/error.h"
#include "lua/bind/scope.h"
#include "lua/bind/stack.h"
#include "lua/bind/task.h"

#include <string.h>

// These C functions can be suspended: they are never what is in the way.
static bool suspendable(const char *name) {
  static const char *const names[] = {"pcall", "xpcall", "require", "dofile",
                                      "sort",  "gsub",   "wrap",    NULL};
  for (int i = 0; names[i]; i++) {
    if (strcmp(names[i], name) == 0) return true;
  }
  return false;
}

// Pushes the name of a C function: its own, or that of the runtime's that stands in front of it.
static void push_blocker(lua_State *L, lua_State *at, int level) {
  lua_Debug ar;
  for (; lua_getstack(at, level, &ar); level++) {
    lua_getinfo(at, "Sn", &ar);
    if (*ar.what != 'C') break;
    if (rl_push_function_name(L, at, &ar)) return;
    if (!ar.name) continue;
    lua_pushstring(L, ar.name);
    return;
  }
  lua_pushliteral(L, "?");
}

static int cannot_wait(lua_State *L) {
  rl_state *st = rl_state_of(L);
  lua_Debug ar;
  if (!st->current) return luaL_error(L, "cannot wait outside a task");
  if (st->running != L) return luaL_error(L, "cannot wait in a coroutine that C code resumes");
  lua_State *at = st->stuck ? st->stuck : L;
  luaL_checkstack(L, 16, "error message");
  for (int level = 1; level < RL_LEVELS_MAX && lua_getstack(at, level, &ar); level++) {
    lua_getinfo(at, "Sn", &ar);
    if (ar.name && strcmp(ar.name, "__gc") == 0)
      return luaL_error(L, "cannot wait in a __gc metamethod");
    if (*ar.what != 'C' || (ar.name && suspendable(ar.name))) continue;
    push_blocker(L, at, level);
    return luaL_error(L, "cannot wait here: the C function '%s' is in the way",
                      lua_tostring(L, -1));
  }
  if (st->close_depth > 0)
    return luaL_error(L, "cannot wait here: the C function 'coroutine.close' is in the way");
  return luaL_error(L, "cannot wait here: a C call (a message handler or a hook) is in the way");
}

int rl_raise_cancelled(lua_State *L) {
  rl_push_cancelled(L, rl_state_of(L)->current->core.unwinding);
  return lua_error(L);
}

void rl_check_can_wait(lua_State *L) {
  if (!rl_can_wait(L)) cannot_wait(L);
}

static int run_later(lua_State *L, lua_KFunction k, lua_KContext ctx) {
  rl_task_yield(rl_current(L), true);
  return lua_yieldk(L, 0, ctx, k);
}

int rl_await(lua_State *L, rl_op *op, lua_KFunction k, lua_KContext ctx) {
  rl_state *st = rl_state_of(L);
  if (op->state != RL_OP_PENDING) {
    if (--st->budget > 0) return k(L, LUA_OK, ctx);
    return run_later(L, k, ctx);
  }
  rl_task *t = &st->current->core;
  t->op = op;
  t->state = RL_TASK_BLOCKED;
  // Cancelled between two waits of one call, when it was ready and had nothing to abort.
  if (RL_UNLIKELY(t->doomed)) rl_task_interrupt(t);
  return lua_yieldk(L, 0, ctx, k);
}

static const char deadlock[] = "every task waits, and nothing can wake one";

int rl_awaited_slow(lua_State *L) {
  rl_current(L)->aborted = false;
  if (!rl_current(L)->unwinding) return rl_raise(L, "DEADLOCK", deadlock);
  return rl_raise_cancelled(L);
}

bool rl_raise_deadlock(rl_state *st, rl_task *t) {
  rl_op *op = t->state == RL_TASK_BLOCKED ? t->op : NULL;
  if (!op || !rl_op_pending(op)) return false;
  if (op->kind == &rl_join_kind) {
    rl_push_error(st->L, "DEADLOCK", deadlock);
    rl_scope_fail(st->L, op->on);
    return true;
  }
  if (op->kind->stop) rl_op_abort(op);
  return op->kind->stop;
}

int rl_no_wait(lua_State *L, lua_KFunction k, lua_KContext ctx) {
  if (--rl_state_of(L)->budget > 0) return k(L, LUA_OK, ctx);
  return run_later(L, k, ctx);
}
