// rille.gather: functions and tasks side by side, one value each, in argument order.
//
// A child has no coroutine before it runs: its function stays among the arguments on the caller's
// stack, and its value goes into the list of results there.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/scope.h"
#include "lua/bind/task.h"
#include "lua/bind/trace.h"

typedef struct gathering {
  lua_State *L;  // the caller
  rl_scope *scope;
  int list;     // index of the table of functions, or 0: they are arguments
  int results;  // index of the results
  bool settle;
  int site;
} gathering;

// Stack: results' index, count, list?, then the arguments, the gathering, the results.
enum { FIRST_ITEM = 4 };

// The `number`-th of the table at `list`, or of the arguments if it is 0. Its type.
static int push_item(lua_State *L, int list, int number) {
  if (list) return lua_rawgeti(L, list, number);
  lua_pushvalue(L, FIRST_ITEM + number - 1);
  return lua_type(L, -1);
}

// A task among the arguments: its child awaits it, and passes a cancellation on to it before it
// gives up.

static int member_joined(lua_State *L, int status, lua_KContext op) {
  (void)status;
  rl_awaited(L, (rl_op *)op);
  rl_push_cancelled(L, rl_current(L)->unwinding);
  return lua_error(L);
}

static int member_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_task *t = rl_current(L);
  rl_ltask *member = rl_handle_task(lua_touserdata(L, 1));
  if (!t->aborted || !member) {
    if (ctx) rl_awaited(L, (rl_op *)ctx);
    return rl_push_results(L, 1);
  }
  t->aborted = false;
  rl_scope *own = rl_task_own_scope(&member->core);
  if (!own) return luaL_error(L, "not enough memory");
  rl_scope_cancel(own, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
  rl_task_watch(t, &member->core);
  return rl_await(L, &t->wait, member_joined, (lua_KContext)&t->wait);
}

static int await_member(lua_State *L) {
  rl_handle *h = lua_touserdata(L, 1);
  rl_checkpoint(L);
  rl_ltask *member = rl_handle_task(h);
  if (!member) return rl_no_wait(L, member_k, 0);
  rl_task *t = rl_current(L);
  if (rl_task_would_deadlock(t, &member->core))
    return rl_raise(L, "DEADLOCK", "gather: task %I waits for this one, so it would never end",
                    (LUAI_UACINT)h->id);
  rl_task_await(t, &member->core);
  return rl_await(L, &t->wait, member_k, (lua_KContext)&t->wait);
}

static void prepare(rl_ltask *t, lua_State *co) {
  gathering *g = t->parent;
  if (push_item(g->L, g->list, t->index) == LUA_TUSERDATA) lua_pushcfunction(co, await_member);
  lua_xmove(g->L, co, 1);
}

static void settle(lua_State *co, bool ok) {
  lua_createtable(co, 0, 2);
  lua_pushboolean(co, ok);
  lua_setfield(co, -2, "ok");
  lua_insert(co, -2);
  lua_setfield(co, -2, ok ? "value" : "error");
}

static void ended(rl_ltask *t, lua_State *co, int count, rl_ended how) {
  gathering *g = t->parent;
  bool ok = how == RL_ENDED_OK;
  if (ok && count > 1) lua_pop(co, count - 1);
  if (ok && count == 0) lua_pushnil(co);
  if (g->settle) {
    settle(co, ok);
  } else if (!ok) {
    if (how == RL_ENDED_CANCELLED && rl_scope_cancelled(g->scope)) return;
    if (how == RL_ENDED_FAILED) rl_trace_spawned(co, -1, g->site);
    rl_scope_fail(co, g->scope);
    return;
  }
  lua_xmove(co, g->L, 1);
  lua_rawseti(g->L, g->results, t->index);
}

static const rl_child_kind gather_child = {.prepare = prepare, .ended = ended};
static const rl_child_kind settle_child = {.prepare = prepare, .ended = ended, .allocates = true};

static void check_items(lua_State *L, int list, int count) {
  enum { BATCH = 16 };
  luaL_checkstack(L, BATCH, "gather");
  int top = lua_gettop(L);
  for (int i = 1; i <= count; i++) {
    if (i % BATCH == 0) lua_settop(L, top);
    if (push_item(L, list, i) == LUA_TFUNCTION || rl_test_object(L, -1, &rl_task_class)) continue;
    luaL_error(L, "gather: item %d: function or task expected, got %s", i, luaL_typename(L, -1));
  }
  lua_settop(L, top);
}

static int gathered(lua_State *L, int status, lua_KContext values_stand) {
  (void)values_stand;
  if (status != LUA_OK) return lua_error(L);
  int results = (int)lua_tointeger(L, 1);
  int count = (int)lua_tointeger(L, 2);
  bool list = lua_toboolean(L, 3);
  if (list) {
    lua_pushvalue(L, results);
    return 1;
  }
  luaL_checkstack(L, count, "too many results");
  for (int i = 1; i <= count; i++) lua_rawgeti(L, results, i);
  return count;
}

// A table is a list of items, unless it is something to await by itself: a future.
static bool is_list(lua_State *L) {
  if (!lua_istable(L, 1)) return false;
  bool future = lua_getfield(L, 1, "await") != LUA_TNIL;
  lua_pop(L, 1);
  return !future;
}

static int gather(lua_State *L) {
  int top = lua_gettop(L);
  bool list = top == 1 && is_list(L);
  int count = list ? (int)luaL_len(L, 1) : top;
  bool settled = false;
  if (list) {
    lua_getfield(L, 1, "settle");
    settled = lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  rl_checkpoint(L);
  luaL_checkstack(L, 12, "gather");
  for (int i = 1; i < FIRST_ITEM; i++) lua_pushnil(L);
  lua_rotate(L, 1, FIRST_ITEM - 1);
  check_items(L, list ? FIRST_ITEM : 0, count);
  gathering *g = lua_newuserdatauv(L, sizeof *g, 0);
  lua_createtable(L, count, list ? 1 : 0);
  int results = lua_gettop(L);
  if (list) {
    lua_pushinteger(L, count);
    lua_setfield(L, results, "n");
  }
  lua_pushinteger(L, results);
  lua_replace(L, 1);
  lua_pushinteger(L, count);
  lua_replace(L, 2);
  lua_pushboolean(L, list);
  lua_replace(L, 3);
  *g = (gathering){L, NULL, list ? FIRST_ITEM : 0, results, settled, rl_site_here(L)};
  g->scope = rl_scope_open_here(L, RL_NEVER);
  rl_spawn_children(L, g->scope, settled ? &settle_child : &gather_child, g, count);
  return rl_scope_finish(L, g->scope, RL_BODY_PLAIN, results, true, gathered);
}

static const luaL_Reg functions[] = {{"gather", gather}, {NULL, NULL}};

int rl_open_gather(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
