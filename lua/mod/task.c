// rille's tasks: spawn, async, await, detach, sleep, yield, and the handle.
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/resume.h"
#include "lua/bind/scope.h"
#include "lua/bind/task.h"
#include "lua/bind/trace.h"
#include "lua/bind/base.h"

#include <string.h>

// Spawning starts children but does not wait: it needs a task around it, not a place to wait.
static rl_ltask *check_in_task(lua_State *L, const char *what) {
  rl_ltask *t = rl_state_of(L)->current;
  if (!t) luaL_error(L, "%s: not in a task", what);
  return t;
}

static void check_function(lua_State *L, int index) {
  if (lua_isfunction(L, index)) return;
  if (luaL_getmetafield(L, index, "__call") == LUA_TNIL) luaL_typeerror(L, index, "function");
  lua_pop(L, 1);
}

static int task_spawn(lua_State *L) {
  check_function(L, 1);
  check_in_task(L, "spawn");
  return rl_spawn_handle(L, rl_spawn_scope(L), lua_gettop(L) - 1, RL_MODE_SPAWN);
}

static int task_detach(lua_State *L) {
  check_function(L, 1);
  rl_state *st = rl_state_of(L);
  if (rl_scope_cancelled(st->detached))
    return rl_raise(L, "CLOSED", "detach: the program is ending");
  return rl_spawn_handle(L, st->detached, lua_gettop(L) - 1, RL_MODE_DETACH);
}

static int async_call(lua_State *L) {
  check_in_task(L, "async");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  return rl_spawn_handle(L, rl_spawn_scope(L), lua_gettop(L) - 1, RL_MODE_ASYNC);
}

static int task_async(lua_State *L) {
  check_function(L, 1);
  lua_settop(L, 1);
  lua_pushcclosure(L, async_call, 1);
  return 1;
}

static int sleep_over(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_awaited(L, (rl_op *)ctx);
  return 0;
}

static int yield_over(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_raise_cancelled_if_due(L);
  return 0;
}

static int task_yield(lua_State *L) {
  rl_checkpoint(L);
  rl_task_yield(rl_current(L), true);
  return lua_yieldk(L, 0, 0, yield_over);
}

static int task_sleep(lua_State *L) {
  uint64_t ns = rl_check_seconds(L, 1);
  if (ns == 0) return task_yield(L);
  rl_checkpoint(L);
  rl_state *st = rl_state_of(L);
  rl_task *t = rl_current(L);
  int err = rl_task_sleep(t, rl_loop_after(&st->loop, ns));
  if (err < 0) return rl_raise_sys(L, err, "sleep", NULL, NULL);
  return rl_await(L, &t->wait, sleep_over, (lua_KContext)&t->wait);
}

static int task_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)rl_loop_now(&rl_state_of(L)->loop) / 1e9);
  return 1;
}

static int task_current(lua_State *L) {
  rl_ltask *t = rl_state_of(L)->current;
  if (!t) return 0;
  rl_push_handle(L, t);
  return 1;
}

// rille.tasks(): all that have not ended, outer ones first.

static void add_members(lua_State *L, rl_scope *s) {
  for (rl_link *l = s->members.next; l != &s->members; l = l->next) {
    rl_push_handle(L, rl_ltask_of(rl_container_of(l, rl_task, member)));
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
}

static void add_tree(lua_State *L, rl_scope *root) {
  rl_scope *s = root;
  for (;;) {
    add_members(L, s);
    if (!rl_list_empty(&s->scopes)) {
      s = rl_container_of(s->scopes.next, rl_scope, sibling);
      continue;
    }
    while (s != root && s->sibling.next == &s->parent->scopes) s = s->parent;
    if (s == root) return;
    s = rl_container_of(s->sibling.next, rl_scope, sibling);
  }
}

static int task_tasks(lua_State *L) {
  rl_state *st = rl_state_of(L);
  lua_newtable(L);
  add_tree(L, st->main_scope);
  add_tree(L, st->detached);
  return 1;
}

static int task_suppressed(lua_State *L) {
  luaL_checkany(L, 1);
  lua_newtable(L);
  if (!rl_push_suppressed(L, 1)) return 1;
  int count = (int)lua_rawlen(L, -1);
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -3, i);
  }
  lua_pop(L, 1);
  return 1;
}

