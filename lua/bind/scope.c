// The bodies of scopes: what comes out when one is left.
#include "lua/bind/scope.h"

#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/task.h"
#include "lua/bind/trace.h"

#include <string.h>

enum { REF_NO_MEMORY = -3 };  // in the place of a reference

static void push_ref(lua_State *L, int ref) {
  if (ref == REF_NO_MEMORY) {
    lua_pushliteral(L, "not enough memory");
  } else if (ref == LUA_REFNIL) {
    lua_pushnil(L);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  }
}

static int drop_ref(lua_State *L, int ref) {
  if (ref != 0) luaL_unref(L, LUA_REGISTRYINDEX, ref);
  return 0;
}

void rl_push_cancelled(lua_State *L, rl_scope *target) {
  luaL_checkstack(L, 8, "error object");
  if (!target || !target->reason) {
    bool deadline = target && target->because == RL_BECAUSE_DEADLINE;
    rl_push_error(L, "CANCELLED", deadline ? "cancelled: a deadline has passed" : "cancelled");
    return;
  }
  push_ref(L, target->reason);
  rl_push_message(L, -1);
  rl_push_error(L, "CANCELLED", "cancelled: %s", lua_tostring(L, -1));
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "reason");
  lua_replace(L, -3);
  lua_pop(L, 1);
}

void rl_scope_reason(lua_State *L, rl_scope *s, int index) {
  if (lua_isnoneornil(L, index) || s->reason || s->left) return;
  lua_pushvalue(L, index);
  s->reason = luaL_ref(L, LUA_REGISTRYINDEX);
}

rl_scope *rl_scope_open_here(lua_State *L, uint64_t due) {
  rl_state *st = rl_state_of(L);
  rl_scope *s = rl_scope_new(&st->loop, NULL);
  if (s && rl_scope_deadline(s, due) < 0) {
    rl_scope_unref(s);
    s = NULL;
  }
  if (!s) luaL_error(L, "not enough memory");
  rl_scope_enter(s, &st->current->core);
  return s;
}

void rl_scope_fail(lua_State *L, rl_scope *s) {
  if (!s->failure) {
    if (rl_trace_is_new(L, -1)) rl_suppressed_forget(L, -1);
    s->failure = luaL_ref(L, LUA_REGISTRYINDEX);
    rl_scope_cancel(s, RL_BECAUSE_FAILURE, RL_GRACE_DEFAULT);
    return;
  }
  push_ref(L, s->failure);
  lua_insert(L, -2);
  if (lua_rawequal(L, -1, -2) && rl_trace_is_awaited(L, -1)) {
    lua_pop(L, 1);  // the same failure, by way of an await
  } else {
    rl_suppress(L, -2);
  }
  lua_pop(L, 1);
}

void rl_scope_fail_without_memory(rl_scope *s) {
  if (s->failure) return;
  s->failure = REF_NO_MEMORY;
  rl_scope_cancel(s, RL_BECAUSE_FAILURE, RL_GRACE_DEFAULT);
}

// The failure of `s`, if any, pushed.
static bool push_failure(lua_State *L, rl_scope *s) {
  if (!s->failure) return false;
  push_ref(L, s->failure);
  s->failure = drop_ref(L, s->failure);
  return true;
}

static bool in_flight(lua_State *L, const rl_task *t) {
  return t->unwinding && rl_is_error(L, -1, "CANCELLED");
}

// The list's errors, from its `first` on, become suppressed by the one at the top.
static void suppress_all(lua_State *L, int list, int first) {
  int count = (int)lua_rawlen(L, list);
  for (int i = first; i <= count; i++) {
    lua_rawgeti(L, list, i);
    rl_suppress(L, -2);
  }
}

// An error suppressed by a cancellation that ends here is nobody else's any more.
bool rl_promote_suppressed(lua_State *L) {
  if (!rl_push_suppressed(L, -1)) return false;
  int list = lua_gettop(L);
  luaL_checkstack(L, 6, "error object");
  lua_rawgeti(L, list, 1);
  suppress_all(L, list, 2);
  lua_remove(L, list);
  return true;
}

// The body's cancellation, under the failure at the top that takes its place, may have suppressed
// others.
static void take_over_suppressed(lua_State *L) {
  if (!rl_push_suppressed(L, -2)) return;
  lua_insert(L, -2);
  suppress_all(L, lua_gettop(L) - 1, 1);
  lua_remove(L, -2);
}

