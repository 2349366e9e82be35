// rille.native.worker: threads that run a function of rille.worker.boot in a Lua state of their
// own.
#include "lua/bind/await.h"
#include "lua/bind/birth.h"
#include "lua/bind/error.h"
#include "lua/bind/interrupt.h"
#include "lua/bind/message.h"
#include "runtime/thread/worker.h"

#include <stdlib.h>
#include <string.h>

int rl_open_worker(lua_State *L);

enum { ENDED_OK = 1, ENDED_FAILED, ENDED_CANCELLED, ENDED_EXIT, ENDED_UNBORN };

static const uint64_t leave_within = 1000000000, cleanup_within = 1000000000;  // ns
static const char self_key[] = "rille.worker.self";

// What a thread is born with.
typedef struct start {
  rl_life_plan plan;
  const rl_birth *birth;
  void *inherited;
  rl_msg *arguments;
  rl_worker *worker;
} start;

typedef struct thread_box {
  rl_box box;
  rl_worker *worker;
  uint64_t calls;
} thread_box;

static int thread_join(lua_State *L);
static int thread_call(lua_State *L);
static int thread_stop(lua_State *L);
static int thread_is_over(lua_State *L);
static int thread_gc(lua_State *L);

static const luaL_Reg thread_methods[] = {{"join", thread_join}, {"call", thread_call},
                                          {"stop", thread_stop}, {"is_over", thread_is_over},
                                          {"__gc", thread_gc},   {NULL, NULL}};

static const rl_class thread_class = {"rille.WorkerThread", sizeof(thread_box), thread_methods};

// The worker's side.

static int boot_ended(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L);
}

// The task: plan -> results
static int worker_main(lua_State *L) {
  rl_life_plan *plan = lua_touserdata(L, 1);
  start *s = plan->ud;
  lua_pushlightuserdata(L, s->worker);
  lua_setfield(L, LUA_REGISTRYINDEX, self_key);
  lua_settop(L, 0);
  rl_state_of(L)->load(L, "worker/boot.lua");
  lua_call(L, 0, 1);
  rl_msg *arguments = s->arguments;
  s->arguments = NULL;
  int count = rl_msg_push_unref(L, arguments);
  lua_callk(L, count, LUA_MULTRET, 0, boot_ended);
  return boot_ended(L, LUA_OK, 0);
}

static void on_born(rl_life_plan *plan, rl_state *st) {
  start *s = plan->ud;
  rl_interrupt_here(rl_interrupt, st);
  rl_worker_born(s->worker, &st->loop, st);
}

static int pack_results(lua_State *L) {
  rl_msg **out = lua_touserdata(L, 1);
  if (rl_msg_pack(L, 2, lua_gettop(L) - 1, "results", 1, 0, out) < 0) return lua_error(L);
  return 0;
}

// An error value that cannot travel goes as its text.
static int pack_failure(lua_State *L) {
  rl_msg **out = lua_touserdata(L, 1);
  lua_settop(L, 3);
  if (rl_msg_pack(L, 2, 2, "error", 1, 0, out) == 0) return 0;
  lua_settop(L, 3);
  luaL_tolstring(L, 2, NULL);
  lua_replace(L, 2);
  if (rl_msg_pack(L, 2, 2, "error", 1, 0, out) < 0) return lua_error(L);
  return 0;
}

// Packs the top `count` values; on failure the error is at the top. Never raises.
static bool pack_by(lua_State *L, lua_CFunction f, int count, rl_msg **out) {
  if (!lua_checkstack(L, 4)) return false;
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, out);
  lua_rotate(L, -(count + 2), 2);
  return lua_pcall(L, count + 1, 0, 0) == LUA_OK;
}

static void on_ended(rl_life_plan *plan, lua_State *L, int count, bool ok, bool cancelled) {
  start *s = plan->ud;
  rl_msg *result = NULL;
  int status = ok ? ENDED_OK : cancelled ? ENDED_CANCELLED : ENDED_FAILED;
  if (ok && !pack_by(L, pack_results, count, &result)) {
    status = ENDED_FAILED;
    count = 1;
  }
  if (status == ENDED_FAILED) {
    if (count == 0) lua_pushliteral(L, "the worker's results need more memory than there is");
    pack_by(L, pack_failure, count ? count : 1, &result);
  }
  s->worker->result = result;
  s->worker->status = status;
}

