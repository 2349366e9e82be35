// The only file that resumes coroutines: tasks by the scheduler, and a script's own coroutines
// inside them.
//
// A wait inside nested coroutines suspends them all, innermost first; their order is kept in the
// task's chain. The scheduler wakes the innermost directly, and hands what it yields or returns to
// the one that had resumed it.
#include "lua/bind/resume.h"

#include "lua/bind/error.h"
#include "lua/bind/scope.h"
#include "lua/bind/trace.h"

#include <stdlib.h>

enum { CLOSE_DEPTH_MAX = 150, CHAIN_FIRST = 4 };
enum { FEW = LUA_MINSTACK / 2 };  // values that a C function has room for without asking

// The chain.

static bool chain_push(rl_ltask *t, lua_State *co) {
  if (t->depth == t->room) {
    uint16_t room = t->room ? (uint16_t)(t->room * 2) : CHAIN_FIRST;
    lua_State **chain = realloc(t->chain, room * sizeof *chain);
    if (!chain) return false;
    t->chain = chain;
    t->room = room;
  }
  t->chain[t->depth++] = co;
  return true;
}

void rl_chain_free(rl_ltask *t) { free(t->chain); }

static inline bool is_waiting(const rl_ltask *t) { return t->core.state != RL_TASK_RUNNING; }

// The scheduler.

static int resume(rl_state *st, lua_State *co, lua_State *from, int nargs, int *count) {
#if defined(RILLE_STRESS)
  lua_gc(st->L, LUA_GCCOLLECT);
#endif
  st->running = co;
  if (RL_UNLIKELY(st->before_resume)) st->before_resume(co);
  return lua_resume(co, from, nargs, count);
}

// Gives what `co` yielded, returned or raised to the coroutine that had resumed it, whose
// continuation finds `true` and the values, or `false` and the error, at the top of its stack.
// Returns how many.
static int hand_over(lua_State *co, lua_State *parent, int status, int count) {
  bool ok = status == LUA_OK || status == LUA_YIELD;
  if (!ok) count = 1;
  if (!lua_checkstack(parent, count + 1)) {
    lua_pop(co, count);
    lua_pushboolean(parent, 0);
    lua_pushliteral(parent, "too many results to resume");
    return 2;
  }
  lua_pushboolean(parent, ok);
  lua_xmove(co, parent, count);
  return count + 1;
}

static void end_at_root(rl_state *st, rl_ltask *t, int status, int count) {
  lua_State *co = t->L;
  if (status == LUA_YIELD) {  // yielded past the runtime: by C code
    lua_resetthread(co);
    lua_settop(co, 0);
    lua_pushliteral(co, "attempt to yield from outside a coroutine");
    t->ended = RL_ENDED_FAILED;
    count = 1;
  } else if (status != LUA_OK) {  // the root itself failed: memory ran out
    lua_resetthread(co);
    t->ended = RL_ENDED_FAILED;
    count = 1;
  }
  while (t->core.scope->owner == &t->core) {  // only where the root was torn down above
    rl_scope *s = t->core.scope;
    rl_scope_disown(s);
    rl_scope_leave(s);
    rl_scope_unref(s);
  }
  rl_ltask_end(st, t, count);
}

void rl_run_task(rl_loop *loop, rl_job *job) {
  rl_state *st = loop->owner;
  rl_ltask *t = (rl_ltask *)rl_container_of(job, rl_task, job);
  int count = 0, nargs = 0;
  bool fresh = t->core.state == RL_TASK_CREATED;
  t->core.state = RL_TASK_RUNNING;
  st->current = t;
  st->stuck = NULL;
  st->budget = RL_BUDGET;
  if (st->transit) rl_trace_forget_transit(st);
  if (fresh && !rl_ltask_start(t, &nargs)) {
    st->current = NULL;
    rl_ltask_end(st, t, 0);
    return;
  }
  if (RL_UNLIKELY(st->probe)) st->probe->begin(st->probe, t, fresh);
  lua_State *co = rl_innermost(t);
  for (;;) {
    st->critical--;
    int status = resume(st, co, NULL, nargs, &count);
    st->critical++;
    if (status == LUA_YIELD && is_waiting(t)) break;
    if (t->depth == 0) {
      st->current = NULL;
      st->running = NULL;
      if (RL_UNLIKELY(st->probe)) st->probe->end(st->probe, t, true);
      end_at_root(st, t, status, count);
      return;
    }
    t->depth--;
    rl_co_mark(co, RL_CO_BUSY, false);
    lua_State *parent = rl_innermost(t);
    nargs = hand_over(co, parent, status, count);
    co = parent;
  }
  st->current = NULL;
  st->running = NULL;
  if (RL_UNLIKELY(st->probe)) st->probe->end(st->probe, t, false);
}

