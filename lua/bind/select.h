// Cases of rille.select: what a primitive offers so that one of several effects happens, and
// exactly one.
#ifndef RL_BIND_SELECT_H
#define RL_BIND_SELECT_H

#include "lua/bind/state.h"

// A case is a userdata: user value 1 is the primitive, user value 2 a value (to send).
typedef struct rl_case_kind {
  // Does it now if it can: pushes its values and returns their count, or -1. `object` and `value`
  // are stack indices. May raise.
  int (*try)(lua_State *L, int object, int value, lua_Integer argument);
  // Parks `op`, which has begun, and whose `on` is the object. op->status may say where on the
  // task's stack its value is.
  void (*park)(rl_op *op, int value, lua_Integer argument);
  // After the wake: pushes the values and returns their count. A waker may have pushed a value, at
  // index `handed`. May raise.
  int (*done)(lua_State *L, int object, int status, int handed);
  // The op has left the lot without being woken, or NULL.
  void (*left)(void *object);
} rl_case_kind;

typedef struct rl_case {
  const rl_case_kind *kind;
  lua_Integer argument;
  uint64_t after;  // a timer's case: nanoseconds, and kind is NULL
} rl_case;

// Pushes a case for the object at index `object`; `value` 0: none.
rl_case *rl_push_case(lua_State *L, const rl_case_kind *kind, int object, int value);
rl_case *rl_test_case(lua_State *L, int index);

#endif
