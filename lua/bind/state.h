// The Lua side of a runtime: one Lua state, its loop, and the task that runs now.
// Every coroutine finds it in its extra space, which Lua copies from the main thread.
#ifndef RL_BIND_STATE_H
#define RL_BIND_STATE_H

#include "runtime/core/loop.h"
#include "runtime/core/task.h"
#include "runtime/thread/pool.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

typedef struct rl_state rl_state;
typedef struct rl_ltask rl_ltask;

// A coroutine of the pool: anchored once, at `anchor` in the registry's array of coroutines.
typedef struct rl_co {
  lua_State *L;
  int anchor;
} rl_co;

// Small integers that are given out and come back.
typedef struct rl_ids {
  int *free;
  int count, cap, last;
} rl_ids;

enum {
  RL_BUDGET = 256,       // waits ready at once before the task goes to the back of the queue
  RL_LEVELS_MAX = 4096,  // of a stack that are looked at: reaching one takes as many steps
  RL_CO_POOL = 16384,    // idle coroutines kept: the collector walks each
};

// Who is told of every step of a task; the task is gone after an `end` that is `over`.
typedef struct rl_probe {
  void (*begin)(struct rl_probe *, rl_ltask *, bool fresh);
  void (*end)(struct rl_probe *, rl_ltask *, bool over);
} rl_probe;

struct rl_state {
  rl_loop loop;
  lua_State *L;          // the main thread: never runs a task
  rl_ltask *current;     // the task that runs, or NULL
  rl_probe *probe;       // NULL while nobody looks
  lua_State *running;    // the innermost coroutine that runs it
  lua_State *stuck;      // a coroutine in the resume chain that cannot yield, or NULL
  int budget;            // waits ready at once that the current task has left
  int close_depth;       // coroutine.close calls nested on the C stack
  rl_scope *main_scope;  // around the main task
  rl_scope *detached;    // around detached tasks
  rl_list parting;       // scopes that have been left and not yet let go
  uint64_t last_id;      // of a task
  uint32_t alive;        // tasks that have not ended
  rl_job *records;       // of ended tasks, to use again: a handle may look at one for ever
  rl_co *pool;           // coroutines to use again
  int pool_count;
  rl_ids anchors, slots;
  int cos, handles;  // registry references: coroutines by anchor; task handles by slot (weak)
  int names;         // registry reference: task handle -> name (weak keys)
  int task_class;    // registry reference: the metatable of task handles
  const void *stream_class;  // the class of the stream that was looked at last
  int errors;                // registry reference: the metatable of error objects
  int suppressed;            // registry reference: error -> list of suppressed ones (weak keys)
  int traces;                // registry reference: error -> traceback (weak keys)
  int plain_traces;          // entries of it whose keys are plain values
  int plain_suppressed;      // the same of `suppressed`, since they were forgotten last
  int transit;               // registry reference: the error that was raised again last, or 0
  bool transit_task;         // it came from another task, with its trace complete
  bool transit_awaited;      // and who awaited that task got it: not a failure of its own
  lua_State *transit_from;   // the coroutine it was raised in
  int unclaimed;  // registry reference: scope -> handles of failed tasks nobody has awaited yet
  int orphans;    // registry reference: list of failed detached tasks, reported at the end of the
                  // tick
  int orphan_count;
  int base;  // registry reference: the functions of stdlib/base.lua, once loaded
  int (*load)(lua_State *L, const char *file);  // pushes the chunk of a file of stdlib/, or raises
  // sort and gsub: what their functions yield would cross a C call in standard Lua
  lua_CFunction guarded[2];
  // the runtime's own functions at the bottom of coroutines: no traceback shows them
  lua_CFunction roots[3];
  struct rl_sites *sites;       // interned FILE:LINE
  rl_pool cpu;                  // threads for CPU work; none starts before the first job
  size_t memory, memory_limit;  // bytes allocated by Lua; 0: no limit
  size_t watermark;             // an allocation beyond it is looked at more closely
  size_t live;                  // bytes left by the last cycle of the collector
  bool cycle_ended;             // and the next is not paced yet (lua/bind/pace.h)
  int pause;                    // of the collector, as we have set it last
  bool gifts;                   // Lua's strings can be made of blocks (lua/bind/gift.h)
  void *gift;                   // a block for the next allocation, or NULL
  size_t gift_size;             // which is of that many bytes
  uint64_t fail_in;             // stress build: the allocation that fails, counted down; 0: none
  int critical;  // > 0 while the scheduler itself uses Lua: no limit makes an allocation fail then
  bool refused;  // the last growth was refused: Lua collects, and tries once more
  void (*limit_hit)(rl_state *);       // it was refused again
  void (*before_resume)(lua_State *);  // or NULL: a task is about to run
  lua_Alloc alloc;                     // the host's allocator, or NULL: the slab
  void *alloc_ud;
  int reports;  // failures of detached tasks that a tick tells of, one by one
  bool failed;  // a detached task has failed: the program's exit status is 1
  void (*report)(rl_state *, const char *text);  // of failures nobody awaits; NULL: stderr
  bool debug;                                    // tell what is collected unclosed
  void *host;                                    // of the floor above
  const struct rl_birth *birth;  // how another runtime is made on another thread, or NULL
};