// A script's coroutines.

static lua_State *check_co(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  return co;
}

static bool is_root(rl_state *st, lua_State *L) {
  return st->current ? L == st->current->L : L == st->L;
}

typedef enum { CO_RUN, CO_DEAD, CO_SUSPENDED, CO_NORMAL } co_status;

static co_status status_of(lua_State *L, lua_State *co) {
  if (L == co) return CO_RUN;
  if (rl_co_is(co, RL_CO_BUSY)) return CO_NORMAL;
  lua_Debug ar;
  switch (lua_status(co)) {
    case LUA_YIELD: return CO_SUSPENDED;
    case LUA_OK:
      if (lua_getstack(co, 0, &ar)) return CO_NORMAL;
      return lua_gettop(co) == 0 ? CO_DEAD : CO_SUSPENDED;
    default: return CO_DEAD;
  }
}

static const char *const status_names[] = {"running", "dead", "suspended", "normal"};

enum { RESUME_FAILED = -1, RESUME_WAITS = -2 };

// Whose count of nested C calls, of which Lua allows 200, a coroutine resumed by L goes on from. A
// wrap takes two, where Lua's own takes one: every other is not counted, so that as many can nest.
static lua_State *count_from(const rl_ltask *t, lua_State *L) {
  if (!t || !t->depth || !rl_co_is(L, RL_CO_WRAPPED)) return L;
  return t->depth > 1 ? t->chain[t->depth - 2] : t->L;
}

// Resumes co with the `nargs` values at the top of L. The number of values moved to L's top, or
// RESUME_FAILED with the error there, or RESUME_WAITS: the caller yields, and its continuation gets
// what hand_over leaves.
static int resume_nested(lua_State *L, lua_State *co, int nargs) {
  rl_state *st = rl_state_of(L);
  rl_ltask *t = st->current;
  if (rl_co_is(co, RL_CO_BUSY) || status_of(L, co) != CO_SUSPENDED) {
    lua_pop(L, nargs);
    lua_pushfstring(L, "cannot resume %s coroutine",
                    status_of(L, co) == CO_DEAD ? "dead" : "non-suspended");
    return RESUME_FAILED;
  }
  lua_State *from = count_from(t, L);
  if ((nargs > 0 && !lua_checkstack(co, nargs)) || (t && !chain_push(t, co))) {
    lua_pop(L, nargs);
    lua_pushliteral(L, "too many arguments to resume");
    return RESUME_FAILED;
  }
  if (nargs > 0) lua_xmove(L, co, nargs);
  if (lua_status(co) == LUA_OK)
    nargs = lua_gettop(co) - 1;  // a wrap's first run: its body is an argument too
  lua_State *stuck = st->stuck;
  if (!stuck && !lua_isyieldable(L)) st->stuck = L;
  rl_co_mark(co, RL_CO_BUSY, true);
  int count;
  int status = resume(st, co, from, nargs, &count);
  st->running = L;
  st->stuck = stuck;
  if (status == LUA_YIELD && t && is_waiting(t)) return RESUME_WAITS;
  if (t) t->depth--;
  rl_co_mark(co, RL_CO_BUSY, false);
  if (status == LUA_OK || status == LUA_YIELD) {
    if (count > FEW && !lua_checkstack(L, count + 1)) {
      lua_pop(co, count);
      lua_pushliteral(L, "too many results to resume");
      return RESUME_FAILED;
    }
    lua_xmove(co, L, count);
    return count;
  }
  lua_xmove(co, L, 1);
  return RESUME_FAILED;
}

// Lua 5.4.4 does not count C calls across lua_resetthread: closing by closing handlers would
// overflow the C stack.
static int close_co(lua_State *L, lua_State *co) {
  rl_state *st = rl_state_of(L);
  if (st->close_depth >= CLOSE_DEPTH_MAX)
    return luaL_error(L, "C stack overflow (too many nested coroutine.close)");
  st->close_depth++;
  lua_State *running = st->running, *stuck = st->stuck;
  st->running = co;
  int status = lua_resetthread(co);
  st->running = running;
  st->stuck = stuck;
  st->close_depth--;
  return status;
}

// A cancellation goes past the resume, so that nobody else will close what it leaves open in `co`.
static void close_cancelled(lua_State *L, lua_State *co) {
  if (close_co(L, co) == LUA_OK) return;
  lua_xmove(co, L, 1);
  rl_suppress(L, -2);
}

// Like pcall, resume does not catch a cancellation whose target is outside.
static int resumed(lua_State *L, lua_KContext mark) {
  bool failed = !lua_toboolean(L, 2);
  if (failed) {
    rl_trace_coroutine(L, lua_tothread(L, 1), 3);
    if (rl_protect_passes(L, mark)) close_cancelled(L, lua_tothread(L, 1));
    rl_protect_done(L, mark, true);
  }
  return lua_gettop(L) - 1;
}

