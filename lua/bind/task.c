// Lua tasks: birth, and the root of what they run.
#include "lua/bind/task.h"

#include "lua/bind/await.h"
#include "lua/bind/co.h"
#include "lua/bind/error.h"
#include "lua/bind/resume.h"
#include "lua/bind/scope.h"
#include "lua/bind/trace.h"

#include <string.h>

enum { FEW = LUA_MINSTACK / 2 };  // arguments that an idle coroutine has room for without asking

static inline rl_ltask *take_record(rl_state *st) {
  rl_job *job = st->records;
  if (!job) return rl_slab_alloc(&st->loop.slab, sizeof(rl_ltask));
  st->records = job->next;
  return (rl_ltask *)rl_container_of(job, rl_task, job);
}

static inline rl_ltask *new_task(lua_State *L, rl_state *st, rl_scope *home, rl_mode mode) {
  rl_ltask *t = take_record(st);
  if (!t) {
    luaL_error(L, "not enough memory");
    return NULL;
  }
  st->memory += sizeof *t;  // its record counts
  memset(t, 0, sizeof *t);
  t->mode = (uint8_t)mode;
  t->id = ++st->last_id;
  t->born = uv_now(st->loop.uv);
  st->alive++;
  rl_task_init(&t->core, &st->loop, home);
  return t;
}

// Task-local values are handed down.
static inline int values_here(const rl_state *st) { return st->current ? st->current->vars : 0; }

static int share_values(lua_State *L, int values) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, values);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

rl_ltask *rl_spawn(lua_State *L, rl_scope *home, int nargs, rl_mode mode) {
  rl_state *st = rl_state_of(L);
  if (!rl_scope_open(home)) rl_raise(L, "CLOSED", "spawn: the scope has ended");
  int site = rl_site_here(L), values = values_here(st);
  if (RL_UNLIKELY(st->pool_count == 0 || values)) luaL_checkstack(L, 4, "spawn");
  rl_co co = rl_co_take(L, st);
  if (nargs > FEW && !lua_checkstack(co.L, nargs + 3)) {
    rl_co_give(st, co);
    luaL_error(L, "spawn: too many arguments");
  }
  if (RL_UNLIKELY(values)) values = share_values(L, values);
  lua_pushcfunction(co.L, rl_task_main);
  lua_pushcfunction(co.L, rl_trace_handler);
  lua_xmove(L, co.L, nargs + 1);
  rl_ltask *t = new_task(L, st, home, mode);
  t->L = co.L;
  t->anchor = co.anchor;
  t->site = site;
  t->vars = values;
  return t;
}

int rl_spawn_handle(lua_State *L, rl_scope *home, int nargs, rl_mode mode) {
  rl_new_handle(L, rl_spawn(L, home, nargs, mode));
  return 1;
}

void rl_spawn_children(lua_State *L, rl_scope *home, const rl_child_kind *kind, void *parent,
                       int count) {
  rl_state *st = rl_state_of(L);
  int values = values_here(st);
  for (int i = 1; i <= count; i++) {
    int vars = RL_UNLIKELY(values) ? share_values(L, values) : 0;
    rl_ltask *t = new_task(L, st, home, RL_MODE_CHILD);
    t->child = kind;
    t->parent = parent;
    t->index = i;
    t->vars = vars;
  }
}

rl_scope *rl_spawn_scope(lua_State *L) {
  rl_task *t = rl_current(L);
  if (t->scope->owner == t) return t->scope;
  rl_scope *own = rl_task_own_scope(t);
  if (!own) luaL_error(L, "not enough memory");
  return own;
}

static int take_protected(lua_State *L) {
  *(rl_co *)lua_touserdata(L, 1) = rl_co_take(L, rl_state_of(L));
  return 0;
}

// A combinator's child gets its coroutine and its function now.
static bool start_child(rl_ltask *t) {
  rl_state *st = rl_task_loop(&t->core)->owner;
  rl_co co;
  if (RL_LIKELY(st->pool_count > 0)) {
    co = rl_co_take(st->L, st);
  } else if (!rl_state_protect(st, take_protected, &co)) {
    return false;
  }
  t->L = co.L;
  t->anchor = co.anchor;
  lua_pushcfunction(co.L, rl_task_main);
  lua_pushcfunction(co.L, rl_trace_handler);
  t->child->prepare(t, co.L);
  return true;
}

bool rl_ltask_start(rl_ltask *t, int *nargs) {
  if (!t->L && !start_child(t)) return false;
  *nargs = lua_gettop(t->L) - 1;
  return true;
}

// The root of every task: the body under a protected call that can wait, then its children.

static int end_task(lua_State *L, int status, lua_KContext stands) {
  rl_ltask *t = rl_state_of(L)->current;
  if (status != LUA_OK) {
    t->ended = stands ? RL_ENDED_CANCELLED : RL_ENDED_FAILED;
    return 1;
  }
  t->ended = RL_ENDED_OK;
  return stands ? lua_gettop(L) - 1 : 0;
}

// Deadlines that the body left open end with it.
static void leave_inner_scopes(lua_State *L, rl_task *t, rl_scope *own) {
  while (t->scope != own) rl_scope_abandon(L, t->scope, own);
}

static int body_over(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  rl_task *t = rl_current(L);
  bool ok = status == LUA_OK || status == LUA_YIELD;
  t->finishing = true;
  if (t->scope->owner != t) {
    if (ok) return end_task(L, LUA_OK, 1);
    rl_state_of(L)->current->ended = t->unwinding ? RL_ENDED_CANCELLED : RL_ENDED_FAILED;
    if (t->unwinding && !rl_is_error(L, -1, "CANCELLED")) {
      rl_push_cancelled(L, t->unwinding);
      lua_insert(L, -2);
      rl_suppress(L, -2);
    }
    return 1;
  }
  rl_scope *own = rl_task_own_scope(t);
  if (!own) return luaL_error(L, "not enough memory");
  leave_inner_scopes(L, t, own);
  return rl_scope_finish(L, own, RL_BODY_TASK, 1, ok, end_task);
}

// Stack: the message handler, the function, its arguments.
int rl_task_main(lua_State *L) {
  return body_over(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, body_over), 0);
}
