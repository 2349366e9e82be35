// rille.h as a host uses it: every entry, its statuses, exactly-once completion, closing in the
// middle of everything.
#include "lua/host/rille.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

static rille_runtime *open_runtime(unsigned flags) {
  rille_options o;
  rille_options_init(&o, sizeof o);
  o.flags = RILLE_NO_SIGNALS | flags;
  rille_runtime *rt = NULL;
  EXPECT(rille_new(&o, &rt) == RILLE_OK);
  EXPECT(rt != NULL);
  return rt;
}

static void count_closed(void *ud) { ++*(int *)ud; }

static void close_runtime(rille_runtime *rt) {
  int closed = 0;
  EXPECT(rille_free(rt) == RILLE_EBUSY);
  EXPECT(rille_close(rt, 1000000000, count_closed, &closed) == RILLE_OK);
  EXPECT(rille_close(rt, 0, NULL, NULL) == RILLE_ECLOSED);
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK);
  EXPECT(closed == 1);
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_ECLOSED);
  EXPECT(rille_free(rt) == RILLE_OK);
}

static void load(rille_runtime *rt, const char *text) {
  EXPECT(rille_load(rt, text, strlen(text), "=test") == RILLE_OK);
}

typedef struct outcome {
  int calls, count;
  rille_status status;
  char text[256];
} outcome;

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *L, int count) {
  (void)call;
  outcome *o = ud;
  o->calls++;
  o->status = status;
  o->count = count;
  const char *text = count > 0 ? luaL_tolstring(L, -count, NULL) : "";
  snprintf(o->text, sizeof o->text, "%s", text);
  if (count > 0) lua_pop(L, 1);
}

static outcome run(rille_runtime *rt, const char *text) {
  outcome o = {0};
  load(rt, text);
  EXPECT(rille_call_async(rt, 0, NULL, on_done, &o, NULL) == RILLE_OK);
  EXPECT(o.calls == 0);
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK);
  EXPECT(o.calls == 1);
  return o;
}

