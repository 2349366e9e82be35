// The tree of tasks as text: what each waits for and who owns it, what it holds, where it was
// spawned and stands.
#include "lua/host/seeing.h"

#include "lua/bind/resume.h"
#include "lua/bind/site.h"
#include "lua/bind/stack.h"
#include "lua/bind/sync.h"

#include <string.h>

const char *rl_task_state_name(const rl_ltask *t) {
  if (t->core.state == RL_TASK_RUNNING) return "running";
  if (t->core.finishing) return "finishing";
  switch ((rl_task_state)t->core.state) {
    case RL_TASK_CREATED: return "created";
    case RL_TASK_READY: return "ready";
    case RL_TASK_BLOCKED: return "blocked";
    default: return "done";
  }
}

static void add_name(luaL_Buffer *b, rl_state *st, const rl_ltask *t) {
  lua_State *L = st->L;
  lua_pushfstring(L, "task %d", (int)t->id);
  luaL_addvalue(b);
  if (!t->name) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->names);
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->name);
  lua_rawget(L, -2);
  lua_remove(L, -2);
  if (lua_type(L, -1) == LUA_TSTRING) {
    lua_pushfstring(L, " '%s'", lua_tostring(L, -1));
    lua_remove(L, -2);
    luaL_addvalue(b);
  } else {
    lua_pop(L, 1);
  }
}

const rl_ltask *rl_task_awaited(const rl_ltask *t) {
  const rl_op *op = t->core.op;
  if (t->core.state != RL_TASK_BLOCKED || !op || !op->on) return NULL;
  if (strcmp(op->kind->name, "lock") == 0) return ((const rl_lock *)op->on)->owner;
  return op->kind == &rl_await_kind ? rl_ltask_of(op->on) : NULL;
}

static void add_reason(luaL_Buffer *b, rl_state *st, const rl_ltask *t) {
  const rl_op *op = t->core.op;
  lua_State *L = st->L;
  if (t->core.state != RL_TASK_BLOCKED || !op) {
    lua_pushfstring(L, " is %s", rl_task_state_name(t));
    luaL_addvalue(b);
    return;
  }
  lua_pushfstring(L, " waits for: %s", op->kind->name);
  luaL_addvalue(b);
  bool lock = strcmp(op->kind->name, "lock") == 0;
  if (lock) {
    lua_pushfstring(L, " %p", op->on);
    luaL_addvalue(b);
  }
  const rl_ltask *owner = rl_task_awaited(t);
  if (!owner) return;
  luaL_addstring(b, lock ? ", held by " : ", namely ");
  add_name(b, st, owner);
}

static void add_task(luaL_Buffer *b, rl_state *st, const rl_ltask *t, int depth) {
  lua_State *L = st->L;
  luaL_addchar(b, '\n');
  for (int i = 0; i < depth; i++) luaL_addstring(b, "  ");
  add_name(b, st, t);
  add_reason(b, st, t);
  if (t->site) {
    lua_pushfstring(L, " (spawned at %s)", rl_site_text(st, t->site));
    luaL_addvalue(b);
  }
  for (const rl_lock *lock = t->held; lock; lock = lock->next) {
    lua_pushfstring(L, "\n\tholds lock %p", (const void *)lock);
    luaL_addvalue(b);
  }
  if (!t->L) return;
  for (int i = t->depth; i >= 0; i--) {
    rl_push_stack(L, i > 0 ? t->chain[i - 1] : t->L, 0, false);
    luaL_addvalue(b);
  }
}

static void add_scope(luaL_Buffer *b, rl_state *st, const rl_scope *s, int depth) {
  for (const rl_link *l = s->members.next; l != &s->members; l = l->next)
    add_task(b, st, rl_ltask_of(rl_container_of(l, rl_task, member)), depth);
  for (const rl_link *l = s->scopes.next; l != &s->scopes; l = l->next) {
    const rl_scope *inner = rl_container_of(l, rl_scope, sibling);
    add_scope(b, st, inner, depth + (inner->owner != NULL));
  }
}

static int push_tree(lua_State *L) {
  rl_state *st = rl_state_of(L);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, lua_touserdata(L, 1));
  add_scope(&b, st, st->main_scope, 0);
  add_scope(&b, st, st->detached, 0);
  luaL_pushresult(&b);
  return 1;
}

void rl_push_task_tree(lua_State *L, const char *title) {
  lua_pushcfunction(L, push_tree);
  lua_pushlightuserdata(L, (void *)title);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushstring(L, title);
}

static void report(rl_state *st, const char *title) {
  if (!lua_checkstack(st->L, 8)) return;
  st->critical++;
  rl_push_task_tree(st->L, title);
  st->critical--;
  rl_report_text(st, lua_tostring(st->L, -1));
  lua_pop(st->L, 1);
}

void rl_report_tasks(rl_state *st) { report(st, "tasks:"); }

void rl_report_deadlock(rl_state *st) {
  report(st, "deadlock: every task waits, and nothing can wake one");
}
