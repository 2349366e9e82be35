// Lua tasks: a core task with the coroutine that runs it, its handle, and how its end is told.
#ifndef RL_BIND_TASK_H
#define RL_BIND_TASK_H

#include "lua/bind/class.h"
#include "lua/bind/state.h"

typedef enum {
  RL_MODE_SPAWN,   // its scope owns its failure
  RL_MODE_ASYNC,   // its handle owns it; the scope if nobody awaits
  RL_MODE_DETACH,  // reported if nobody awaits
  RL_MODE_CHILD,   // a combinator owns it: `child` is told
} rl_mode;

typedef enum { RL_ENDED_NOT, RL_ENDED_OK, RL_ENDED_FAILED, RL_ENDED_CANCELLED } rl_ended;

// How a combinator starts a child late, on its first run, and hears of its end.
typedef struct rl_child_kind {
  void (*prepare)(rl_ltask *t, lua_State *co);  // pushes the function to run
  // The values are the top `count` of co's stack; of a failed child one, the error.
  void (*ended)(rl_ltask *t, lua_State *co, int count, rl_ended how);
  bool of_host;    // `ended` raises nothing and calls the host
  bool allocates;  // `ended` needs memory also for a child that returned
} rl_child_kind;

struct rl_ltask {
  rl_task core;
  lua_State *L;       // the root coroutine; NULL before a late start
  lua_State **chain;  // user coroutines that run or wait in it, outermost first
  const rl_child_kind *child;
  void *parent;          // of the child kind
  struct rl_lock *held;  // the first of the locks it owns
  uint64_t id;
  uint64_t born;         // ms, as uv_now: when it was spawned
  uint64_t cpu;          // ns, while it was measured
  int index;             // of the child kind
  int anchor, slot;      // of the coroutine; of the handle
  int site;              // where it was spawned
  int vars;              // registry reference: task-local values, or 0
  int name;              // registry reference: its handle, kept because it has a name, or 0
  uint16_t depth, room;  // of the chain
  uint8_t mode, ended;   // rl_mode, rl_ended
};

// Its task's end leaves a handle as it is where there is nothing to keep: no result and no failure.
typedef struct rl_handle {
  rl_box box;
  rl_ltask *task;  // whose record may by now be another task's
  uint64_t id;
  int count;  // of results; more than one are in a table
  int site;
  uint8_t ended;  // rl_ended: how it has ended, once it has
  bool claimed;   // somebody has awaited it
} rl_handle;

// NULL once it has ended.
static inline rl_ltask *rl_handle_task(const rl_handle *h) {
  return h->task->id == h->id ? h->task : NULL;
}

extern const rl_class rl_task_class;

static inline rl_ltask *rl_ltask_of(rl_task *t) { return (rl_ltask *)t; }

// The function and its `nargs` arguments at the top of L become a task in `home`; pops them.
rl_ltask *rl_spawn(lua_State *L, rl_scope *home, int nargs, rl_mode mode);
// The same for a C function of a script's: pushes the handle, returns 1.
int rl_spawn_handle(lua_State *L, rl_scope *home, int nargs, rl_mode mode);
// `count` children, with indices from 1, that get their functions on their first runs.
void rl_spawn_children(lua_State *L, rl_scope *home, const rl_child_kind *kind, void *parent,
                       int count);

// The scope that rille.spawn spawns into: the innermost around the caller, its own body's if there
// is none. May raise.
rl_scope *rl_spawn_scope(lua_State *L);

// First run and end; called by lua/bind/resume.c alone.
bool rl_ltask_start(rl_ltask *t, int *nargs);  // false: memory is out
void rl_ltask_end(rl_state *st, rl_ltask *t, int count);

// Pushes its handle, which is made at the first need.
void rl_push_handle(lua_State *L, rl_ltask *t);
rl_handle *rl_new_handle(lua_State *L, rl_ltask *t);
// The handle at the top of the stack, above the table of them, if it is still in somebody's hands;
// else NULL, and anything there.
rl_handle *rl_find_handle(lua_State *L, const rl_ltask *t);

// Waits for a task's end: the handle is at index 1 of the caller's stack.
int rl_await_task(lua_State *L, rl_handle *h);

// The results of an ended task on L's stack, or raises its error. Counts as having awaited it.
int rl_push_results(lua_State *L, int handle);

// A failed detached task, whose handle is at the top of the main thread; what is told of those that
// nobody has awaited by the end of the tick.
void rl_orphans_add(rl_state *st);
void rl_orphans_report(rl_state *st);

#endif