static void test_statuses(void) {
  rille_options o;
  rille_options_init(&o, sizeof o);
  rille_runtime *rt = (rille_runtime *)&o;
  EXPECT(rille_new(NULL, NULL) == RILLE_EINVAL);
  o.size = 3;
  EXPECT(rille_new(&o, &rt) == RILLE_EVERSION);
  EXPECT(rt == NULL);
  EXPECT(rille_run(NULL, 0) == RILLE_EINVAL);
  EXPECT(rille_close(NULL, 0, NULL, NULL) == RILLE_EINVAL);
  EXPECT(rille_free(NULL) == RILLE_OK);
  EXPECT(rille_lua(NULL) == NULL);
  EXPECT(rille_of(NULL) == NULL);
  EXPECT(rille_alive(NULL) == 0);
  EXPECT(rille_load(NULL, "", 0, "") == RILLE_EINVAL);
  EXPECT(rille_post(NULL, NULL, NULL, NULL) == RILLE_EINVAL);
  EXPECT(rille_call_async(NULL, 0, NULL, NULL, NULL, NULL) == RILLE_EINVAL);
  EXPECT(rille_register(NULL, NULL, NULL) == RILLE_EINVAL);
  EXPECT(rille_op_post(NULL, RILLE_OK, NULL) == RILLE_EINVAL);
  rille_msg *msg;
  EXPECT(rille_load_file(NULL, NULL) == RILLE_EINVAL);
  EXPECT(rille_call_wait(NULL, 0, 0, NULL) == RILLE_EINVAL);
  EXPECT(rille_msg_from_lua(NULL, 1, 0, &msg) == RILLE_EINVAL);
  EXPECT(rille_msg_push(NULL, NULL) == 0);
  EXPECT(rille_msg_ref(NULL) == NULL);
  EXPECT(rille_op_stack(NULL) == NULL);
  EXPECT(rille_exit_code(NULL) == 0);
  EXPECT(rille_backend_fd(NULL) == -1);
  EXPECT(rille_backend_timeout(NULL) == -1);
  rille_options_init(NULL, 0);
  rille_call_cancel(NULL, NULL);
  rille_call_unref(NULL);
  rille_op_resolve(NULL, 0);
  rille_op_reject(NULL, RILLE_EERROR, NULL);
  rille_msg_unref(NULL);
  rille_stop(NULL, 0);
  rille_interrupt(NULL, RILLE_ETIMEOUT);
  for (int i = -1; i < 20; i++) EXPECT(rille_strerror((rille_status)i) != NULL);
  rt = open_runtime(0);
  EXPECT(rille_run(rt, 99) == RILLE_EINVAL);
  EXPECT(rille_call_async(rt, 5, NULL, NULL, NULL, NULL) == RILLE_EINVAL);
  EXPECT(rille_call_async(rt, -1, NULL, NULL, NULL, NULL) == RILLE_EINVAL);
  EXPECT(rille_call_wait(rt, 0, -2, NULL) == RILLE_EINVAL);
  EXPECT(rille_load(rt, NULL, 0, NULL) == RILLE_EINVAL);
  EXPECT(rille_load_file(rt, NULL) == RILLE_EINVAL);
  EXPECT(rille_register(rt, NULL, NULL) == RILLE_EINVAL);
  EXPECT(rille_register(rt, "x", &(rille_def){"f", 9, NULL}) == RILLE_EINVAL);
  EXPECT(rille_post(rt, NULL, NULL, NULL) == RILLE_EINVAL);
  EXPECT(rille_msg_from_lua(rille_lua(rt), 1, 5, &msg) == RILLE_EINVAL);
  EXPECT(rille_msg_from_lua(rille_lua(rt), 1, 0, NULL) == RILLE_EINVAL);
  lua_pushboolean(rille_lua(rt), 1);
  EXPECT(rille_call_wait(rt, 0, 0, NULL) == RILLE_EERROR);  // no function
  lua_settop(rille_lua(rt), 0);
  EXPECT(rille_load_file(rt, "/no/such/file") == RILLE_EERROR);
  EXPECT(strstr(lua_tostring(rille_lua(rt), -1), "/no/such/file") != NULL);
  EXPECT(rille_load(rt, "x =", 3, "=x") == RILLE_ESYNTAX);
  EXPECT(rille_load(rt, "\033Lua", 4, "=x") == RILLE_ESYNTAX);
  EXPECT(rille_of(rille_lua(rt)) == rt);
  close_runtime(rt);
}

// Every function that belongs to the loop's thread, called from elsewhere.
static void *call_all_elsewhere(void *ud) {
  rille_runtime *rt = ud;
  rille_def none[] = {{NULL, 0, NULL}};
  EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_ETHREAD);
  EXPECT(rille_backend_fd(rt) == -1);
  EXPECT(rille_backend_timeout(rt) == -1);
  EXPECT(rille_alive(rt) == 0);
  EXPECT(rille_lua(rt) == NULL);
  EXPECT(rille_load(rt, "", 0, "=x") == RILLE_ETHREAD);
  EXPECT(rille_load_file(rt, "x") == RILLE_ETHREAD);
  EXPECT(rille_call_async(rt, 0, NULL, NULL, NULL, NULL) == RILLE_ETHREAD);
  EXPECT(rille_call_wait(rt, 0, 0, NULL) == RILLE_ETHREAD);
  EXPECT(rille_register(rt, "x", none) == RILLE_ETHREAD);
  EXPECT(rille_close(rt, 0, NULL, NULL) == RILLE_ETHREAD);
  EXPECT(rille_free(rt) == RILLE_ETHREAD);
  return NULL;
}