// Failed tasks whose handles nobody has awaited: their errors are the scope's.
static void settle_unclaimed(lua_State *L, rl_scope *s) {
  if (!s->unclaimed) return;
  s->unclaimed = false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rl_state_of(L)->unclaimed);
  lua_rawgetp(L, -1, s);
  lua_pushnil(L);
  lua_rawsetp(L, -3, s);
  int list = lua_gettop(L), count = (int)lua_rawlen(L, list);
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, list, i);
    rl_handle *h = lua_touserdata(L, -1);
    if (!h->claimed) {
      h->claimed = true;
      lua_getiuservalue(L, -1, 1);
      if (h->ended == RL_ENDED_CANCELLED && rl_promote_suppressed(L)) lua_replace(L, -2);
      rl_trace_spawned(L, -1, h->site);
      rl_scope_fail(L, s);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
}

// What a left scope comes to. RAISE, RAISE_CANCELLED: an error is at the top; the latter goes on as
// the cancellation it is, whereas a CANCELLED got by awaiting another task is an error like others.
typedef enum { RETURN_VALUES, RETURN_NOTHING, RETURN_FALSE, RAISE, RAISE_CANCELLED } verdict;

static verdict raise_timeout(lua_State *L) {
  rl_push_error(L, "TIMEOUT", "timed out");
  return RAISE;
}

// A failure in a scope that a deadline or a cancel has ended came second: it is suppressed by that.
static verdict with_failure(lua_State *L, rl_scope *s, rl_leaving how) {
  rl_task *t = rl_current(L);
  verdict v = RAISE;
  if (s->body == RL_BODY_TIMEOUT && how == RL_ABSORBS && s->because == RL_BECAUSE_DEADLINE) {
    raise_timeout(L);
  } else if (s->body == RL_BODY_TASK && how != RL_LEAVES && s->because != RL_BECAUSE_FAILURE) {
    rl_push_cancelled(L, how == RL_PASSES ? t->unwinding : s);
    v = RAISE_CANCELLED;
  } else {
    return RAISE;
  }
  lua_insert(L, -2);
  rl_suppress(L, -2);
  return v;
}

// The cancellation ended here: by what kind of body?
static verdict absorbed(lua_State *L, rl_body body, rl_scope *s) {
  switch (body) {
    case RL_BODY_TIMEOUT:
      return s->because == RL_BECAUSE_DEADLINE ? raise_timeout(L) : RETURN_NOTHING;
    case RL_BODY_MOVE_ON: return RETURN_FALSE;
    case RL_BODY_TASK:
      if (s->ok) rl_push_cancelled(L, s);
      return RAISE_CANCELLED;
    default: return RETURN_NOTHING;
  }
}

static verdict judge(lua_State *L, rl_scope *s, bool *delivered) {
  rl_task *t = rl_current(L);
  settle_unclaimed(L, s);
  *delivered = s->waited && !t->unwinding && rl_task_deliver(t);
  rl_leaving how = rl_scope_leave(s);
  rl_list_push(&rl_state_of(L)->parting, &s->sibling);  // what follows may raise for want of memory
  rl_body body = s->body;
  if (push_failure(L, s)) {
    if (s->own_failure) {
      rl_trace_keep(L, -1);
    } else {
      rl_trace_transit(L, -1, 0);
    }
    if (!s->ok) take_over_suppressed(L);
    return with_failure(L, s, how);
  }
  if (!s->ok && how == RL_ABSORBS && body != RL_BODY_TASK && rl_promote_suppressed(L)) {
    rl_trace_keep(L, -1);
    return with_failure(L, s, how);
  }
  if (how == RL_PASSES) {
    if (s->ok) rl_push_cancelled(L, t->unwinding);
    return RAISE_CANCELLED;
  }
  if (how == RL_ABSORBS && (!s->ok || *delivered)) return absorbed(L, body, s);
  if (body == RL_BODY_GROUP && s->because == RL_BECAUSE_CALL) return RETURN_NOTHING;
  return RETURN_VALUES;
}

static void drop_body(lua_State *L, rl_scope *s) {
  s->reason = drop_ref(L, s->reason);
  rl_link_remove(&s->sibling);
  rl_scope_unref(s);
}

void rl_scope_abandon(lua_State *L, rl_scope *s, rl_scope *heir) {
  luaL_checkstack(L, 10, "scope");
  settle_unclaimed(L, s);
  if (push_failure(L, s)) rl_scope_fail(L, heir);
  rl_scope_disown(s);
  rl_scope_leave(s);
  drop_body(L, s);
}

static int joined(lua_State *L, rl_scope *s) {
  lua_KFunction then = (lua_KFunction)s->then;
  int base = s->base;
  bool delivered, ok = s->ok, move_on = s->body == RL_BODY_MOVE_ON;
  luaL_checkstack(L, 10, "scope");
  verdict v = judge(L, s, &delivered);
  drop_body(L, s);
  if (then) {
    bool raises = v == RAISE || v == RAISE_CANCELLED;
    return then(L, raises ? LUA_ERRRUN : LUA_OK,
                v == RAISE_CANCELLED || (v == RETURN_VALUES && ok));
  }
  switch (v) {
    case RAISE:
    case RAISE_CANCELLED: return lua_error(L);
    case RETURN_NOTHING: return 0;
    case RETURN_FALSE: lua_pushboolean(L, 0); return 1;
    case RETURN_VALUES: break;
  }
  if (move_on) {
    lua_pushboolean(L, 1);
    lua_insert(L, base + 1);
  }
  return lua_gettop(L) - base;
}

