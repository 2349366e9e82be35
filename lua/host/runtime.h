// What a runtime is made of, for the files that implement rille.h.
#ifndef RL_HOST_RUNTIME_H
#define RL_HOST_RUNTIME_H

#include "lua/bind/state.h"
#include "lua/bind/task.h"
#include "lua/host/rille.h"

#include <stdatomic.h>

// The way to a runtime from other threads. It outlives the runtime: whoever may still post holds a
// reference.
typedef struct rl_port {
  atomic_int refs;
  uv_mutex_t lock;
  rille_runtime *rt;  // NULL once it is closed to posts
  bool closing;       // the host's own are refused already
} rl_port;

enum { RL_LAG_BUCKETS = 24, RL_SLOWEST = 8, RL_DEADLOCKS_MAX = 3 };

typedef enum { RL_LIFE_OPEN, RL_LIFE_CLOSING, RL_LIFE_DRAINING, RL_LIFE_CLOSED } rl_life;

struct rille_runtime {
  rl_state st;
  rl_port *port;
  uv_thread_t thread;
  rille_options options;
  rl_life life;
  rl_list pending;       // calls that stand in the line (lua/host/begin.c)
  rl_list calls, ended;  // running; over, to be freed after the turn
  uint32_t pending_count;
  uint64_t put_count;  // that have stood there since birth
  bool taking;         // a task that takes from the line is about to run
  lua_State *line;     // NULL before the first call
  int line_taken, line_cleared;
  rl_list ops;      // awaited by tasks or still to be ended by the host
  uint32_t posted;  // posts of the host that have not run; under port->lock
  bool injected;    // the uv loop is the host's
  bool running;     // inside rille_run
  bool watches_signals;
  atomic_bool stopping;
  atomic_int exit_code;  // -1: not set
  atomic_int interrupt;  // a rille_status that ends the running code; 0: none
  int deadlocks;         // met so far; after RL_DEADLOCKS_MAX the run ends
  bool interruptible;    // this process handles the signal that arms the hook
  bool warnings, warning_continues;
  void (*closed)(void *);
  void *closed_ud;
  rille_op *awaited;  // by the host's function that has just returned
  struct host_job *offloaded;
  struct rl_pump *pump;      // turns an injected loop
  struct rl_warm *warm;      // compiled files for its workers, once there is one
  struct rl_bundle *bundle;  // the files of a built program, or NULL
  struct rl_meter *meter;    // measures CPU time, or NULL

  atomic_uint asked;  // by signal handlers: lua/host/seeing.h
  struct {            // what was there before theirs
    lua_Hook function;
    int mask, count;
  } hook;
  rl_op interrupted;  // who waits for Ctrl-C, while it is claimed
  atomic_bool claimed;
  struct rl_watch *watch;  // these three: NULL while nobody looks
  struct rl_tracing *tracing;
  struct rl_profile *profile;
  rl_probe probe;  // the step that runs
  uint64_t step_began, step_cpu;
  uint64_t steps, busy, lag_max, lag_recent, lag[RL_LAG_BUCKETS];
  struct {
    uint64_t lasted, task;
    int site;
  } slowest[RL_SLOWEST];  // the longest first
};

static inline rille_runtime *rl_runtime_of(lua_State *L) { return rl_state_of(L)->host; }

// As rille_new, with permissions that are made already (NULL: none); takes the reference in every
// case.
rille_status rl_runtime_new(const rille_options *options, struct rl_permit *permit,
                            rille_runtime **out);

// The host's permissions; NULL: none. Negative: UV_ENOMEM, or `why` (RL_REFUSAL bytes) says it.
int rl_host_permit(const rille_options *o, struct rl_permit **out, char *why);

// RILLE_OK, or why the function may not be called: another thread, or closed.
rille_status rl_runtime_check(const rille_runtime *rt);
// The status of a failed protected call of Lua's API.
rille_status rl_status_of_lua(int code);

rl_port *rl_port_new(rille_runtime *rt);
void rl_port_ref(rl_port *port);
void rl_port_unref(rl_port *port);
// Any thread. False: closed, and the post was neither run nor dropped.
bool rl_port_post(rl_port *port, rl_post *post);
void rl_port_close(rl_port *port);

// The next turn has something to do at once.
bool rl_runtime_busy(const rille_runtime *rt);
// Runs one turn without polling, for an injected loop; drives closing forward.
void rl_runtime_turn(rille_runtime *rt, bool polled);
int rl_pump_start(rille_runtime *rt);
void rl_pump_stop(rille_runtime *rt);
void rl_pump_wake(rille_runtime *rt);  // there is something to do: the host's loop must not sleep

// One runtime of the process watches SIGINT and SIGTERM: the first cancels its main scope, a second
// ends the process.
void rl_signals_watch(rille_runtime *rt);
void rl_signals_leave(rille_runtime *rt);
// From `ns` on, a step of a task that does not come to an end is interrupted.
void rl_signals_timeout(rille_runtime *rt, uint64_t ns);
// While claimed, Ctrl-C is the claimer's business.
void rl_signals_claim(rille_runtime *rt, bool on);
// After a turn: acts on a signal that has come.
void rl_signals_look(rille_runtime *rt);

// Prints what each task waits for, and where, on stderr or to the host.
void rl_report_deadlock(rl_state *st);

// Every call that has not ended fails with a deadlock error; cleanup may run.
void rl_calls_deadlock(rille_runtime *rt);
void rl_calls_reap(rille_runtime *rt);
static inline bool rl_calls_any(const rille_runtime *rt) {
  return !rl_list_empty(&rt->calls) || !rl_list_empty(&rt->pending);
}

// Limits of memory and CPU time. Tasks run between enter and leave.
int rl_limits_open(rille_runtime *rt);
void rl_limits_close(rille_runtime *rt);
rille_runtime *rl_limits_enter(rille_runtime *rt);
void rl_limits_leave(rille_runtime *rt, rille_runtime *outer);
int rl_limits_take(rille_runtime *rt);  // why the call that has failed was stopped, or 0

// Functions of the host that wait return one of these to call_waiting (lua/host/work.c).
enum { RL_HOST_AWAITS = -7031, RL_HOST_OFFLOADS = -7032 };
bool rl_host_may_wait(lua_State *L);  // the running function is one of them
int rl_host_await(lua_State *L, rille_op *op);
const char *rl_host_status_code(rille_status status);  // as scripts see it: "TIMEOUT"
void rl_push_host_function(lua_State *L, const rille_def *def);
void rl_ops_orphan(rille_runtime *rt);  // the runtime is gone; the host still has to end them

// Something has become ready outside a turn.
void rl_runtime_stir(rille_runtime *rt);

void rl_output_open(lua_State *L);
int rl_host_search(lua_State *L);  // the host's searcher for require

extern const struct rl_birth rl_host_birth;  // lua/host/birth.c: workers

// The state as a host finds it: modules, `arg`, limits, what flags take away. Raises.
void rl_runtime_furnish(lua_State *L, rille_runtime *rt);

#endif