// The same on a runtime that closes, and on one that has closed.
static void expect_closed(rille_runtime *rt) {
  rille_def none[] = {{NULL, 0, NULL}};
  EXPECT(rille_lua(rt) == NULL);
  EXPECT(rille_load(rt, "", 0, "=x") == RILLE_ECLOSED);
  EXPECT(rille_load_file(rt, "x") == RILLE_ECLOSED);
  EXPECT(rille_call_async(rt, 0, NULL, NULL, NULL, NULL) == RILLE_ECLOSED);
  EXPECT(rille_call_wait(rt, 0, 0, NULL) == RILLE_ECLOSED);
  EXPECT(rille_register(rt, "x", none) == RILLE_ECLOSED);
  EXPECT(rille_close(rt, 0, NULL, NULL) == RILLE_ECLOSED);
  rille_stop(rt, 3);
  rille_interrupt(rt, RILLE_EPERM);
  EXPECT(rille_exit_code(rt) == 3);
}

static void test_out_of_place(void) {
  rille_runtime *rt = open_runtime(0);
  pthread_t thread;
  EXPECT(pthread_create(&thread, NULL, call_all_elsewhere, rt) == 0);
  pthread_join(thread, NULL);
  EXPECT(rille_close(rt, 0, NULL, NULL) == RILLE_OK);
  EXPECT(rille_free(rt) == RILLE_EBUSY);
  expect_closed(rt);
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK);
  expect_closed(rt);
  EXPECT(rille_backend_fd(rt) == -1);
  EXPECT(rille_backend_timeout(rt) == -1);
  EXPECT(rille_alive(rt) == 0);
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_ECLOSED);
  EXPECT(rille_free(rt) == RILLE_OK);
}

// A call that outlives its runtime in the host's hands.
static void test_call_after_runtime(void) {
  rille_runtime *rt = open_runtime(0);
  rille_call *calls[2];
  load(rt, "require('rille').sleep(10)");
  EXPECT(rille_call_async(rt, 0, NULL, NULL, NULL, &calls[0]) == RILLE_OK);
  load(rt, "return");
  EXPECT(rille_call_async(rt, 0, NULL, NULL, NULL, &calls[1]) == RILLE_OK);
  close_runtime(rt);
  for (int i = 0; i < 2; i++) {
    rille_call_cancel(calls[i], "late");
    rille_call_unref(calls[i]);
  }
}

static void test_calls(void) {
  rille_runtime *rt = open_runtime(0);
  outcome o = run(rt, "return 1, 2");
  EXPECT(o.status == RILLE_OK && o.count == 2 && strcmp(o.text, "1") == 0);
  o = run(rt, "require('rille').sleep(0.001) return 'slept'");
  EXPECT(o.status == RILLE_OK && strcmp(o.text, "slept") == 0);
  o = run(rt, "error('oh')");
  EXPECT(o.status == RILLE_EERROR && o.count == 2 && strcmp(o.text, "test:1: oh") == 0);
  o = run(rt, "error(setmetatable({}, {__tostring = function() return 'object' end}))");
  EXPECT(o.status == RILLE_EERROR && strcmp(o.text, "object") == 0);
  lua_State *L = rille_lua(rt);
  load(rt, "local a, b = ... require('rille').sleep(0.001) return a + b");
  lua_pushinteger(L, 2);
  lua_pushinteger(L, 3);
  EXPECT(rille_call_wait(rt, 2, 1, NULL) == RILLE_OK);
  EXPECT(lua_tointeger(L, -1) == 5);
  rille_call_options co = {.size = sizeof co, .timeout_ns = 1000000};
  load(rt, "require('rille').sleep(10)");
  EXPECT(rille_call_wait(rt, 0, 0, &co) == RILLE_ETIMEOUT);
  co.size = 1;
  load(rt, "return");
  EXPECT(rille_call_wait(rt, 0, 0, &co) == RILLE_EVERSION);
  close_runtime(rt);
}

static void *cancel_elsewhere(void *ud) {
  rille_call_cancel(ud, "enough");
  rille_call_unref(ud);
  return NULL;
}