// The traceback of an error that has ended a task, and the whole report of an uncaught one.
static int task_report(lua_State *L) {
  luaL_checkany(L, 1);
  rl_push_report(L, 1);
  return 1;
}

// Tasks, futures, and whatever else has a method `await`.

static int await_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L);
}

static int task_await(lua_State *L) {
  lua_settop(L, 1);
  rl_handle *h = rl_test_object(L, 1, &rl_task_class);
  if (h) return rl_await_task(L, h);
  if (!lua_isuserdata(L, 1) && !lua_istable(L, 1)) return luaL_typeerror(L, 1, "task or future");
  if (lua_getfield(L, 1, "await") == LUA_TNIL) return luaL_typeerror(L, 1, "task or future");
  lua_insert(L, 1);
  lua_callk(L, 1, LUA_MULTRET, 0, await_k);
  return await_k(L, LUA_OK, 0);
}

// For the parts written in Lua.

static int checkpointed(lua_State *L, int status, lua_KContext ctx) {
  (void)L, (void)status, (void)ctx;
  return 0;
}

static int task_checkpoint(lua_State *L) {
  rl_checkpoint(L);
  return rl_no_wait(L, checkpointed, 0);
}

static int task_is_task(lua_State *L) {
  lua_pushboolean(L, rl_test_object(L, 1, &rl_task_class) != NULL);
  return 1;
}

static int join_over(lua_State *L, int status, lua_KContext op) {
  (void)status;
  if (op) rl_awaited(L, (rl_op *)op);
  return 0;
}

// join(task): waits for its end, and raises nothing of its. A failure stays the handle's.
static int task_join(lua_State *L) {
  rl_handle *h = rl_check_object(L, 1, &rl_task_class);
  rl_checkpoint(L);
  rl_ltask *of = rl_handle_task(h);
  if (!of) return rl_no_wait(L, join_over, 0);
  rl_task *t = rl_current(L);
  if (rl_task_would_deadlock(t, &of->core))
    return rl_raise(L, "DEADLOCK", "wait: the task waits for this one, so it would never end");
  rl_task_watch(t, &of->core);
  return rl_await(L, &t->wait, join_over, (lua_KContext)&t->wait);
}

static int task_failed(lua_State *L) {
  rl_handle *h = rl_check_object(L, 1, &rl_task_class);
  lua_pushboolean(L, h->ended == RL_ENDED_FAILED || h->ended == RL_ENDED_CANCELLED);
  return 1;
}

static int task_error(lua_State *L) {
  rl_push_error(L, luaL_checkstring(L, 1), "%s", luaL_checkstring(L, 2));
  return 1;
}

static int task_values(lua_State *L) {
  rl_ltask *t = check_in_task(L, "var");
  if (!t->vars) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->vars);
  return 1;
}

static int task_set_values(lua_State *L) {
  rl_ltask *t = check_in_task(L, "var");
  lua_settop(L, 1);
  int vars = lua_isnil(L, 1) ? 0 : luaL_ref(L, LUA_REGISTRYINDEX);
  if (t->vars) luaL_unref(L, LUA_REGISTRYINDEX, t->vars);
  t->vars = vars;
  return 0;
}

static const luaL_Reg functions[] = {
    {"spawn", task_spawn},
    {"detach", task_detach},
    {"async", task_async},
    {"await", task_await},
    {"sleep", task_sleep},
    {"yield", task_yield},
    {"now", task_now},
    {"current", task_current},
    {"tasks", task_tasks},
    {"suppressed", task_suppressed},
    {"report", task_report},
    {"try", rl_base_try},
    {"catch_cancel", rl_base_catch_cancel},
    {"checkpoint", task_checkpoint},
    {"is_task", task_is_task},
    {"join", task_join},
    {"failed", task_failed},
    {"error", task_error},
    {"values", task_values},
    {"set_values", task_set_values},
    {"try_all", rl_base_pcall},
    {NULL, NULL},
};

int rl_open_task(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
