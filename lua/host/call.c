// Tasks that the host starts: rille_call_async and what follows from it.
#include "lua/host/runtime.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/scope.h"
#include "lua/bind/trace.h"

#include <string.h>

struct rille_call {
  atomic_int refs;  // the runtime's until it has ended, and the host's
  rl_link link;     // in rt->calls, then in rt->ended
  rille_runtime *rt;
  rl_port *port;
  rl_scope *scope;  // its task's home
  rille_done_fn done;
  void *ud;
  uint64_t grace;
  bool ended;
};

static void call_unref(rille_call *call) {
  if (atomic_fetch_sub(&call->refs, 1) > 1) return;
  rl_port_unref(call->port);
  free(call);
}

void rille_call_unref(rille_call *call) {
  if (call) call_unref(call);
}

// Error at 1 -> error, report.
static int push_report(lua_State *L) {
  rl_push_report(L, 1);
  return 2;
}

// In the reach of the limits: a __tostring may do anything.
static int call_limited(const rille_call *call, lua_State *co, int nargs, int nresults) {
  rl_state *st = &call->rt->st;
  st->running = co;
  int err = lua_pcall(co, nargs, nresults, 0);
  st->running = NULL;
  return err;
}

// Makes the top `count` values of a failed call its error and report. Never raises.
static int explain(lua_State *co, const rille_call *call) {
  if (!lua_checkstack(co, 8)) return 1;
  lua_pushcfunction(co, push_report);
  lua_insert(co, -2);
  if (call_limited(call, co, 1, 2) == LUA_OK) return 2;
  return 1;
}

static rille_status status_of(const rille_call *call, lua_State *co, rl_ended how) {
  if (how == RL_ENDED_OK) return RILLE_OK;
  rille_runtime *rt = call->rt;
  int interrupt = rl_limits_take(rt);
  if (interrupt) return (rille_status)interrupt;
  if (how == RL_ENDED_CANCELLED && call->scope->doomed) {
    return call->scope->because == RL_BECAUSE_DEADLINE ? RILLE_ETIMEOUT : RILLE_ECANCELED;
  }
  if (lua_type(co, -1) == LUA_TSTRING && strcmp(lua_tostring(co, -1), "not enough memory") == 0)
    return RILLE_ENOMEM;
  return RILLE_EERROR;
}

static void on_ended(rl_ltask *t, lua_State *co, int count, rl_ended how) {
  rille_call *call = t->parent;
  rille_status status = status_of(call, co, how);
  if (status != RILLE_OK) count = explain(co, call);
  rl_link_remove(&call->link);
  rl_list_push(&call->rt->ended, &call->link);
  call->ended = true;
  if (call->done) call->done(call->ud, call, status, co, count);
}

static void leave_scope(rille_call *call) {
  rl_link_remove(&call->scope->sibling);
  rl_scope_unref(call->scope);
}

void rl_calls_reap(rille_runtime *rt) {
  for (rl_link *l; (l = rl_list_pop(&rt->ended));) {
    rille_call *call = rl_container_of(l, rille_call, link);
    leave_scope(call);
    call_unref(call);
  }
}

static const rl_child_kind host_child = {NULL, on_ended};

static rille_call *call_new(rille_runtime *rt, rille_done_fn done, void *ud) {
  rille_call *call = calloc(1, sizeof *call);
  if (!call) return NULL;
  atomic_init(&call->refs, 1);
  rl_link_init(&call->link);
  call->rt = rt;
  call->port = rt->port;
  rl_port_ref(rt->port);
  call->done = done;
  call->ud = ud;
  call->grace = RL_GRACE_DEFAULT;
  call->scope = rl_scope_new(&rt->st.loop, rt->st.main_scope);
  if (call->scope) {
    rl_list_push(&rt->st.main_scope->scopes, &call->scope->sibling);
    call->scope->doomed = rt->st.main_scope->doomed;
    return call;
  }
  call_unref(call);
  return NULL;
}

// call, name, function, arguments...
static int start_protected(lua_State *L) {
  rille_call *call = lua_touserdata(L, 1);
  const char *name = lua_touserdata(L, 2);
  rl_ltask *t = rl_spawn(L, call->scope, lua_gettop(L) - 3, RL_MODE_CHILD);
  t->child = &host_child;
  t->parent = call;
  if (name) {
    rl_push_handle(L, t);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
  }
  return 0;
}

static rille_status check_options(const rille_call_options *o) {
  return !o || o->size == sizeof *o ? RILLE_OK : RILLE_EVERSION;
}

static rille_status start(rille_call *call, int nargs, const rille_call_options *o) {
  lua_State *L = call->rt->st.L;
  lua_pushcfunction(L, start_protected);
  lua_pushlightuserdata(L, call);
  lua_pushlightuserdata(L, o ? (void *)o->name : NULL);
  lua_rotate(L, -(nargs + 4), 3);
  int err = lua_pcall(L, nargs + 3, 0, 0);
  if (err == LUA_OK) return RILLE_OK;
  lua_pop(L, 1);
  return rl_status_of_lua(err);
}