static void test_cancel(void) {
  rille_runtime *rt = open_runtime(0);
  outcome o = {0};
  rille_call *call;
  load(rt,
       "local r = require('rille') local _ <close> = setmetatable({}, {__close = function() "
       "r.sleep(0.001) X = 1 end})"
       "r.sleep(10)");
  EXPECT(rille_call_async(rt, 0, NULL, on_done, &o, &call) == RILLE_OK);
  EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
  pthread_t thread;
  EXPECT(pthread_create(&thread, NULL, cancel_elsewhere, call) == 0);
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK);
  pthread_join(thread, NULL);
  EXPECT(o.calls == 1 && o.status == RILLE_ECANCELED);
  EXPECT(strstr(o.text, "enough") != NULL);
  lua_getglobal(rille_lua(rt), "X");
  EXPECT(lua_tointeger(rille_lua(rt), -1) == 1);
  close_runtime(rt);
}

static rille_op *waiting;
static int cancels;

static void on_cancel(rille_op *op, void *ud) {
  cancels++;
  if (ud) rille_op_reject(op, RILLE_ECANCELED, NULL);
}

static int host_wait(lua_State *L) {
  return rille_await(L, &waiting, on_cancel, lua_touserdata(L, 1));
}

static int host_now(lua_State *L) {
  rille_op *op;
  int waits = rille_await(L, &op, NULL, NULL);
  lua_State *S = rille_op_stack(op);
  lua_pushliteral(S, "now");
  lua_pushinteger(S, 7);
  rille_op_resolve(op, 2);
  return waits;
}

static int host_twice(lua_State *L) {
  lua_pushinteger(L, 2 * luaL_checkinteger(L, 1));
  return 1;
}

static int host_wrong(lua_State *L) {
  rille_op *op;
  return rille_await(L, &op, NULL, NULL);
}

typedef struct job {
  int input, output;
} job;

static int drops;
static void job_work(void *ud, const int *cancelled) {
  job *j = ud;
  if (!*cancelled) j->output = j->input * j->input;
}
static int job_after(lua_State *L, void *ud, rille_status status) {
  EXPECT(status == RILLE_OK);
  lua_pushinteger(L, ((job *)ud)->output);
  return 1;
}
static void job_drop(void *ud) {
  drops++;
  free(ud);
}
static int host_square(lua_State *L) {
  job *j = malloc(sizeof *j);
  j->input = (int)lua_tointeger(L, 1);
  return rille_offload(L, j, job_work, job_after, job_drop);
}

static const rille_def defs[] = {
    {"wait", RILLE_ASYNC, host_wait},  {"now", RILLE_ASYNC, host_now},
    {"twice", RILLE_SYNC, host_twice}, {"square", RILLE_POOL, host_square},
    {"wrong", RILLE_SYNC, host_wrong}, {NULL, 0, NULL},
};

static void *post_elsewhere(void *ud) {
  EXPECT(rille_op_post(waiting, RILLE_OK, ud) == RILLE_OK);
  return NULL;
}

static void test_functions(void) {
  rille_runtime *rt = open_runtime(0);
  EXPECT(rille_register(rt, "host", defs) == RILLE_OK);
  outcome o = run(
      rt, "local h = require 'host' local a, b = h.now() assert(b == 7) return a .. h.twice(4)");
  EXPECT(o.status == RILLE_OK && strcmp(o.text, "now8") == 0);
  o = run(rt, "return select(2, pcall(require('host').wrong))");
  EXPECT(strstr(o.text, "RILLE_ASYNC") != NULL);
  o = run(rt,
          "local h, r = require 'host', require 'rille' return table.concat({r.gather("
          "function() return h.square(3) end, function() return h.square(4) end)}, ' ')");
  EXPECT(strcmp(o.text, "9 16") == 0);
  EXPECT(drops == 2);
  o = run(rt,
          "table.sort({1, 2}, function() local h = require 'host' "
          "load(function() ERR = select(2, pcall(h.square, 3)) end) return false end) "
          "return tostring(ERR)");
  EXPECT(strstr(o.text, "cannot wait here") != NULL);
  EXPECT(drops == 3);

  outcome later = {0};
  load(rt, "return require('host').wait()");
  EXPECT(rille_call_async(rt, 0, NULL, on_done, &later, NULL) == RILLE_OK);
  EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
  lua_State *L = rille_lua(rt);
  lua_pushliteral(L, "posted");
  rille_msg *msg;
  EXPECT(rille_msg_from_lua(L, -1, 1, &msg) == RILLE_OK);
  pthread_t thread;
  pthread_create(&thread, NULL, post_elsewhere, msg);
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK);
  pthread_join(thread, NULL);
  EXPECT(later.calls == 1 && strcmp(later.text, "posted") == 0);

  load(rt, "return pcall(require('host').wait)");
  EXPECT(rille_call_async(rt, 0, NULL, on_done, &later, NULL) == RILLE_OK);
  EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
  rille_op_reject(waiting, RILLE_EPERM, "no %s", "way");
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK);
  EXPECT(later.calls == 2 && strcmp(later.text, "false") == 0);

  lua_pushcfunction(L, host_now);
  EXPECT(rille_msg_from_lua(L, -1, 1, &msg) == RILLE_EINVAL);
  lua_settop(L, 0);
  close_runtime(rt);
}

