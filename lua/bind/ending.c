// The end of a task: its results go to its handle or its combinator, its failure to whoever has to
// hear of it, its coroutine back to the pool.
#include "lua/bind/await.h"
#include "lua/bind/co.h"
#include "lua/bind/error.h"
#include "lua/bind/resume.h"
#include "lua/bind/scope.h"
#include "lua/bind/sync.h"
#include "lua/bind/task.h"
#include "lua/bind/trace.h"

// An interned string: pushing it takes no memory.
#define NO_MEMORY "not enough memory"

// Moves the results from co's stack into the handle at the top of L.
static void store_results(lua_State *L, rl_handle *h, lua_State *co, int count) {
  h->count = count;
  if (count > 1) {
    lua_createtable(co, count, 0);
    lua_insert(co, -count - 1);
    for (int i = count; i >= 1; i--) lua_rawseti(co, -i - 1, i);
    count = 1;
  }
  if (count == 0) return;
  lua_xmove(co, L, 1);
  lua_setiuservalue(L, -2, 1);
}

static void keep_unclaimed(rl_state *st, rl_scope *home) {  // the handle is at the top
  lua_State *L = st->L;
  int handle = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->unclaimed);
  if (lua_rawgetp(L, -1, home) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, home);
  }
  lua_pushvalue(L, handle);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 2);
  home->unclaimed = true;
}

// The handle of a task that has failed is at the top of st->L: who hears of it?
static void tell_failure(rl_state *st, rl_ltask *t, rl_handle *h, bool awaited) {
  lua_State *L = st->L;
  if (t->mode == RL_MODE_SPAWN) {
    h->claimed = true;
    lua_getiuservalue(L, -1, 1);
    if (t->ended == RL_ENDED_CANCELLED && rl_promote_suppressed(L)) lua_replace(L, -2);
    rl_trace_spawned(L, -1, t->site);
    rl_scope_fail(L, rl_task_home(&t->core));
  } else if (awaited || h->claimed) {
    h->claimed = true;
  } else if (t->mode == RL_MODE_ASYNC) {
    keep_unclaimed(st, rl_task_home(&t->core));
  } else {
    rl_orphans_add(st);
  }
}

// A cancellation that has suppressed errors hides failures.
static bool has_failed(const rl_ltask *t, lua_State *co) {
  if (t->ended != RL_ENDED_CANCELLED) return t->ended == RL_ENDED_FAILED;
  bool hides = rl_push_suppressed(co, -1);
  if (hides) lua_pop(co, 1);
  return hides;
}

// Whoever only watches is told nothing; but a detached task that is watched is somebody's.
static bool is_awaited(const rl_ltask *t) {
  const rl_op *op = rl_lot_first(&t->core.waiters);
  if (t->mode == RL_MODE_DETACH) return op != NULL;
  while (op && op->kind != &rl_await_kind) op = rl_lot_after(&t->core.waiters, op);
  return op != NULL;
}

// Not inline, so that an end with nothing to tell does not pay for it.
__attribute__((noinline)) static void end_with_handle(rl_state *st, rl_ltask *t, lua_State *co,
                                                      int count) {
  lua_State *L = st->L;
  int top = lua_gettop(L);
  bool awaited = is_awaited(t);
  bool failed = t->ended != RL_ENDED_OK && has_failed(t, co);
  rl_handle *h = rl_find_handle(L, t);
  if (!h && failed) {
    lua_checkstack(L, 8);
    h = rl_new_handle(L, t);
  }
  if (h) {
    store_results(L, h, co, count);
    h->ended = t->ended;
    if (failed) tell_failure(st, t, h, awaited);
  }
  lua_settop(L, top);
}

// A combinator's child, whose handle somebody has got by rille.current or rille.tasks: it has the
// values too.
static void end_handle_of_child(rl_state *st, rl_ltask *t, lua_State *co, int count) {
  lua_State *L = st->L;
  int top = lua_gettop(L);
  rl_handle *h = rl_find_handle(L, t);
  if (h && lua_checkstack(co, count + 1)) {
    for (int i = 0; i < count; i++) lua_pushvalue(co, -count);
    store_results(L, h, co, count);
  }
  if (h) h->ended = t->ended;
  lua_settop(L, top);
}

static void tell_end(rl_state *st, rl_ltask *t, int count) {
  if (t->mode != RL_MODE_CHILD) {
    if (t->ended != RL_ENDED_OK || count > 0) end_with_handle(st, t, t->L, count);
    return;
  }
  if (t->ended == RL_ENDED_CANCELLED && rl_promote_suppressed(t->L)) t->ended = RL_ENDED_FAILED;
  if (RL_UNLIKELY(t->slot)) end_handle_of_child(st, t, t->L, count);
  if (!t->child->of_host) t->child->ended(t, t->L, count, t->ended);
}

static bool needs_memory(const rl_ltask *t, int count) {
  if (t->ended != RL_ENDED_OK) return true;
  return t->child ? t->child->allocates || t->slot : count > 1;
}

typedef struct ending {
  rl_ltask *t;
  int count;
} ending;

static int tell_protected(lua_State *L) {
  const ending *e = lua_touserdata(L, 1);
  tell_end(rl_state_of(L), e->t, e->count);
  return 0;
}

// The end of a task that cannot be told for want of memory is a failure of its own.
static void fail_without_memory(rl_state *st, rl_ltask *t) {
  lua_State *L = st->L;
  int top = lua_gettop(L);
  bool awaited = is_awaited(t);
  t->ended = RL_ENDED_FAILED;
  rl_handle *h = rl_find_handle(L, t);
  if (h) {
    lua_pushliteral(L, NO_MEMORY);
    lua_setiuservalue(L, -2, 1);
    h->count = 1;
    h->ended = RL_ENDED_FAILED;
    h->claimed = h->claimed || awaited;
  }
  if (t->mode == RL_MODE_DETACH) {
    st->failed = true;
    rl_report_text(st, NO_MEMORY);
  } else if (!(h && h->claimed) && !(t->child && t->child->of_host)) {
    rl_scope_fail_without_memory(rl_task_home(&t->core));
  }
  lua_settop(L, top);
}

void rl_ltask_end(rl_state *st, rl_ltask *t, int count) {
  rl_co co = {t->L, t->anchor};
  bool told = co.L;
  if (RL_UNLIKELY(told && needs_memory(t, count))) {
    told = rl_state_protect(st, tell_protected, &(ending){t, count});
  } else if (told) {
    tell_end(st, t, count);
  }
  if (RL_UNLIKELY(!told)) fail_without_memory(st, t);
  if (t->child && t->child->of_host) {  // not inside a call on the host's stack
    if (!told) {
      lua_settop(co.L, 0);
      lua_pushliteral(co.L, NO_MEMORY);
      count = 1;
    }
    t->child->ended(t, co.L, count, t->ended);
  }
  if (RL_UNLIKELY(t->vars)) luaL_unref(st->L, LUA_REGISTRYINDEX, t->vars);
  if (RL_UNLIKELY(t->name)) luaL_unref(st->L, LUA_REGISTRYINDEX, t->name);
  if (t->slot) rl_ids_give(&st->slots, t->slot);
  if (t->held) rl_locks_break(t);
  if (!rl_lot_empty(&t->core.waiters)) rl_lot_wake_all(&t->core.waiters, 0);
  rl_task_end(&t->core);
  if (t->chain) rl_chain_free(t);
  if (RL_LIKELY(co.L)) rl_co_give(st, co);
  st->alive--;
  st->memory -= sizeof *t;
  t->id = 0;  // for the handles
  t->core.job.next = st->records;
  st->records = &t->core.job;
}
