// The handle of a task, as scripts hold it.
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/scope.h"
#include "lua/bind/site.h"
#include "lua/bind/stack.h"
#include "lua/bind/task.h"

#include <string.h>

// Who holds none is found by a weak table; a slot is taken with the first handle and overwritten by
// the next.

rl_handle *rl_new_handle(lua_State *L, rl_ltask *t) {
  rl_state *st = rl_state_of(L);
  rl_handle *h = lua_newuserdatauv(L, sizeof *h, 1);
  *h = (rl_handle){
      .box = {&rl_task_class}, .task = t, .id = t->id, .site = t->site, .ended = RL_ENDED_OK};
  if (!t->slot) t->slot = rl_ids_take(&st->slots);
  if (!t->slot) luaL_error(L, "not enough memory");
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->task_class);
  lua_setmetatable(L, -2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->handles);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, t->slot);
  lua_pop(L, 1);
  return h;
}

rl_handle *rl_find_handle(lua_State *L, const rl_ltask *t) {
  if (!t->slot) return NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rl_state_of(L)->handles);
  lua_rawgeti(L, -1, t->slot);
  return lua_touserdata(L, -1);
}

void rl_push_handle(lua_State *L, rl_ltask *t) {
  luaL_checkstack(L, 6, "task handle");
  int top = lua_gettop(L);
  if (rl_find_handle(L, t)) {
    lua_replace(L, top + 1);
  } else {
    lua_settop(L, top);
    rl_new_handle(L, t);
  }
}

int rl_push_results(lua_State *L, int handle) {
  rl_handle *h = lua_touserdata(L, handle);
  h->claimed = true;
  if (h->ended != RL_ENDED_OK) {
    lua_getiuservalue(L, handle, 1);
    rl_trace_awaited(L, -1, h->ended == RL_ENDED_FAILED ? h->site : 0);
    return lua_error(L);
  }
  if (h->count == 0) return 0;
  luaL_checkstack(L, h->count + 1, "too many results");
  lua_getiuservalue(L, handle, 1);
  if (h->count == 1) return 1;
  int list = lua_gettop(L);
  for (int i = 1; i <= h->count; i++) lua_rawgeti(L, list, i);
  return h->count;
}

static int awaited(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  if (ctx) rl_awaited(L, (rl_op *)ctx);
  return rl_push_results(L, 1);
}

int rl_await_task(lua_State *L, rl_handle *h) {
  rl_checkpoint(L);
  rl_ltask *of = rl_handle_task(h);
  if (!of) return rl_no_wait(L, awaited, 0);
  rl_task *t = rl_current(L);
  if (rl_task_would_deadlock(t, &of->core))
    return rl_raise(L, "DEADLOCK", "await: the task waits for this one, so it would never end");
  rl_task_await(t, &of->core);
  return rl_await(L, &t->wait, awaited, (lua_KContext)&t->wait);
}

static rl_handle *check_handle(lua_State *L, int index) {
  return rl_check_object(L, index, &rl_task_class);
}

static int handle_await(lua_State *L) {
  rl_handle *h = check_handle(L, 1);
  return rl_await_task(L, h);
}

static int handle_cancel(lua_State *L) {
  rl_handle *h = check_handle(L, 1);
  lua_settop(L, 2);
  int reason;
  uint64_t grace = rl_check_cancel_options(L, 2, &reason);
  rl_ltask *t = rl_handle_task(h);
  if (!t || t->core.state == RL_TASK_DONE) return 0;
  rl_scope *own = rl_task_own_scope(&t->core);
  if (!own) return luaL_error(L, "not enough memory");
  rl_scope_reason(L, own, reason);
  rl_scope_cancel(own, RL_BECAUSE_CALL, grace);
  return 0;
}

static const char *status_of(const rl_handle *h) {
  const rl_ltask *t = rl_handle_task(h);
  if (!t) return "done";
  if (t->core.finishing) return "finishing";
  switch ((rl_task_state)t->core.state) {
    case RL_TASK_CREATED: return "created";
    case RL_TASK_READY: return "ready";
    case RL_TASK_RUNNING: return "running";
    case RL_TASK_BLOCKED: return "blocked";
    case RL_TASK_DONE: break;
  }
  return "done";
}

static int handle_status(lua_State *L) {
  lua_pushstring(L, status_of(check_handle(L, 1)));
  return 1;
}

static int push_name(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rl_state_of(L)->names);
  lua_pushvalue(L, 1);
  return lua_rawget(L, -2);
}

static int handle_index(lua_State *L) {
  rl_handle *h = check_handle(L, 1);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "id") == 0) {
    lua_pushinteger(L, (lua_Integer)h->id);
  } else if (strcmp(key, "name") == 0) {
    push_name(L);
  } else {
    lua_getmetatable(L, 1);
    lua_getfield(L, -1, "methods");
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
  }
  return 1;
}

static int handle_newindex(lua_State *L) {
  rl_handle *h = check_handle(L, 1);
  const char *key = luaL_checkstring(L, 2);
  if (strcmp(key, "name") != 0) return luaL_error(L, "a task has no settable field '%s'", key);
  if (!lua_isnil(L, 3)) luaL_checkstring(L, 3);
  lua_settop(L, 3);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rl_state_of(L)->names);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 3);
  lua_rawset(L, -3);
  rl_ltask *t = rl_handle_task(h);
  if (t && !t->name) {
    lua_settop(L, 1);
    t->name = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  return 0;
}

static int handle_tostring(lua_State *L) {
  rl_handle *h = check_handle(L, 1);
  const char *name = push_name(L) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  lua_pushfstring(L, name ? "task %I '%s' (%s)" : "task %I%s (%s)", (LUAI_UACINT)h->id,
                  name ? name : "", status_of(h));
  return 1;
}

// What it waits for ("sleep", "tcp:read"), or nil; where it was spawned; where it is now.
static int handle_waits_for(lua_State *L) {
  const rl_ltask *t = rl_handle_task(check_handle(L, 1));
  if (!t || !t->core.op) return 0;
  lua_pushstring(L, t->core.op->kind->name);
  return 1;
}

static int handle_site(lua_State *L) {
  lua_pushstring(L, rl_site_text(rl_state_of(L), check_handle(L, 1)->site));
  return 1;
}

static int handle_traceback(lua_State *L) {
  const rl_ltask *t = rl_handle_task(check_handle(L, 1));
  lua_pushliteral(L, "");
  if (!t || !t->L) return 1;
  for (int i = t->depth; i >= 0; i--) {
    lua_State *co = i > 0 ? t->chain[i - 1] : t->L;
    rl_push_stack(L, co, co == L ? 1 : 0, true);
    lua_concat(L, 2);
  }
  return 1;
}

static const luaL_Reg handle_methods[] = {
    {"await", handle_await},         {"cancel", handle_cancel},
    {"status", handle_status},       {"waits_for", handle_waits_for},
    {"site", handle_site},           {"traceback", handle_traceback},
    {"__index", handle_index},       {"__newindex", handle_newindex},
    {"__tostring", handle_tostring}, {NULL, NULL},
};

const rl_class rl_task_class = {"rille.Task", sizeof(rl_handle), handle_methods};
