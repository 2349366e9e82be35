// The bodies of scopes, as Lua sees them: entered by a call, left when the members have ended, with
// one rule for what comes out.
#ifndef RL_BIND_SCOPE_H
#define RL_BIND_SCOPE_H

#include "lua/bind/state.h"

typedef enum {
  RL_BODY_GROUP,
  RL_BODY_TIMEOUT,
  RL_BODY_MOVE_ON,
  RL_BODY_SHIELD,
  RL_BODY_PLAIN,
  RL_BODY_TASK
} rl_body;

// A new scope entered by the current task, with a deadline or RL_NEVER. Raises when memory is out.
rl_scope *rl_scope_open_here(lua_State *L, uint64_t due);

// Calls the function below `nargs` arguments in `s`, which has just been entered, joins, leaves,
// and returns what the kind of body says, or raises. Drops the body's reference to `s`.
int rl_scope_call(lua_State *L, rl_scope *s, rl_body body, int nargs);

// For bodies that are over by themselves: joins, leaves and returns likewise. The values above
// `base`, or the error at the top, are the outcome. `then`, if not NULL, gets the verdict instead:
// LUA_ERRRUN with the error at the top, or LUA_OK, and a context that says whether the error is a
// cancellation on its way, or whether the values stand.
int rl_scope_finish(lua_State *L, rl_scope *s, rl_body body, int base, bool ok, lua_KFunction then);

// Leaves a scope whose body will never be over: its coroutine was closed or dropped. Its members go
// to the scope around it, its failures to `heir`.
void rl_scope_abandon(lua_State *L, rl_scope *s, rl_scope *heir);

// A member has failed with the error at the top; pops it. The first failure cancels the scope.
void rl_scope_fail(lua_State *L, rl_scope *s);

// The same with "not enough memory", and without any.
void rl_scope_fail_without_memory(rl_scope *s);

// Pushes the first error suppressed by the cancellation at the top, with the others as suppressed
// by it; false if there is none. What a cancellation suppressed is nobody else's once it has ended.
bool rl_promote_suppressed(lua_State *L);

// Sets the reason that errors will show: the value at `index`, or none.
void rl_scope_reason(lua_State *L, rl_scope *s, int index);

// The argument of a cancel: a reason, or {grace=, reason=}. Returns the grace period; `*reason` is
// where the reason stands.
uint64_t rl_check_cancel_options(lua_State *L, int index, int *reason);

// Pushes a Cancelled error for what the current task unwinds towards.
void rl_push_cancelled(lua_State *L, rl_scope *target);

// pcall's part: raises if a cancellation that was delivered since `mark` goes on past it. The
// error, if any, is at the top.
lua_KContext rl_protect_mark(lua_State *L);
void rl_protect_done(lua_State *L, lua_KContext mark, bool failed);
bool rl_protect_passes(lua_State *L, lua_KContext mark);  // true if it is to raise

#endif
