// Lua tasks: birth, handle, end.
#include "lua/bind/task.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/resume.h"
#include "lua/bind/scope.h"
#include "lua/bind/sync.h"
#include "lua/bind/trace.h"

#include <string.h>

enum { FEW = LUA_MINSTACK / 2 };  // arguments that an idle coroutine has room for without asking

// An interned string: pushing it takes no memory.
#define NO_MEMORY "not enough memory"

// Coroutines: used again; those in the pool have empty stacks.

static rl_co new_co(lua_State *L, rl_state *st) {
  int anchor = rl_ids_take(&st->anchors);
  if (!anchor) luaL_error(L, "not enough memory");
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->cos);
  lua_State *co = lua_newthread(L);
  lua_rawseti(L, -2, anchor);
  lua_pop(L, 1);
  rl_co_mark(co, RL_CO_BUSY, true);
  return (rl_co){co, anchor};
}

static inline rl_co take_co(lua_State *L, rl_state *st) {
  return RL_LIKELY(st->pool_count > 0) ? st->pool[--st->pool_count] : new_co(L, st);
}

// With half of what it may have in use, a state keeps none.
static inline bool has_room(const rl_state *st) {
  if (st->memory_limit && st->memory > st->memory_limit / 2) return false;
  return st->pool_count < RL_CO_POOL;
}

static void drop_co(rl_state *st, rl_co co) {
  lua_rawgeti(st->L, LUA_REGISTRYINDEX, st->cos);
  lua_pushboolean(st->L, 0);
  lua_rawseti(st->L, -2, co.anchor);
  lua_pop(st->L, 1);
  rl_ids_give(&st->anchors, co.anchor);
}

static inline void give_co(rl_state *st, rl_co co) {
  if (lua_gettop(co.L) > 0) lua_settop(co.L, 0);
  if (RL_LIKELY(has_room(st))) {
    st->pool[st->pool_count++] = co;
  } else {
    drop_co(st, co);
  }
}

// Handles. Who holds none is found by a weak table; a slot is taken with the first handle and
// overwritten by the next.

static void push_new_handle(lua_State *L, rl_ltask *t) {
  rl_state *st = rl_state_of(L);
  rl_handle *h = lua_newuserdatauv(L, sizeof *h, 1);
  *h = (rl_handle){.box = {&rl_task_class}, .id = t->id, .site = t->site};
  if (!t->slot) t->slot = rl_ids_take(&st->slots);
  if (!t->slot) luaL_error(L, "not enough memory");
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->task_class);
  lua_setmetatable(L, -2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->handles);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, t->slot);
  lua_pop(L, 1);
  h->task = t;
}

// The handle at the top of the stack, above the table of them, if it is still in somebody's hands;
// else NULL, and anything there.
static rl_handle *find_handle(lua_State *L, const rl_ltask *t) {
  if (!t->slot) return NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rl_state_of(L)->handles);
  lua_rawgeti(L, -1, t->slot);
  return lua_touserdata(L, -1);
}

void rl_push_handle(lua_State *L, rl_ltask *t) {
  luaL_checkstack(L, 6, "task handle");
  int top = lua_gettop(L);
  if (find_handle(L, t)) {
    lua_replace(L, top + 1);
  } else {
    lua_settop(L, top);
    push_new_handle(L, t);
  }
}

// Birth.

static inline rl_ltask *new_task(lua_State *L, rl_state *st, rl_scope *home, rl_mode mode) {
  rl_ltask *t = rl_slab_alloc(&st->loop.slab, sizeof *t);
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
  if (RL_UNLIKELY(values)) values = share_values(L, values);
  rl_co co = take_co(L, st);
  if (nargs > FEW && !lua_checkstack(co.L, nargs + 3)) {
    give_co(st, co);
    luaL_error(L, "spawn: too many arguments");
  }
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
  push_new_handle(L, rl_spawn(L, home, nargs, mode));
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
  *(rl_co *)lua_touserdata(L, 1) = take_co(L, rl_state_of(L));
  return 0;
}

// The scheduler must not be left by a jump: what may need memory runs protected. False: it is out.
static bool protect(rl_state *st, lua_CFunction f, void *what) {
  lua_State *L = st->L;
  if (!lua_checkstack(L, 4)) return false;
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, what);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  return false;
}