// Waits for the members; again, if somebody has spawned into the scope since the last one ended.
static int join(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_scope *s = (rl_scope *)ctx;
  rl_task *t = rl_current(L);
  if (!rl_task_join(t, s)) return joined(L, s);
  s->waited = true;
  t->op = &t->wait;
  t->state = RL_TASK_BLOCKED;
  return lua_yieldk(L, 0, ctx, join);
}

static int finish_body(lua_State *L, rl_scope *s, bool ok) {
  s->ok = ok;
  if (!ok && !in_flight(L, rl_current(L))) {
    s->own_failure = !s->failure;
    rl_scope_fail(L, s);
    s->ok = true;  // it is the scope's now, and nothing is on the stack
  }
  if (s->member_count == 0 && rl_can_wait(L)) return rl_no_wait(L, join, (lua_KContext)s);
  return join(L, LUA_OK, (lua_KContext)s);
}

// True if the current task owns `s`. A generator with a body in it may have been taken over by
// another task, and `s` be gone with the one that began it.
static bool is_own(lua_State *L, const rl_scope *s) {
  const rl_task *t = rl_current(L);
  for (const rl_scope *own = t->scope; own->owner == t; own = own->parent) {
    if (own == s) return true;
  }
  return false;
}

static int body_over(lua_State *L, int status, lua_KContext ctx) {
  bool ok = status == LUA_OK || status == LUA_YIELD;
  if (RL_LIKELY(is_own(L, (rl_scope *)ctx))) return finish_body(L, (rl_scope *)ctx, ok);
  if (!ok) return lua_error(L);
  return rl_raise(L, "DENIED", "scope: its coroutine was resumed by another task than began it");
}

int rl_scope_call(lua_State *L, rl_scope *s, rl_body body, int nargs) {
  lua_pushcfunction(L, rl_trace_handler);
  int handler = lua_gettop(L) - nargs - 1;
  lua_insert(L, handler);
  s->body = (uint8_t)body;
  s->base = handler;
  int status = lua_pcallk(L, nargs, LUA_MULTRET, handler, (lua_KContext)s, body_over);
  return body_over(L, status, (lua_KContext)s);
}

int rl_scope_finish(lua_State *L, rl_scope *s, rl_body body, int base, bool ok,
                    lua_KFunction then) {
  s->body = (uint8_t)body;
  s->base = base;
  s->then = (void (*)(void))then;
  if (s->member_count > 0 && !rl_can_wait(L)) {
    rl_scope_cancel(s, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
    rl_scope_disown(s);
  }
  return finish_body(L, s, ok);
}

lua_KContext rl_protect_mark(lua_State *L) {
  rl_ltask *t = rl_state_of(L)->current;
  if (!t) return 0;
  return (lua_KContext)((t->core.forced << 1) | (t->core.unwinding != NULL));
}

// A message handler, or code that raised it again, has made text or nothing of the cancellation.
static bool is_worn_cancellation(lua_State *L) {
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  return lua_isnil(L, -1) || (text && strstr(text, "CANCELLED: "));
}

bool rl_protect_passes(lua_State *L, lua_KContext mark) {
  const rl_ltask *t = rl_state_of(L)->current;
  return t && t->core.unwinding && mark != rl_protect_mark(L);
}

void rl_protect_done(lua_State *L, lua_KContext mark, bool failed) {
  rl_ltask *t = rl_state_of(L)->current;
  if (!rl_protect_passes(L, mark)) return;
  if (failed && rl_is_error(L, -1, "CANCELLED")) lua_error(L);
  if (failed && is_worn_cancellation(L)) failed = false;
  rl_push_cancelled(L, t->core.unwinding);
  if (failed) {
    lua_insert(L, -2);
    rl_suppress(L, -2);
  }
  lua_error(L);
}

uint64_t rl_check_cancel_options(lua_State *L, int index, int *reason) {
  static const char *const names[] = {"grace", "reason", NULL};
  *reason = index;
  if (!lua_istable(L, index) || lua_getmetatable(L, index)) return RL_GRACE_DEFAULT;
  rl_check_options(L, index, names);
  uint64_t grace = rl_option_seconds(L, index, "grace", RL_GRACE_DEFAULT);
  lua_getfield(L, index, "reason");
  *reason = lua_gettop(L);
  return grace;
}