rille_status rille_call_async(rille_runtime *rt, int nargs, const rille_call_options *o,
                              rille_done_fn done, void *ud, rille_call **out) {
  if (out) *out = NULL;
  rille_status status = rl_runtime_check(rt);
  if (status != RILLE_OK) return status;
  lua_State *L = rt->st.L;
  if (nargs < 0 || lua_gettop(L) < nargs + 1) return RILLE_EINVAL;
  if ((status = check_options(o)) != RILLE_OK) return status;
  rille_call *call = lua_checkstack(L, 4) ? call_new(rt, done, ud) : NULL;
  if (!call) {
    lua_pop(L, nargs + 1);
    return RILLE_ENOMEM;
  }
  status = start(call, nargs, o);
  if (status == RILLE_OK && o && o->timeout_ns) {
    rl_scope_deadline(call->scope, rl_loop_now(&rt->st.loop) + o->timeout_ns);
  }
  if (status != RILLE_OK) {
    leave_scope(call);
    call_unref(call);
    return status;
  }
  if (o && o->grace_ns) call->scope->grace = call->grace = o->grace_ns;
  rl_list_push(&rt->calls, &call->link);
  if (out) {
    atomic_fetch_add(&call->refs, 1);
    *out = call;
  }
  rl_runtime_stir(rt);
  return RILLE_OK;
}

typedef struct call_waiter {
  lua_State *L;
  int nresults, pushed;
  rille_status status;
  bool over;
} call_waiter;

static void on_waited(void *ud, rille_call *call, rille_status status, lua_State *results,
                      int count) {
  (void)call;
  call_waiter *w = ud;
  w->over = true;
  w->status = status;
  int wanted = status != RILLE_OK ? 1 : w->nresults < 0 ? count : w->nresults;
  if (!lua_checkstack(w->L, wanted + 1)) {
    w->status = RILLE_ENOMEM;
    return;
  }
  int first = lua_gettop(results) - count + 1;
  for (int i = 0; i < wanted; i++) {
    if (i < count) {
      lua_pushvalue(results, first + i);
    } else {
      lua_pushnil(results);
    }
  }
  lua_xmove(results, w->L, wanted);
  w->pushed = wanted;
}

rille_status rille_call_wait(rille_runtime *rt, int nargs, int nresults,
                             const rille_call_options *o) {
  rille_status status = rl_runtime_check(rt);
  if (status != RILLE_OK) return status;
  if (rt->running) return RILLE_EBUSY;
  if (nresults < -1) return RILLE_EINVAL;
  call_waiter w = {.L = rt->st.L, .nresults = nresults};
  status = rille_call_async(rt, nargs, o, on_waited, &w, NULL);
  while (status == RILLE_OK && !w.over) status = rille_run(rt, RILLE_RUN_ONCE);
  return status == RILLE_OK ? w.status : status;
}

typedef struct cancel_post {
  rl_post post;
  rille_call *call;
  char reason[];
} cancel_post;

static int set_reason(lua_State *L) {
  cancel_post *p = lua_touserdata(L, 1);
  lua_pushstring(L, p->reason);
  rl_scope_reason(L, p->call->scope, -1);
  return 0;
}

static void cancel_drop(rl_post *post) {
  cancel_post *p = rl_container_of(post, cancel_post, post);
  call_unref(p->call);
  free(p);
}

static void cancel_run(rl_post *post) {
  cancel_post *p = rl_container_of(post, cancel_post, post);
  rille_call *call = p->call;
  if (!call->ended) {
    lua_State *L = call->rt->st.L;
    if (*p->reason && lua_checkstack(L, 4)) {
      lua_pushcfunction(L, set_reason);
      lua_pushlightuserdata(L, p);
      if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
    }
    rl_scope_cancel(call->scope, RL_BECAUSE_CALL, call->grace);
  }
  cancel_drop(post);
}

void rille_call_cancel(rille_call *call, const char *reason) {
  if (!call) return;
  if (!reason) reason = "";
  size_t size = strlen(reason) + 1;
  cancel_post *p = malloc(sizeof *p + size);
  if (!p) return;
  p->post = (rl_post){NULL, cancel_run, cancel_drop};
  p->call = call;
  memcpy(p->reason, reason, size);
  atomic_fetch_add(&call->refs, 1);
  if (!rl_port_post(call->port, &p->post)) cancel_drop(&p->post);
}

// A deadlock is raised in the tasks of the calls. If they wait in vain again, or one cannot be
// woken so, the calls are cancelled; at last the detached tasks, which may hold what is waited for.
void rl_calls_deadlock(rille_runtime *rt) {
  bool cancel = rt->deadlocks > 1;
  for (rl_link *l = rt->calls.next, *next; l != &rt->calls; l = next) {
    next = l->next;
    rille_call *call = rl_container_of(l, rille_call, link);
    rl_task *task = rl_container_of(call->scope->members.next, rl_task, member);
    if (cancel || !rl_raise_deadlock(&rt->st, task))
      rl_scope_cancel(call->scope, RL_BECAUSE_CALL, call->grace);
  }
  if (rt->deadlocks == RL_DEADLOCKS_MAX)
    rl_scope_cancel(rt->st.detached, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
}
