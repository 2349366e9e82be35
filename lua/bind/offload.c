// CPU work on the pool while the task waits.
#include "lua/bind/offload.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "runtime/base/check.h"

#include <stdlib.h>

// A part of a split job, but for the first, which is the job's own work.
typedef struct rl_offload_share {
  rl_work work;
  rl_offload *job;
} rl_offload_share;

// On the loop's thread: the job has ended, or was never run.
static void dispose(rl_offload *job) {
  if (job->drop) job->drop(job);
  free(job->shares);
  luaL_unref(job->state->L, LUA_REGISTRYINDEX, job->pinned);
  free(job);
}

static void on_run(rl_work *work) {
  rl_offload *job = rl_container_of(work, rl_offload, work);
  job->run(job, &work->cancelled);
}

static void part_done(rl_offload *job, bool ran) {
  if (--job->open > 0) return;
  if (rl_op_pending(&job->op)) {
    rl_op_finish(&job->op, ran ? 0 : RL_CANCELLED);
  } else {
    dispose(job);  // the task has left
  }
}

static void on_done(rl_work *work, bool ran) {
  part_done(rl_container_of(work, rl_offload, work), ran);
}

static void on_share_run(rl_work *work) {
  rl_offload *job = ((rl_offload_share *)work)->job;
  job->run(job, &work->cancelled);
}

static void on_share_done(rl_work *work, bool ran) {
  part_done(((rl_offload_share *)work)->job, ran);
}

void rl_offload_pair(lua_State *L, int a, int b) {
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, a);
  lua_rawseti(L, -2, 1);
  lua_pushvalue(L, b);
  lua_rawseti(L, -2, 2);
}

int rl_offload_part(const rl_offload *job, const atomic_bool *cancelled) {
  if (cancelled == &job->work.cancelled) return 0;
  return 1 + (int)(rl_container_of(cancelled, rl_offload_share, work.cancelled) - job->shares);
}

// The part that ends last disposes of the job: it may be gone when the last of these calls returns.
static rl_stop stop_job(rl_op *op) {
  rl_offload *job = rl_container_of(op, rl_offload, op);
  rl_pool *pool = &job->state->cpu;
  rl_offload_share *shares = job->shares;
  int parts = job->parts;
  bool all_queued = true;
  job->open++;
  for (int i = 1; i < parts; i++) all_queued &= rl_pool_cancel(pool, &shares[i - 1].work);
  all_queued &= rl_pool_cancel(pool, &job->work);
  part_done(job, false);
  return all_queued ? RL_STOP_NOW : RL_STOP_LEAVE;
}

static const rl_op_kind offload_kind = {"cpu:work", stop_job, NULL, RL_HOLD_REAL};

void *rl_offload_new(lua_State *L, size_t size, int pinned) {
  rl_checkpoint(L);
  RL_CHECK(size >= sizeof(rl_offload));
  int ref = LUA_NOREF;
  if (pinned) {
    lua_pushvalue(L, pinned);
    ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  rl_offload *job = calloc(1, size);
  if (!job) {
    luaL_unref(L, LUA_REGISTRYINDEX, ref);
    rl_raise_sys(L, UV_ENOMEM, "offload", NULL, NULL);
    return NULL;
  }
  job->state = rl_state_of(L);
  job->pinned = ref;
  atomic_init(&job->work.cancelled, false);
  rl_op_init(&job->op, &offload_kind);
  return job;
}

static int call_finish(lua_State *L) {
  rl_offload *job = lua_touserdata(L, 1);
  lua_settop(L, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, job->pinned);
  return job->finish(L, job);
}

// Protected, so that the job is released also if finish raises.
static int finish_job(lua_State *L, rl_offload *job) {
  int base = lua_gettop(L);
  if (!lua_checkstack(L, 2)) {
    dispose(job);
    return luaL_error(L, "stack overflow");
  }
  lua_pushcfunction(L, call_finish);
  lua_pushlightuserdata(L, job);
  int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  dispose(job);
  if (status != LUA_OK) return lua_error(L);
  return lua_gettop(L) - base;
}

int rl_offload_refuse(lua_State *L, rl_offload *job, int err) {
  dispose(job);
  return rl_raise_sys(L, err, "offload", NULL, NULL);
}

static int after_job(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_offload *job = (rl_offload *)ctx;
  int err = rl_awaited(L, &job->op);
  return err == 0 ? finish_job(L, job) : rl_offload_refuse(L, job, err);
}

// Whose turn it is: the tasks of one scope share theirs, so that a map over thousands does not hold
// up a single job beside it.
static const void *turn_of(rl_task *task) { return rl_task_home(task); }

// Where a thread cannot be had for a share, its part is done here.
static void submit_shares(rl_offload *job, rl_task *task) {
  for (int i = 1; i < job->parts; i++) {
    rl_offload_share *share = &job->shares[i - 1];
    share->job = job;
    share->work.run = on_share_run;
    share->work.done = on_share_done;
    job->open++;
    if (rl_pool_submit(&job->state->cpu, &share->work, turn_of(task)) == 0) continue;
    on_share_run(&share->work);
    job->open--;
  }
}

int rl_offload_run(lua_State *L, rl_offload *job) {
  rl_task *task = rl_current(L);
  if (job->parts < 1) job->parts = 1;
  if (job->parts > 1 && !(job->shares = calloc((size_t)job->parts - 1, sizeof *job->shares)))
    return rl_offload_refuse(L, job, UV_ENOMEM);
  job->work.run = on_run;
  job->work.done = on_done;
  job->open = 1;
  rl_op_begin(&job->op, task);
  int err = rl_pool_submit(&job->state->cpu, &job->work, turn_of(task));
  if (err < 0) {
    rl_op_finish(&job->op, err);
  } else {
    submit_shares(job, task);
  }
  return rl_await(L, &job->op, after_job, (lua_KContext)job);
}

// The task goes to the back of the queue after some hundred microseconds of work done at once.
static void charge(rl_state *state, size_t us) {
  int units = us < RL_BUDGET ? (int)us : RL_BUDGET;
  state->budget = state->budget > units ? state->budget - units : 1;
}

static int give_results(lua_State *L, int status, lua_KContext count) {
  (void)L;
  (void)status;
  return (int)count;
}

int rl_offload_inline(lua_State *L, rl_offload *job) {
  job->parts = 1;
  uint64_t start = uv_hrtime();
  job->run(job, &job->work.cancelled);
  charge(job->state, (size_t)(uv_hrtime() - start) / 1000);
  int count = finish_job(L, job);
  return rl_no_wait(L, give_results, count);
}

int rl_work_now(lua_State *L, size_t cost, lua_KFunction k, lua_KContext ctx) {
  charge(rl_state_of(L), cost);
  return rl_no_wait(L, k, ctx);
}