static int co_resume_k(lua_State *L, int status, lua_KContext mark) {
  (void)status;
  return resumed(L, mark);
}

static int co_resume(lua_State *L) {
  lua_State *co = check_co(L);
  lua_KContext mark = rl_protect_mark(L);
  int count = resume_nested(L, co, lua_gettop(L) - 1);
  if (count == RESUME_WAITS) return lua_yieldk(L, 0, mark, co_resume_k);
  lua_pushboolean(L, count != RESUME_FAILED);
  lua_insert(L, 2);
  return resumed(L, mark);
}

// A wrap's error goes on to its caller, with the position added to strings as the standard function
// does.
static int raise_from_wrap(lua_State *L, lua_State *co) {
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_pop(L, 1);
    status = lua_resetthread(co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_pushvalue(L, -2);
    lua_concat(L, 2);
    rl_trace_rename(L);
  }
  return lua_error(L);
}

static int co_wrapped_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  if (!lua_toboolean(L, 1)) return raise_from_wrap(L, lua_tothread(L, lua_upvalueindex(1)));
  return lua_gettop(L) - 1;
}

static int co_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int count = resume_nested(L, co, lua_gettop(L));
  if (count >= 0) return count;
  if (count == RESUME_WAITS) return lua_yieldk(L, 0, 0, co_wrapped_k);
  return raise_from_wrap(L, co);
}

static int wrap_body_k(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  if (status != LUA_OK && status != LUA_YIELD) return lua_error(L);
  return lua_gettop(L) - 1;
}

// A wrap's body runs under a protected call, so that its to-be-closed variables can wait when it
// fails.
static int wrap_body(lua_State *L) {
  lua_pushcfunction(L, rl_trace_handler);
  lua_insert(L, 1);
  return wrap_body_k(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, wrap_body_k), 0);
}

static int co_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  rl_co_mark(co, RL_CO_WRAPPED, true);
  lua_pushcfunction(co, wrap_body);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, co_wrapped, 1);
  return 1;
}

static int co_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

// A script's yield inside a sort or a gsub is refused as in standard Lua. The mark may be stale:
// the stack decides.
static bool in_guarded_call(lua_State *L) {
  rl_state *st = rl_state_of(L);
  lua_Debug ar;
  if (!rl_co_is(L, RL_CO_GUARDED)) return false;
  int level = 0;
  for (; level < RL_LEVELS_MAX && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "f", &ar);
    lua_CFunction f = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    if (f && (f == st->guarded[0] || f == st->guarded[1])) return true;
  }
  if (level < RL_LEVELS_MAX) rl_co_mark(L, RL_CO_GUARDED, false);
  return false;
}

static int yield_values(lua_State *L) {
  if (is_root(rl_state_of(L), L)) return luaL_error(L, "attempt to yield from outside a coroutine");
  if (in_guarded_call(L)) return luaL_error(L, "attempt to yield across a C-call boundary");
  return lua_yield(L, lua_gettop(L));
}

static int co_status_name(lua_State *L) {
  lua_pushstring(L, status_names[status_of(L, check_co(L))]);
  return 1;
}

static int co_running(lua_State *L) {
  lua_pushthread(L);
  lua_pushboolean(L, is_root(rl_state_of(L), L));
  return 2;
}

static int co_isyieldable(lua_State *L) {
  lua_State *co = lua_isnone(L, 1) ? L : check_co(L);
  lua_pushboolean(L, !is_root(rl_state_of(L), co) && lua_isyieldable(co) && !in_guarded_call(co));
  return 1;
}

static int co_close(lua_State *L) {
  lua_State *co = check_co(L);
  co_status s = status_of(L, co);
  if (s != CO_DEAD && s != CO_SUSPENDED)
    return luaL_error(L, "cannot close a %s coroutine", status_names[s]);
  int status = close_co(L, co);
  lua_pushboolean(L, status == LUA_OK);
  if (status == LUA_OK) return 1;
  lua_xmove(co, L, 1);
  return 2;
}

static const luaL_Reg functions[] = {
    {"close", co_close},   {"create", co_create},   {"isyieldable", co_isyieldable},
    {"resume", co_resume}, {"running", co_running}, {"status", co_status_name},
    {"wrap", co_wrap},     {"yield", yield_values}, {NULL, NULL},
};

void rl_coroutine_open(lua_State *L) {
  rl_state *st = rl_state_of(L);
  st->roots[0] = rl_task_main;
  st->roots[1] = wrap_body;
  lua_getglobal(L, "coroutine");
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
