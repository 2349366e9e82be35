// Tasks that the host starts: rille_call_async and what follows from it.
#include "lua/host/call.h"

#include "lua/bind/await.h"
#include "lua/bind/scope.h"

#include <string.h>

void rl_call_unref(rille_call *call) {
  // Who holds the only reference shares it with nobody.
  if (atomic_load(&call->refs) > 1 && atomic_fetch_sub(&call->refs, 1) > 1) return;
  if (!call->held) {
    rl_slab_free(&call->rt->st.loop.slab, call, sizeof *call);
    return;
  }
  rl_port_unref(call->port);
  free(call);
}

void rille_call_unref(rille_call *call) {
  if (call) rl_call_unref(call);
}

static rille_call *call_new(rille_runtime *rt, rille_done_fn done, void *ud, bool held) {
  rille_call *call = held ? malloc(sizeof *call) : rl_slab_alloc(&rt->st.loop.slab, sizeof *call);
  if (!call) return NULL;
  *call = (rille_call){.rt = rt, .port = rt->port, .done = done, .ud = ud, .held = held};
  atomic_init(&call->refs, held ? 2 : 1);
  rl_link_init(&call->link);
  call->grace = RL_GRACE_DEFAULT;
  if (held) rl_port_ref(rt->port);
  return call;
}

bool rl_call_own_scope(rille_call *call) {
  rl_scope *outer = call->rt->st.main_scope;
  rl_scope *s = rl_scope_new(&call->rt->st.loop, outer);
  if (!s) return false;
  rl_list_push(&outer->scopes, &s->sibling);
  s->doomed = outer->doomed;
  s->grace = call->grace;
  call->scope = s;
  return true;
}

// Nothing came of it: the host is not told.
static void discard(rille_call *call) {
  if (call->scope) {
    rl_link_remove(&call->scope->sibling);
    rl_scope_unref(call->scope);
  }
  if (call->held) atomic_store(&call->refs, 1);
  rl_call_unref(call);
}

static rille_status start_bounded(rille_call *call, lua_State *L, const rille_call_options *o) {
  uint64_t due = o->timeout_ns ? rl_loop_after(&call->rt->st.loop, o->timeout_ns) : RL_NEVER;
  if (!rl_call_own_scope(call) || rl_scope_deadline(call->scope, due) < 0) {
    lua_pop(L, call->nargs + 1);
    return RILLE_ENOMEM;
  }
  rille_status status = rl_call_start(call, L);
  if (status == RILLE_OK && o->name) rl_call_name(call, o->name);
  return status;
}

static rille_status start(rille_call *call, lua_State *L, const rille_call_options *o) {
  if (o && o->grace_ns) call->grace = o->grace_ns;
  if (o && (o->timeout_ns || o->name)) return start_bounded(call, L, o);
  const rl_ltask *current = call->rt->st.current;
  if (current && current->vars) return rl_call_start(call, L);  // its task inherits them
  return rl_call_put(call, L);
}

rille_status rille_call_async(rille_runtime *rt, int nargs, const rille_call_options *o,
                              rille_done_fn done, void *ud, rille_call **out) {
  if (out) *out = NULL;
  rille_status status = rl_runtime_check(rt);
  if (status != RILLE_OK) return status;
  lua_State *L = rt->st.L;
  if (nargs < 0 || lua_gettop(L) <= nargs) return RILLE_EINVAL;
  if (o && o->size != sizeof *o) return RILLE_EVERSION;
  rille_call *call = lua_checkstack(L, 4) ? call_new(rt, done, ud, out) : NULL;
  if (!call) {
    lua_pop(L, nargs + 1);
    return RILLE_ENOMEM;
  }
  call->nargs = nargs;
  if ((status = start(call, L, o)) != RILLE_OK) {
    discard(call);
    return status;
  }
  if (out) *out = call;
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

// The scope in which the call runs, made at the first need. NULL: memory is out.
static rl_scope *scope_of(rille_call *call) {
  if (!call->task && !rl_call_pull(call)) return NULL;
  return call->scope ? call->scope : rl_task_own_scope(&call->task->core);
}

typedef struct cancel_post {
  rl_post post;
  rille_call *call;
  char reason[];
} cancel_post;

typedef struct cancel_reason {
  rl_scope *scope;
  const char *text;
} cancel_reason;

static int set_reason(lua_State *L) {
  const cancel_reason *r = lua_touserdata(L, 1);
  lua_pushstring(L, r->text);
  rl_scope_reason(L, r->scope, -1);
  return 0;
}

static void cancel(rille_call *call, const char *reason) {
  rl_scope *scope = scope_of(call);
  if (!scope) return;
  call->cancelled = true;
  lua_State *L = call->rt->st.L;
  if (*reason && lua_checkstack(L, 4)) {
    lua_pushcfunction(L, set_reason);
    lua_pushlightuserdata(L, &(cancel_reason){scope, reason});
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
  }
  rl_scope_cancel(scope, RL_BECAUSE_CALL, call->grace);
}

static void cancel_drop(rl_post *post) {
  cancel_post *p = rl_container_of(post, cancel_post, post);
  rl_call_unref(p->call);
  free(p);
}

static void cancel_run(rl_post *post) {
  cancel_post *p = rl_container_of(post, cancel_post, post);
  if (!p->call->ended) cancel(p->call, p->reason);
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
  bool again = rt->deadlocks > 1;
  for (rl_link *l = rt->calls.next, *next; l != &rt->calls; l = next) {
    next = l->next;
    rille_call *call = rl_container_of(l, rille_call, link);
    if (again || !rl_raise_deadlock(&rt->st, &call->task->core)) cancel(call, "");
  }
  if (rt->deadlocks == RL_DEADLOCKS_MAX)
    rl_scope_cancel(rt->st.detached, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
}
