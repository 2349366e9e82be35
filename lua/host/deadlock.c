// The report of a deadlock: each task, what it waits for, where it was spawned and where it stands.
#include "lua/host/runtime.h"

#include "lua/bind/resume.h"
#include "lua/bind/trace.h"

static void add_task(luaL_Buffer *b, rl_state *st, const rl_ltask *t) {
  lua_State *L = st->L;
  const rl_op *op = t->core.op;
  lua_pushfstring(L, "\ntask %d waits for: %s", (int)t->id, op ? op->kind->name : "nothing");
  luaL_addvalue(b);
  if (t->site) {
    lua_pushfstring(L, " (spawned at %s)", rl_site_text(st, t->site));
    luaL_addvalue(b);
  }
  rl_push_stack(L, rl_innermost(t), 0, false);
  luaL_addvalue(b);
}

static void add_scope(luaL_Buffer *b, rl_state *st, const rl_scope *s) {
  for (const rl_link *l = s->members.next; l != &s->members; l = l->next) {
    rl_ltask *t = rl_ltask_of(rl_container_of(l, rl_task, member));
    if (t->L) add_task(b, st, t);
  }
  for (const rl_link *l = s->scopes.next; l != &s->scopes; l = l->next) {
    add_scope(b, st, rl_container_of(l, rl_scope, sibling));
  }
}

static int push_deadlock(lua_State *L) {
  rl_state *st = rl_state_of(L);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "deadlock: every task waits, and nothing can wake one");
  add_scope(&b, st, st->main_scope);
  add_scope(&b, st, st->detached);
  luaL_pushresult(&b);
  return 1;
}

void rl_report_deadlock(rl_state *st) {
  if (!lua_checkstack(st->L, 4)) return;
  lua_pushcfunction(st->L, push_deadlock);
  const char *text = "deadlock";
  if (lua_pcall(st->L, 0, 1, 0) == LUA_OK) text = lua_tostring(st->L, -1);
  rl_report_text(st, text);
  lua_pop(st->L, 1);
}