static uint64_t on_dying(rl_life_plan *plan) {
  start *s = plan->ud;
  rl_worker_dying(s->worker);
  return rl_worker_stopping(s->worker) ? 0 : cleanup_within;
}

static void on_gone(rl_life_plan *plan) {
  (void)plan;
  rl_interrupt_here(NULL, NULL);
}

static void run_worker(rl_worker *w) {
  start *s = w->ud;
  s->worker = w;
  w->status = ENDED_UNBORN;
  void *inherited = s->inherited;
  s->inherited = NULL;
  s->birth->live(inherited, &s->plan);
  if (s->plan.exit_code >= 0) w->status = ENDED_EXIT;
}

static void stop_worker(void *child) {
  rl_state *st = child;
  rl_scope_cancel(st->main_scope, RL_BECAUSE_CALL, 0);
  rl_scope_cancel(st->detached, RL_BECAUSE_CALL, 0);
}

static void free_start(void *ud) {
  start *s = ud;
  if (s->inherited) s->birth->disinherit(s->inherited);
  rl_msg_unref(s->arguments);
  free(s);
}

static void drop_message(void *item) { rl_msg_unref(item); }

static const rl_worker_body body = {run_worker, stop_worker, free_start, drop_message};

static rl_worker *self_of(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, self_key);
  rl_worker *w = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return w;
}

// answer(call, ...): results for the parent's call
static int worker_answer(lua_State *L) {
  rl_worker *w = self_of(L);
  if (!w) return luaL_error(L, "only a worker answers");
  lua_Integer call = luaL_checkinteger(L, 1);
  rl_msg *m;
  if (rl_msg_pack(L, 2, lua_gettop(L) - 1, "results", 0, 0, &m) < 0) return lua_error(L);
  rl_worker_answer(w, (uint64_t)call, m);
  return 0;
}

static int worker_is_worker(lua_State *L) {
  lua_pushboolean(L, self_of(L) != NULL);
  return 1;
}

// The parent's side.

static int start_new(lua_State *L, start **out) {
  rl_state *st = rl_state_of(L);
  if (!st->birth) return luaL_error(L, "this runtime makes no workers");
  rl_msg *arguments;
  if (rl_msg_pack(L, 2, lua_gettop(L) - 1, "args", -5, 0, &arguments) < 0) return lua_error(L);
  start *s = calloc(1, sizeof *s);
  void *inherited = s ? st->birth->inherit(st) : NULL;
  if (!inherited) {
    rl_msg_unref(arguments);
    free(s);
    return rl_raise_sys(L, UV_ENOMEM, "worker", NULL, NULL);
  }
  *s = (start){.birth = st->birth, .inherited = inherited, .arguments = arguments};
  s->plan = (rl_life_plan){.ud = s,
                           .main = worker_main,
                           .born = on_born,
                           .ended = on_ended,
                           .dying = on_dying,
                           .gone = on_gone,
                           .exit_code = -1};
  *out = s;
  return 0;
}

// start({memory=, stack=}, ...) -> Thread that calls rille.worker.boot with what follows
static int worker_start(lua_State *L) {
  static const char *const names[] = {"memory", "stack", NULL};
  rl_check_options(L, 1, names);
  lua_Integer memory = rl_option_integer(L, 1, "memory", 0, INT64_C(1) << 46, 0);
  lua_Integer stack = rl_option_integer(L, 1, "stack", 1024 * 1024, INT64_C(1) << 34, 0);
  thread_box *t = rl_object_new(L, &thread_class, 0);
  lua_replace(L, 1);  // thread, arguments...
  start *s = NULL;
  start_new(L, &s);
  s->plan.memory_limit = (size_t)memory;
  int err = rl_worker_start(&t->worker, &rl_state_of(L)->loop, &body, s, (size_t)stack);
  if (err < 0) {
    t->worker = NULL;
    free_start(s);
    return rl_raise_sys(L, err, "worker", NULL, NULL);
  }
  lua_settop(L, 1);
  return 1;
}