// The host still owes an end to every op: before, while and after the runtime closes.
static void test_close_while_waiting(void) {
  for (int mode = 0; mode < 3; mode++) {
    rille_runtime *rt = open_runtime(0);
    EXPECT(rille_register(rt, "host", defs) == RILLE_OK);
    outcome o = {0};
    cancels = 0;
    load(rt, "return require('host').wait(...)");
    if (mode == 0) {
      lua_pushlightuserdata(rille_lua(rt), rt);
    } else {
      lua_pushnil(rille_lua(rt));
    }
    EXPECT(rille_call_async(rt, 1, NULL, on_done, &o, NULL) == RILLE_OK);
    EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
    close_runtime(rt);
    EXPECT(o.calls == 1 && o.status == RILLE_ECANCELED && cancels == 1);
    if (mode == 1) EXPECT(rille_op_post(waiting, RILLE_OK, NULL) == RILLE_ECLOSED);
    if (mode == 2) rille_op_resolve(waiting, 0);
  }
}

static int ran, dropped;
static void post_fn(rille_runtime *rt, void *ud) {
  (void)rt, (void)ud;
  ran++;
}
static void post_drop(void *ud) {
  (void)ud;
  dropped++;
}

static void *post_many(void *ud) {
  for (int i = 0; i < 1000; i++) EXPECT(rille_post(ud, post_fn, NULL, post_drop) == RILLE_OK);
  EXPECT(rille_run(ud, RILLE_RUN_NOWAIT) == RILLE_ETHREAD);
  EXPECT(rille_lua(ud) == NULL);
  EXPECT(rille_close(ud, 0, NULL, NULL) == RILLE_ETHREAD);
  EXPECT(rille_free(ud) == RILLE_ETHREAD);
  return NULL;
}

static void test_posts(void) {
  rille_runtime *rt = open_runtime(0);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, post_many, rt);
  while (ran < 4000) EXPECT(rille_run(rt, RILLE_RUN_ONCE) == RILLE_OK);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  EXPECT(rille_post(rt, post_fn, NULL, post_drop) == RILLE_OK);
  EXPECT(rille_alive(rt) == 1);
  EXPECT(rille_close(rt, 0, NULL, NULL) == RILLE_OK);
  EXPECT(rille_post(rt, post_fn, NULL, post_drop) == RILLE_ECLOSED);
  EXPECT(dropped == 1);
  while (rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK) {}
  EXPECT(ran + dropped == 4002);
  EXPECT(rille_post(rt, post_fn, NULL, post_drop) == RILLE_ECLOSED);
  EXPECT(ran + dropped == 4003);
  EXPECT(rille_free(rt) == RILLE_OK);
}

