// How calls begin and end. Those that need nothing of their own stand in a line, function and
// arguments on one stack; a task takes them in turn until one waits: then it is that call's, and
// another goes on with the line.
#include "lua/host/call.h"

#include "lua/bind/trace.h"

#include <string.h>

static rille_call *first_pending(rille_runtime *rt) {
  return rl_list_empty(&rt->pending) ? NULL : rl_container_of(rt->pending.next, rille_call, link);
}

static void leave_line(rille_call *call) {
  rl_link_remove(&call->link);
  call->rt->pending_count--;
}

// The first call leaves; its values stay until clear_line.
static rille_call *take_first(rille_runtime *rt) {
  rille_call *call = first_pending(rt);
  if (!call) return NULL;
  leave_line(call);
  rt->line_taken = call->at + call->nargs;
  return call;
}

static void clear_slot(lua_State *line, int at) {
  lua_pushnil(line);
  lua_replace(line, at);
}

// What was taken is nobody's any more.
static void clear_line(rille_runtime *rt) {
  if (rl_list_empty(&rt->pending)) {
    lua_settop(rt->line, 0);
    rt->line_cleared = rt->line_taken = 0;
  }
  while (rt->line_cleared < rt->line_taken) clear_slot(rt->line, ++rt->line_cleared);
}

// One at a time: the line has room for one more.
static void push_from_line(const rille_call *call, lua_State *L) {
  lua_State *line = call->rt->line;
  for (int i = 0; i <= call->nargs; i++) {
    lua_pushvalue(line, call->at + i);
    lua_xmove(line, L, 1);
  }
}

static void give(rille_call *call, rl_ltask *t) {
  t->parent = call;
  call->task = t;
  rl_list_push(&call->rt->calls, &call->link);
}

// Ends.

static int push_report(lua_State *L) {  // error -> error, report
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

// Makes the error at the top of a failed call its error and report. Never raises.
static int explain(lua_State *co, const rille_call *call) {
  if (!lua_checkstack(co, 8)) return 1;
  lua_pushcfunction(co, push_report);
  lua_insert(co, -2);
  if (call_limited(call, co, 1, 2) == LUA_OK) return 2;
  return 1;
}

static bool is_cancelled(const rille_call *call) {
  const rl_scope *home = call->scope ? call->scope : call->rt->st.main_scope;
  return call->cancelled || home->doomed;
}

static rille_status status_of(const rille_call *call, lua_State *co, rl_ended how) {
  int interrupt = rl_limits_take(call->rt);
  if (interrupt) return (rille_status)interrupt;
  if (how == RL_ENDED_CANCELLED && is_cancelled(call)) {
    bool deadline = call->scope && call->scope->because == RL_BECAUSE_DEADLINE;
    return deadline ? RILLE_ETIMEOUT : RILLE_ECANCELED;
  }
  if (lua_type(co, -1) == LUA_TSTRING && strcmp(lua_tostring(co, -1), "not enough memory") == 0)
    return RILLE_ENOMEM;
  return RILLE_EERROR;
}

// Tells the host; the values are the top `count` of L.
static void end_call(rille_call *call, rille_status status, lua_State *L, int count) {
  rl_link_remove(&call->link);
  call->ended = true;
  call->task = NULL;
  if (call->done) call->done(call->ud, call, status, L, count);
  if (call->scope) {
    rl_list_push(&call->rt->ended, &call->link);  // its task is still a member of it
  } else {
    rl_call_unref(call);
  }
}

void rl_calls_reap(rille_runtime *rt) {
  for (rl_link *l; (l = rl_list_pop(&rt->ended));) {
    rille_call *call = rl_container_of(l, rille_call, link);
    rl_link_remove(&call->scope->sibling);
    rl_scope_unref(call->scope);
    rl_call_unref(call);
  }
}

// The task that takes calls.

static void send_taker(rille_runtime *rt);

// A taker that was stopped before it had a call fails the first one in its stead.
static void on_ended(rl_ltask *t, lua_State *co, int count, rl_ended how) {
  rl_state *st = rl_task_loop(&t->core)->owner;
  rille_runtime *rt = st->host;
  rille_call *call = t->parent;
  if (!call) {
    rt->taking = false;
    call = how == RL_ENDED_OK ? NULL : take_first(rt);
  }
  if (call) {
    rille_status status = how == RL_ENDED_OK ? RILLE_OK : status_of(call, co, how);
    if (status != RILLE_OK) count = explain(co, call);
    end_call(call, status, co, count);
  }
  if (!rl_list_empty(&rt->pending)) send_taker(rt);
}

static const rl_child_kind host_child = {.ended = on_ended, .of_host = true};

static rille_call *take(rille_runtime *rt, rl_ltask *t, lua_State *L) {
  rille_call *call = take_first(rt);
  give(call, t);
  if (call->nargs > LUA_MINSTACK / 2) luaL_checkstack(L, call->nargs + 1, "too many arguments");
  push_from_line(call, L);
  return call;
}

// True if the task is as good as new after a call that did not wait.
static bool can_go_on(const rille_runtime *rt, const rl_ltask *t) {
  if (t->core.scope != rt->st.main_scope || t->core.unwinding) return false;
  if (t->slot || t->vars || t->held) return false;
  return !rt->st.before_resume && !rt->st.probe;
}

static void end_and_go_on(rl_state *st, rl_ltask *t, lua_State *L) {
  st->critical++;
  st->current = NULL;
  st->running = NULL;
  end_call(t->parent, RILLE_OK, L, lua_gettop(L));
  t->parent = NULL;
  t->id = ++st->last_id;
  st->current = t;
  st->running = L;
  st->budget = RL_BUDGET;
  if (st->transit) rl_trace_forget_transit(st);
  st->critical--;
  lua_settop(L, 0);
}

static int call_over(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L);
}