// Marks of a coroutine, in the low bits of its extra space.
enum {
  RL_CO_BUSY = 1,  // it runs, waits, or has resumed another: nobody else may resume or close it
  RL_CO_GUARDED =
      2,  // perhaps inside a sort or a gsub: it may wait there, but its script cannot yield
  RL_CO_WRAPPED = 4,  // made by wrap: its body is called by wrap_body
  RL_CO_MARKS = 7,
};

static inline rl_state *rl_state_of(lua_State *L) {
  return (rl_state *)(*(uintptr_t *)lua_getextraspace(L) & ~(uintptr_t)RL_CO_MARKS);
}
static inline bool rl_co_is(lua_State *co, unsigned mark) {
  return *(uintptr_t *)lua_getextraspace(co) & mark;
}
static inline void rl_co_mark(lua_State *co, unsigned mark, bool on) {
  uintptr_t *marks = lua_getextraspace(co);
  *marks = on ? *marks | mark : *marks & ~(uintptr_t)mark;
}

typedef struct rl_state_options {
  uv_loop_t *uv;    // NULL: its own
  lua_Alloc alloc;  // NULL: the slab allocator
  void *alloc_ud;
  size_t memory_limit;
  int pool_threads;          // 0: one a core
  bool no_env;               // do not read RILLE_SEED, LUA_PATH...
  struct rl_permit *permit;  // the state takes the reference; NULL: everything is permitted
} rl_state_options;

// Makes the Lua state with the standard libraries and rille's own coroutine functions. Negative: a
// libuv error.
int rl_state_init(rl_state *st, const rl_state_options *o);
// Tasks must have ended. Closes the Lua state and starts closing every handle: for a loop that is
// somebody else's to run; rl_state_fini follows once rl_loop_closed says so.
void rl_state_close(rl_state *st);
// The same, runs the loop until every handle is closed, and frees all.
void rl_state_fini(rl_state *st);

// Runs `f`, with `what` as its argument, in a protected call on the main thread: the scheduler must
// not be left by a jump. False: memory is out.
bool rl_state_protect(rl_state *st, lua_CFunction f, void *what);

// Writes a report to stderr, or hands it to the host.
void rl_report_text(rl_state *st, const char *text);

// A new table with weak keys ("k") or values ("v"), as a registry reference.
int rl_weak_table(lua_State *L, const char *mode);

int rl_ids_take(rl_ids *ids);  // 0 when memory is out
void rl_ids_give(rl_ids *ids, int id);

#endif
