// Messages: immutable values that cross threads. nil, booleans, numbers, strings, tables with their
// cycles and shared parts, Lua functions with upvalues that can travel, and things that are shared
// by reference.
//
// What cannot travel is refused by its path: "args[2].callback: a C function".
#ifndef RL_BIND_MESSAGE_H
#define RL_BIND_MESSAGE_H

#include "lua/bind/class.h"

#include <stdatomic.h>

// A thing that several states hold: channels, buffers, large strings. Embedded first in its struct.
typedef struct rl_shared rl_shared;
typedef struct rl_shared_kind {
  void (*destroy)(rl_shared *);  // any thread
  // The value that stands for it; takes references of its own.
  void (*push)(lua_State *, rl_shared *);
} rl_shared_kind;

struct rl_shared {
  const rl_shared_kind *kind;
  atomic_uint refs;
};

static inline void rl_shared_init(rl_shared *s, const rl_shared_kind *kind) {
  s->kind = kind;
  atomic_init(&s->refs, 1);
}
static inline void rl_shared_ref(rl_shared *s) {
  atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}
static inline void rl_shared_unref(rl_shared *s) {
  if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) s->kind->destroy(s);
}

// The userdata of a shared thing. Its metatable has "__shared", by which messages know it; `shared`
// may be NULL.
typedef struct rl_shared_box {
  rl_box box;
  rl_shared *shared;
} rl_shared_box;

int rl_shared_mark(lua_State *L);  // never called: the method "__shared"

typedef struct rl_msg rl_msg;

enum {
  RL_MSG_FLAT = 1,  // for another process: nothing by reference
};

// Packs `count` values from stack index `first` on, which stay there. 0 and a message with one
// reference; or a negative error, and the error object is pushed. In its path, the first value is
// `name`[`number`]; number 0 is "function".
int rl_msg_pack(lua_State *L, int first, int count, const char *name, int number, int flags,
                rl_msg **out);

// Pushes the values; how many. Raises when memory is out or a function's module is not found.
int rl_msg_push(lua_State *L, const rl_msg *m);

// The same, and lets go of the message, also when it raises.
int rl_msg_push_unref(lua_State *L, rl_msg *m);

// A message from bytes of a flat one: RL_INVALID if they are none, UV_ENOMEM.
int rl_msg_from_bytes(const char *bytes, size_t size, uint32_t count, bool functions, rl_msg **out);
const char *rl_msg_bytes(const rl_msg *m, size_t *size, uint32_t *count);

rl_msg *rl_msg_ref(rl_msg *m);  // any thread
void rl_msg_unref(rl_msg *m);   // any thread; NULL is nothing

#endif