static void spawn_taker(lua_State *L, rille_runtime *rt);

// The body of a taker.
static int take_calls(lua_State *L) {
  rille_runtime *rt = rl_runtime_of(L);
  rl_ltask *t = rt->st.current;
  rt->taking = false;
  uint32_t left = rt->pending_count;
  for (bool first = true; left > 0; left--, first = false) {
    rille_call *call = take(rt, t, L);
    if (first || left == 1) clear_line(rt);
    if (left > 1 && !rt->taking) spawn_taker(L, rt);
    lua_callk(L, call->nargs, LUA_MULTRET, 0, call_over);
    if (left == 1 || !can_go_on(rt, t)) break;
    end_and_go_on(&rt->st, t, L);
  }
  return lua_gettop(L);
}

static rl_ltask *spawn(lua_State *L, rl_scope *home, int nargs) {
  rl_ltask *t = rl_spawn(L, home, nargs, RL_MODE_CHILD);
  t->child = &host_child;
  return t;
}

static void spawn_taker(lua_State *L, rille_runtime *rt) {
  lua_pushcfunction(L, take_calls);
  spawn(L, rt->st.main_scope, 0);
  rt->taking = true;
}

static int open_line(lua_State *L) {
  rille_runtime *rt = rl_runtime_of(L);
  if (!rt->line) {
    lua_State *line = lua_newthread(L);
    luaL_ref(L, LUA_REGISTRYINDEX);
    rt->line = line;
    rt->st.roots[2] = take_calls;
  }
  spawn_taker(L, rt);
  return 0;
}

static rille_status protect(lua_State *L, int nargs) {
  int err = lua_pcall(L, nargs, 0, 0);
  if (err == LUA_OK) return RILLE_OK;
  lua_pop(L, 1);
  return rl_status_of_lua(err);
}

// Without memory for a task, none of the line will ever begin.
static void send_taker(rille_runtime *rt) {
  if (rt->taking) return;
  lua_State *L = rt->st.L;
  if (lua_checkstack(L, 2)) {
    lua_pushcfunction(L, open_line);
    if (protect(L, 0) == RILLE_OK) return;
  }
  for (rille_call *call; (call = take_first(rt));) end_call(call, RILLE_ENOMEM, L, 0);
  clear_line(rt);
}

// Beginnings.

rille_status rl_call_put(rille_call *call, lua_State *L) {
  rille_runtime *rt = call->rt;
  if (!rt->taking) {
    lua_pushcfunction(L, open_line);
    rille_status status = protect(L, 0);
    if (status != RILLE_OK) {
      lua_pop(L, call->nargs + 1);
      return status;
    }
  }
  if (!lua_checkstack(rt->line, call->nargs + 2)) return rl_call_start(call, L);  // it is full
  call->at = lua_gettop(rt->line) + 1;
  lua_xmove(L, rt->line, call->nargs + 1);
  rl_list_push(&rt->pending, &call->link);
  rt->pending_count++;
  rt->put_count++;
  return RILLE_OK;
}

// call, function, arguments...
static int start_protected(lua_State *L) {
  rille_call *call = lua_touserdata(L, 1);
  rl_scope *home = call->scope ? call->scope : call->rt->st.main_scope;
  give(call, spawn(L, home, call->nargs));
  return 0;
}

rille_status rl_call_start(rille_call *call, lua_State *L) {
  lua_pushcfunction(L, start_protected);
  lua_pushlightuserdata(L, call);
  lua_rotate(L, -(call->nargs + 3), 2);
  return protect(L, call->nargs + 2);
}

// call, name
static int name_protected(lua_State *L) {
  rille_call *call = lua_touserdata(L, 1);
  rl_push_handle(L, call->task);
  lua_pushstring(L, lua_touserdata(L, 2));
  lua_setfield(L, -2, "name");
  return 0;
}

void rl_call_name(rille_call *call, const char *name) {
  lua_State *L = call->rt->st.L;
  lua_pushcfunction(L, name_protected);
  lua_pushlightuserdata(L, call);
  lua_pushlightuserdata(L, (void *)name);
  protect(L, 2);
}

bool rl_call_pull(rille_call *call) {
  lua_State *L = call->rt->st.L;
  leave_line(call);
  bool fits = lua_checkstack(L, call->nargs + 5) && rl_call_own_scope(call);
  if (fits) push_from_line(call, L);
  for (int i = 0; i <= call->nargs; i++) clear_slot(call->rt->line, call->at + i);
  if (fits && rl_call_start(call, L) == RILLE_OK) return true;
  end_call(call, RILLE_ENOMEM, L, 0);
  return false;
}