// A combinator's child gets its coroutine and its function now.
static bool start_child(rl_ltask *t) {
  rl_state *st = rl_task_loop(&t->core)->owner;
  rl_co co;
  if (RL_LIKELY(st->pool_count > 0)) {
    co = take_co(st->L, st);
  } else if (!protect(st, take_protected, &co)) {
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

// End.

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

static void add_to_list(lua_State *L, int handle) {  // the list is at the top; pops it
  lua_pushvalue(L, handle);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
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
  lua_remove(L, -2);
  add_to_list(L, handle);
  home->unclaimed = true;
}

static void keep_orphan(rl_state *st) {
  lua_State *L = st->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->orphans);
  add_to_list(L, lua_gettop(L) - 1);
  st->orphan_count++;
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
    keep_orphan(st);
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

static void end_with_handle(rl_state *st, rl_ltask *t, lua_State *co, int count) {
  lua_State *L = st->L;
  int top = lua_gettop(L);
  bool awaited = is_awaited(t);
  bool failed = t->ended != RL_ENDED_OK && has_failed(t, co);
  rl_handle *h = find_handle(L, t);
  if (!h && failed) {
    lua_checkstack(L, 8);
    push_new_handle(L, t);
    h = lua_touserdata(L, -1);
  }
  if (h) {
    store_results(L, h, co, count);
    h->ended = t->ended;
    h->task = NULL;
    if (failed) tell_failure(st, t, h, awaited);
  }
  lua_settop(L, top);
}

// A combinator's child, whose handle somebody has got by rille.current or rille.tasks: it has the
// values too.
static void end_handle_of_child(rl_state *st, rl_ltask *t, lua_State *co, int count) {
  lua_State *L = st->L;
  int top = lua_gettop(L);
  rl_handle *h = find_handle(L, t);
  if (h && lua_checkstack(co, count + 1)) {
    for (int i = 0; i < count; i++) lua_pushvalue(co, -count);
    store_results(L, h, co, count);
  }
  if (h) {
    h->ended = t->ended;
    h->task = NULL;
  }
  lua_settop(L, top);
}

static void tell_end(rl_state *st, rl_ltask *t, int count) {
  if (t->mode != RL_MODE_CHILD) {
    end_with_handle(st, t, t->L, count);
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
  rl_handle *h = find_handle(L, t);
  if (h) {
    lua_pushliteral(L, NO_MEMORY);
    lua_setiuservalue(L, -2, 1);
    h->count = 1;
    h->ended = RL_ENDED_FAILED;
    h->task = NULL;
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
    told = protect(st, tell_protected, &(ending){t, count});
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
  if (RL_LIKELY(co.L)) give_co(st, co);
  st->alive--;
  st->memory -= sizeof *t;
  rl_slab_free(&st->loop.slab, t, sizeof *t);
}

// Waiting for the end.

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
  if (!h->task) return rl_no_wait(L, awaited, 0);
  rl_task *t = rl_current(L);
  if (rl_task_would_deadlock(t, &h->task->core))
    return rl_raise(L, "DEADLOCK", "await: the task waits for this one, so it would never end");
  rl_task_await(t, &h->task->core);
  return rl_await(L, &t->wait, awaited, (lua_KContext)&t->wait);
}

// Pushes the report of a failed task that nobody has awaited; nothing for one that somebody has.
static int next_report(lua_State *L) {  // handle
  rl_handle *h = lua_touserdata(L, 1);
  lua_getiuservalue(L, 1, 1);
  if (h->ended == RL_ENDED_CANCELLED && rl_promote_suppressed(L)) lua_replace(L, -2);
  rl_trace_spawned(L, -1, h->site);
  rl_push_report(L, -1);
  return 1;
}

static int new_orphans(lua_State *L) {
  lua_newtable(L);
  lua_rawseti(L, LUA_REGISTRYINDEX, rl_state_of(L)->orphans);
  return 0;
}

// The handle is at the top of st->L.
static void report_orphan(rl_state *st) {
  lua_State *L = st->L;
  lua_pushcfunction(L, next_report);
  lua_pushvalue(L, -2);
  bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  rl_report_text(st, ok ? lua_tostring(L, -1) : NO_MEMORY);
  lua_pop(L, 1);
}

void rl_report_orphans(rl_state *st) {
  if (!st->orphan_count) return;
  lua_State *L = st->L;
  if (!lua_checkstack(L, 8)) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->orphans);
  if (!protect(st, new_orphans, NULL)) {  // the next tick may have the memory
    lua_pop(L, 1);
    return;
  }
  int list = lua_gettop(L), count = st->orphan_count;
  st->orphan_count = 0;
  int failed = 0;
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, list, i);
    rl_handle *h = lua_touserdata(L, -1);
    if (!h->claimed) {
      h->claimed = st->failed = true;
      if (++failed <= st->reports) report_orphan(st);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if (failed <= st->reports) return;
  char text[64];
  snprintf(text, sizeof text, "%d more tasks have failed", failed - st->reports);
  rl_report_text(st, text);
}

void rl_report_text(rl_state *st, const char *text) {
  if (st->report) {
    st->report(st, text);
  } else {
    fprintf(stderr, "rille: %s\n", text);
  }
}