static thread_box *check_thread(lua_State *L) {
  thread_box *t = rl_check_object(L, 1, &thread_class);
  luaL_argcheck(L, t->worker, 1, "a worker that was not started");
  return t;
}

static int thread_gc(lua_State *L) {
  thread_box *t = rl_check_object(L, 1, &thread_class);
  rl_worker *w = t->worker;
  t->worker = NULL;
  if (!w) return 0;
  rl_worker_leave(w, leave_within);
  rl_worker_unref(w);
  return 0;
}

static const char *ending(int status) {
  switch (status) {
    case ENDED_OK: return "ok";
    case ENDED_FAILED: return "failed";
    case ENDED_CANCELLED: return "cancelled";
    case ENDED_EXIT: return "exit";
    default: return "unborn";
  }
}

static int after_join(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_awaited(L, &((rl_worker_wait *)ctx)->op);
  const thread_box *t = check_thread(L);
  const rl_worker *w = t->worker;
  lua_pushstring(L, rl_worker_stopping(t->worker) ? "terminated" : ending(w->status));
  if (w->status == ENDED_EXIT) {
    lua_pushinteger(L, ((start *)w->ud)->plan.exit_code);
    return 2;
  }
  return w->result ? 1 + rl_msg_push(L, w->result) : 1;
}

// thread:join() -> "ok", results... | "failed", error, report | "cancelled" | "terminated" |
// "exit", code | "unborn"
static int thread_join(lua_State *L) {
  thread_box *t = check_thread(L);
  rl_checkpoint(L);
  lua_settop(L, 1);
  rl_worker_wait *wait = lua_newuserdatauv(L, sizeof *wait, 0);
  rl_worker_await(t->worker, wait, rl_current(L), 0);
  return rl_await(L, &wait->op, after_join, (lua_KContext)wait);
}

static int after_call(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_worker_wait *wait = (rl_worker_wait *)ctx;
  if (rl_awaited(L, &wait->op) == RL_CLOSED) return 0;
  return rl_msg_push_unref(L, wait->answer);
}

// thread:call(calls, pending, name, ...) -> what the worker answers; nothing if it has ended.
// pending.number is set.
static int thread_call(lua_State *L) {
  thread_box *t = check_thread(L);
  rl_checkpoint(L);
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checkany(L, 4);
  int count = lua_gettop(L);
  rl_worker_wait *wait = lua_newuserdatauv(L, sizeof *wait, 0);
  lua_insert(L, 2);  // thread, wait, calls, pending, name, ...
  lua_Integer call = (lua_Integer)++t->calls;
  luaL_checkstack(L, count + 4, "call");
  lua_getfield(L, 3, "post");
  lua_pushvalue(L, 3);
  lua_pushinteger(L, call);
  for (int i = 5; i <= count + 1; i++) lua_pushvalue(L, i);
  lua_call(L, count - 1, 0);
  lua_pushinteger(L, call);
  lua_setfield(L, 4, "number");
  lua_settop(L, 4);
  rl_worker_await(t->worker, wait, rl_current(L), (uint64_t)call);
  return rl_await(L, &wait->op, after_call, (lua_KContext)wait);
}

static int thread_stop(lua_State *L) {
  rl_worker_stop(check_thread(L)->worker);
  return 0;
}

static int thread_is_over(lua_State *L) {
  lua_pushboolean(L, check_thread(L)->worker->joined);
  return 1;
}

static const luaL_Reg functions[] = {
    {"start", worker_start},
    {"answer", worker_answer},
    {"is_worker", worker_is_worker},
    {NULL, NULL},
};

int rl_open_worker(lua_State *L) {
  rl_class_open(L, &thread_class);
  luaL_newlib(L, functions);
  return 1;
}
