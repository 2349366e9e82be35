// Functions of the host that wait: how they are called, and work on the pool.
#include "lua/host/runtime.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"

#include <string.h>

typedef struct host_job {
  rl_work work;
  rl_op op;
  rl_state *st;
  void *job;
  void (*run)(void *job, const int *cancelled);
  int (*after)(lua_State *, void *job, rille_status);
  void (*drop)(void *);
  int cancelled;  // written by the loop's thread, polled by the pool's
} host_job;

const char *rl_host_status_code(rille_status status) {
  switch (status) {
    case RILLE_ENOMEM:
    case RILLE_EBUDGET: return "LIMIT";
    case RILLE_ECANCELED: return "CANCELLED";
    case RILLE_ETIMEOUT: return "TIMEOUT";
    case RILLE_EPERM: return "DENIED";
    case RILLE_ECLOSED: return "CLOSED";
    default: return "HOST";
  }
}

static void dispose(host_job *j) {
  if (j->drop) j->drop(j->job);
  free(j);
}

static void on_run(rl_work *work) {
  host_job *j = rl_container_of(work, host_job, work);
  j->run(j->job, &j->cancelled);
}

static void on_done(rl_work *work, bool ran) {
  host_job *j = rl_container_of(work, host_job, work);
  if (rl_op_pending(&j->op)) {
    rl_op_finish(&j->op, ran ? 0 : RL_CANCELLED);
  } else {
    dispose(j);  // the task has left
  }
}

static rl_stop stop_job(rl_op *op) {
  host_job *j = rl_container_of(op, host_job, op);
  __atomic_store_n(&j->cancelled, 1, __ATOMIC_RELAXED);
  return rl_pool_cancel(&j->st->cpu, &j->work) ? RL_STOP_NOW : RL_STOP_LEAVE;
}

static const rl_op_kind host_job_kind = {"host:work", stop_job, NULL, RL_HOLD_REAL};

int rille_offload(lua_State *L, void *job, void (*work)(void *, const int *),
                  int (*after)(lua_State *, void *, rille_status), void (*drop)(void *)) {
  const char *refused = NULL;
  if (!rl_host_may_wait(L)) {
    refused = "rille_offload is for functions registered as RILLE_POOL";
  } else if (!work) {
    refused = "rille_offload: no work";
  }
  host_job *j = refused ? NULL : calloc(1, sizeof *j);
  if (!j) {
    if (drop) drop(job);
    return luaL_error(L, "%s", refused ? refused : "not enough memory");
  }
  rille_runtime *rt = rl_runtime_of(L);
  *j = (host_job){.work = {.run = on_run, .done = on_done},
                  .st = &rt->st,
                  .job = job,
                  .run = work,
                  .after = after,
                  .drop = drop};
  rl_op_init(&j->op, &host_job_kind);
  rt->offloaded = j;
  return RL_HOST_OFFLOADS;
}

static int finish_protected(lua_State *L) {
  host_job *j = lua_touserdata(L, 1);
  lua_settop(L, 0);
  return j->after ? j->after(L, j->job, RILLE_OK) : 0;
}

static int after_job(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  host_job *j = (host_job *)ctx;
  rl_awaited(L, &j->op);
  int base = lua_gettop(L);
  lua_settop(L, base);
  lua_pushcfunction(L, finish_protected);
  lua_pushlightuserdata(L, j);
  int err = lua_pcall(L, 1, LUA_MULTRET, 0);
  dispose(j);
  if (err != LUA_OK) return lua_error(L);
  return lua_gettop(L) - base;
}

static int start_job(lua_State *L, host_job *j) {
  rl_task *task = rl_can_wait(L) ? rl_current(L) : NULL;
  bool cancelled = task && rl_task_deliver(task);
  if (!task || cancelled) {
    dispose(j);
    if (cancelled) return rl_raise_cancelled(L);
    rl_checkpoint(L);  // says what is in the way
    return 0;
  }
  lua_settop(L, 0);
  rl_op_begin(&j->op, task);
  int err = rl_pool_submit(&j->st->cpu, &j->work, task);
  if (err < 0) {
    rl_op_finish(&j->op, err);
    dispose(j);
    return rl_raise_sys(L, err, "offload", NULL, NULL);
  }
  return rl_await(L, &j->op, after_job, (lua_KContext)j);
}

// The host's function returns before its task yields: no jump crosses its frame.
static int call_waiting(lua_State *L) {
  rille_runtime *rt = rl_runtime_of(L);
  int count = lua_tocfunction(L, lua_upvalueindex(1))(L);
  if (count == RL_HOST_AWAITS) return rl_host_await(L, rt->awaited);
  if (count == RL_HOST_OFFLOADS) return start_job(L, rt->offloaded);
  return count;
}

bool rl_host_may_wait(lua_State *L) {
  lua_Debug ar;
  if (!lua_checkstack(L, 2) || !lua_getstack(L, 0, &ar) || !lua_getinfo(L, "f", &ar)) return false;
  bool may = lua_tocfunction(L, -1) == call_waiting;
  lua_pop(L, 1);
  return may;
}

void rl_push_host_function(lua_State *L, const rille_def *def) {
  lua_pushcfunction(L, def->function);
  if (def->kind != RILLE_SYNC) lua_pushcclosure(L, call_waiting, 1);
}