static void test_injected_loop(void) {
  uv_loop_t loop;
  EXPECT(uv_loop_init(&loop) == 0);
  rille_options o;
  rille_options_init(&o, sizeof o);
  o.flags = RILLE_NO_SIGNALS;
  o.loop = &loop;
  rille_runtime *rt;
  EXPECT(rille_new(&o, &rt) == RILLE_OK);
  outcome done = {0};
  load(rt,
       "local r = require 'rille' r.gather(function() r.sleep(0.002) end, function() "
       "r.sleep(0.001) end) return 'ok'");
  EXPECT(rille_call_async(rt, 0, NULL, on_done, &done, NULL) == RILLE_OK);
  EXPECT(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  EXPECT(done.calls == 1 && strcmp(done.text, "ok") == 0);
  int closed = 0;
  EXPECT(rille_close(rt, 0, count_closed, &closed) == RILLE_OK);
  EXPECT(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  EXPECT(closed == 1);
  EXPECT(rille_free(rt) == RILLE_OK);
  EXPECT(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  EXPECT(uv_loop_close(&loop) == 0);
}

static void test_foreign_loop(void) {
  rille_runtime *rt = open_runtime(0);
  outcome o = {0};
  load(rt, "require('rille').sleep(0.005) return 'ok'");
  EXPECT(rille_backend_fd(rt) >= 0);
  EXPECT(rille_call_async(rt, 0, NULL, on_done, &o, NULL) == RILLE_OK);
  EXPECT(rille_backend_timeout(rt) == 0);
  EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
  int timeout = rille_backend_timeout(rt);
  EXPECT(timeout >= 1 && timeout <= 6);
  while (!o.calls) EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
  EXPECT(rille_backend_timeout(rt) == -1);
  close_runtime(rt);
}

// The descriptor itself tells of a timer: the timeout in milliseconds is only for hosts without it.
static void test_timer_in_descriptor(void) {
  rille_runtime *rt = open_runtime(0);
  outcome o = {0};
  load(rt, "for i = 1, 5 do require('rille').sleep(0.0021) end return 'ok'");
  int fd = rille_backend_fd(rt), turns = 0;
  EXPECT(rille_call_async(rt, 0, NULL, on_done, &o, NULL) == RILLE_OK);
  for (; !o.calls && turns < 50; turns++) {
    EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
    struct pollfd p = {fd, POLLIN, 0};
    if (!o.calls && rille_backend_timeout(rt) != 0) EXPECT_EQ(poll(&p, 1, 5000), 1);
  }
  EXPECT(o.calls == 1 && strcmp(o.text, "ok") == 0);
  EXPECT(turns < 25);
  struct pollfd quiet = {fd, POLLIN, 0};
  EXPECT_EQ(rille_backend_timeout(rt), -1);
  EXPECT_EQ(poll(&quiet, 1, 10), 0);
  close_runtime(rt);
}

static void *post_later(void *ud) {
  usleep(20000);
  EXPECT(rille_post(ud, post_fn, NULL, post_drop) == RILLE_OK);
  return NULL;
}

// An idle runtime sleeps in the host's poll until a post, and needs few turns.
static void test_idle(void) {
  rille_runtime *rt = open_runtime(0);
  EXPECT(rille_register(rt, "host", defs) == RILLE_OK);
  outcome o = {0};
  load(rt, "require('host').wait()");
  EXPECT(rille_call_async(rt, 0, NULL, on_done, &o, NULL) == RILLE_OK);
  EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
  int before = ran, turns = 0, fd = rille_backend_fd(rt);
  pthread_t thread;
  pthread_create(&thread, NULL, post_later, rt);
  for (; ran == before; turns++) {
    EXPECT_EQ(rille_backend_timeout(rt), -1);
    struct pollfd p = {fd, POLLIN, 0};
    EXPECT_EQ(poll(&p, 1, 5000), 1);
    EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
  }
  EXPECT(turns < 5);
  pthread_join(thread, NULL);
  struct pollfd quiet = {fd, POLLIN, 0};
  EXPECT_EQ(poll(&quiet, 1, 10), 0);  // what has been heard does not wake again
  rille_op_resolve(waiting, 0);
  EXPECT_EQ(rille_backend_timeout(rt), 0);
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK);
  EXPECT(o.calls == 1);
  close_runtime(rt);
}

static int connect_to(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
  return fd;
}

// Turns the runtime as its descriptor and its timeout say until `fd` is readable.
static void turn_until_readable(rille_runtime *rt, int fd) {
  struct pollfd both[2] = {{rille_backend_fd(rt), POLLIN, 0}, {fd, POLLIN, 0}};
  for (;;) {
    EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
    int timeout = rille_backend_timeout(rt);
    int told = poll(both, 2, timeout < 0 || timeout > 2000 ? 2000 : timeout);
    if (both[1].revents) return;
    if (told > 0 || timeout == 0) continue;
    EXPECT(!"nothing comes, and the runtime sleeps");
    return;
  }
}

// What a turn leaves to be done before the next poll is done before the host polls.
static void test_answers_leave(void) {
  static const char script[] =
      "local rille = require 'rille' "
      "local server <close> = require('rille.http').serve { port = 0, handler = function() "
      "  local told = false"
      "  return { body = function() "
      "    if told then rille.sleep(1000) end "
      "    told = true return 'x' end } "
      "end } "
      "PORT = server.port rille.sleep(1000)";
  static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  rille_runtime *rt = open_runtime(0);
  outcome o = {0};
  load(rt, script);
  EXPECT(rille_call_async(rt, 0, NULL, on_done, &o, NULL) == RILLE_OK);
  EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
  lua_State *L = rille_lua(rt);
  lua_getglobal(L, "PORT");
  int fd = connect_to((int)lua_tointeger(L, -1));
  lua_pop(L, 1);
  char answer[512];
  EXPECT_EQ(write(fd, request, sizeof request - 1), sizeof request - 1);
  turn_until_readable(rt, fd);
  EXPECT(recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0);
  close(fd);
  close_runtime(rt);
}

#if !defined(__SANITIZE_THREAD__)
static void *interrupt_elsewhere(void *ud) {
  usleep(20000);
  rille_interrupt(ud, RILLE_EPERM);
  return NULL;
}

static void test_interrupt(void) {
  rille_options o;
  rille_options_init(&o, sizeof o);
  rille_runtime *rt;
  EXPECT(rille_new(&o, &rt) == RILLE_OK);
  pthread_t thread;
  load(rt, "while true do pcall(function() while true do end end) end");
  pthread_create(&thread, NULL, interrupt_elsewhere, rt);
  EXPECT_EQ(rille_call_wait(rt, 0, 0, NULL), RILLE_EPERM);
  pthread_join(thread, NULL);
  EXPECT(run(rt, "local n = 0 for i = 1, 1000 do n = n + 1 end return n").status == RILLE_OK);
  close_runtime(rt);
}

#endif

static void test_many(int opens) {
  enum { MANY = 200 };
  rille_runtime *all[MANY];
  for (int i = 0; i < MANY; i++) all[i] = open_runtime(0);
  for (int i = 0; i < MANY; i++) EXPECT(run(all[i], "return 1").status == RILLE_OK);
  for (int i = 0; i < MANY; i++) close_runtime(all[i]);
  for (int i = 0; i < opens; i++) close_runtime(open_runtime(i % 2 ? RILLE_UNTRUSTED : 0));
}

// Argument: how many runtimes are made and closed in a row at the end.
int main(int argc, char **argv) {
  test_statuses();
  test_out_of_place();
  test_call_after_runtime();
  test_calls();
  test_cancel();
  test_functions();
  test_close_while_waiting();
  test_posts();
  test_injected_loop();
  test_foreign_loop();
  test_timer_in_descriptor();
  test_idle();
  test_answers_leave();
#if !defined(__SANITIZE_THREAD__)  // it holds signals back until a system call
  test_interrupt();
#endif
  test_many(argc > 1 ? atoi(argv[1]) : 500);
  return test_result();
}
