// Many calls at once: those that do not wait share a task, and none of them can tell.
#include "lua/host/rille.h"
#include "tests/unit/test.h"

#include <lauxlib.h>
#include <pthread.h>
#include <string.h>

static rille_runtime *open_runtime(size_t memory_limit) {
  rille_options o;
  rille_options_init(&o, sizeof o);
  o.flags = RILLE_NO_SIGNALS;
  o.memory_limit = memory_limit;
  rille_runtime *rt;
  EXPECT(rille_new(&o, &rt) == RILLE_OK);
  return rt;
}

static void close_runtime(rille_runtime *rt) {
  EXPECT(rille_close(rt, 0, NULL, NULL) == RILLE_OK);
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK);
  EXPECT(rille_free(rt) == RILLE_OK);
}

// What the calls of one test came to, in the order of their ends.
typedef struct record {
  int count;
  rille_status status[2000];
  long value[2000];
} record;

static record seen;

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *L, int count) {
  (void)ud, (void)call;
  if (seen.count == 2000) return;
  seen.status[seen.count] = status;
  seen.value[seen.count++] = count ? (long)lua_tointeger(L, -count) : 0;
}

static void start(rille_runtime *rt, const char *text, int value, rille_call **out) {
  EXPECT(rille_load(rt, text, strlen(text), "=test") == RILLE_OK);
  lua_pushinteger(rille_lua(rt), value);
  int before = seen.count;
  EXPECT(rille_call_async(rt, 1, NULL, on_done, NULL, out) == RILLE_OK);
  EXPECT_EQ(seen.count, before);
}

static void run(rille_runtime *rt) { EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK); }

static void test_order(void) {
  rille_runtime *rt = open_runtime(0);
  seen.count = 0;
  for (int i = 0; i < 1000; i++) start(rt, "return ...", i, NULL);
  run(rt);
  EXPECT_EQ(seen.count, 1000);
  for (int i = 0; i < 1000; i++) EXPECT(seen.status[i] == RILLE_OK && seen.value[i] == i);
  EXPECT_EQ(lua_gettop(rille_lua(rt)), 0);
  close_runtime(rt);
}

// Some return, some wait, some fail.
static void test_mixed(void) {
  rille_runtime *rt = open_runtime(0);
  static const char text[] =
      "local i, r = ..., require('rille') if i % 5 == 1 then r.sleep(0.001) elseif i % 5 == 2 then "
      "error('oh') elseif i % 5 == 3 then r.spawn(function() r.yield() DONE = i end) end return i";
  seen.count = 0;
  for (int i = 0; i < 500; i++) start(rt, text, i, NULL);
  run(rt);
  EXPECT_EQ(seen.count, 500);
  long sum = 0;
  int failed = 0;
  for (int i = 0; i < 500; i++) {
    sum += seen.status[i] == RILLE_OK ? seen.value[i] : 0;
    failed += seen.status[i] == RILLE_EERROR;
  }
  EXPECT_EQ(failed, 100);
  EXPECT_EQ(sum, 500 * 499 / 2 - (100 * 99 / 2 * 5 + 200));
  lua_getglobal(rille_lua(rt), "DONE");
  EXPECT_EQ(lua_tointeger(rille_lua(rt), -1), 498);
  close_runtime(rt);
}

static void test_one_turn_begins_all(void) {
  rille_runtime *rt = open_runtime(0);
  seen.count = 0;
  for (int i = 0; i < 2000; i++) start(rt, "N = (N or 0) + 1 require('rille').sleep(1)", i, NULL);
  EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
  lua_getglobal(rille_lua(rt), "N");
  EXPECT_EQ(lua_tointeger(rille_lua(rt), -1), 2000);
  close_runtime(rt);
  EXPECT_EQ(seen.count, 2000);
  for (int i = 0; i < 2000; i++) EXPECT(seen.status[i] == RILLE_ECANCELED);
}

// Nothing of one call reaches the next: identity, name, task-local values, deadlines.
static void test_strangers(void) {
  rille_runtime *rt = open_runtime(0);
  static const char text[] =
      "local r = require('rille') V = V or r.var('unset') SEEN = SEEN or {} "
      "local i, me = ..., r.current() "
      "assert(not SEEN[me.id] and me.name == nil and V:get() == 'unset') SEEN[me.id] = true "
      "if i % 3 == 0 then me.name = 'x' elseif i % 3 == 1 then V:with(i, r.yield) else "
      "r.deadline(0) end "
      "return i";
  seen.count = 0;
  for (int i = 0; i < 100; i++) start(rt, text, i, NULL);
  run(rt);
  EXPECT_EQ(seen.count, 100);
  for (int i = 0; i < 100; i++) EXPECT(seen.status[i] == RILLE_OK);
  close_runtime(rt);
}

static void *cancel_elsewhere(void *ud) {
  rille_call **calls = ud;
  for (int i = 0; i < 3; i++) {
    rille_call_cancel(calls[i], "enough");
    rille_call_unref(calls[i]);
  }
  return NULL;
}

// A call that has not begun is cancelled too: at its first wait.
static void test_cancel(void) {
  rille_runtime *rt = open_runtime(0);
  rille_call *calls[3];
  seen.count = 0;
  start(rt, "return ...", 1, &calls[0]);
  start(rt, "require('rille').sleep(10)", 2, &calls[1]);
  start(rt, "local ok, err = pcall(require('rille').sleep, 10) return ok", 3, &calls[2]);
  start(rt, "return ...", 4, NULL);
  pthread_t thread;
  pthread_create(&thread, NULL, cancel_elsewhere, calls);
  pthread_join(thread, NULL);
  run(rt);
  EXPECT_EQ(seen.count, 4);
  int cancelled = 0;
  for (int i = 0; i < 4; i++) cancelled += seen.status[i] == RILLE_ECANCELED;
  EXPECT_EQ(cancelled, 2);
  close_runtime(rt);
}

static void start_another(void *ud, rille_call *call, rille_status status, lua_State *L,
                          int count) {
  (void)call, (void)status, (void)L, (void)count;
  rille_runtime *rt = ud;
  if (++seen.count >= 1000) return;
  lua_getglobal(rille_lua(rt), "F");
  EXPECT(rille_call_async(rt, 0, NULL, start_another, rt, NULL) == RILLE_OK);
}

static void test_chain(void) {
  rille_runtime *rt = open_runtime(0);
  seen.count = 0;
  EXPECT(rille_load(rt, "return 1", 8, "=f") == RILLE_OK);
  lua_setglobal(rille_lua(rt), "F");
  for (int i = 0; i < 3; i++) {
    lua_getglobal(rille_lua(rt), "F");
    EXPECT(rille_call_async(rt, 0, NULL, start_another, rt, NULL) == RILLE_OK);
  }
  run(rt);
  EXPECT_EQ(seen.count, 1002);
  close_runtime(rt);
}

static void close_all(void *ud, rille_call *call, rille_status status, lua_State *L, int count) {
  on_done(NULL, call, status, L, count);
  EXPECT(rille_close(ud, 0, NULL, NULL) == RILLE_OK);
}

// The rest of the line runs, to its first wait.
static void test_close_from_done(void) {
  rille_runtime *rt = open_runtime(0);
  seen.count = 0;
  EXPECT(rille_load(rt, "return 1", 8, "=f") == RILLE_OK);
  EXPECT(rille_call_async(rt, 0, NULL, close_all, rt, NULL) == RILLE_OK);
  start(rt, "return ...", 2, NULL);
  start(rt, "require('rille').sleep(10)", 3, NULL);
  start(rt, "return ...", 4, NULL);
  run(rt);
  EXPECT(rille_free(rt) == RILLE_OK);
  EXPECT_EQ(seen.count, 4);
  EXPECT(seen.status[1] == RILLE_OK && seen.value[1] == 2);
  EXPECT(seen.status[2] == RILLE_ECANCELED);
  EXPECT(seen.status[3] == RILLE_OK && seen.value[3] == 4);
}

static void test_many_arguments(void) {
  rille_runtime *rt = open_runtime(0);
  lua_State *L = rille_lua(rt);
  seen.count = 0;
  for (int n = 0; n < 5; n++) {
    EXPECT(rille_load(rt, "return select('#', ...)", 23, "=f") == RILLE_OK);
    EXPECT(lua_checkstack(L, 1000));
    for (int i = 0; i < 1000; i++) lua_pushinteger(L, i);
    EXPECT(rille_call_async(rt, 1000, NULL, on_done, NULL, NULL) == RILLE_OK);
    start(rt, "return ...", n, NULL);
  }
  run(rt);
  EXPECT_EQ(seen.count, 10);
  for (int n = 0; n < 10; n++) EXPECT(seen.value[n] == (n % 2 ? n / 2 : 1000));
  close_runtime(rt);
}

// What is interrupted before it begins is the first call alone.
static void test_interrupted_before(void) {
  rille_runtime *rt = open_runtime(0);
  seen.count = 0;
  for (int i = 0; i < 3; i++) start(rt, "return ...", i, NULL);
  rille_interrupt(rt, RILLE_EPERM);
  run(rt);
  EXPECT_EQ(seen.count, 3);
  EXPECT(seen.status[0] == RILLE_EPERM);
  EXPECT(seen.status[1] == RILLE_OK && seen.status[2] == RILLE_OK);
  close_runtime(rt);
}

// Values of calls that are over are garbage, also while the line never empties.
static void test_line_keeps_nothing(void) {
  rille_runtime *rt = open_runtime(8 << 20);
  lua_State *L = rille_lua(rt);
  seen.count = 0;
  static const char text[] = "require('rille').sleep(0) return #...";
  static char megabyte[1 << 20];
  for (int i = 0; i < 50; i++) {
    EXPECT(rille_load(rt, text, sizeof text - 1, "=f") == RILLE_OK);
    lua_pushlstring(L, megabyte, sizeof megabyte);
    EXPECT(rille_call_async(rt, 1, NULL, on_done, NULL, NULL) == RILLE_OK);
    if (i % 4 == 3) EXPECT(rille_run(rt, RILLE_RUN_NOWAIT) == RILLE_OK);
  }
  run(rt);
  EXPECT_EQ(seen.count, 50);
  for (int i = 0; i < 50; i++) EXPECT_EQ(seen.status[i], RILLE_OK);
  close_runtime(rt);
}

static void count_ok(void *ud, rille_call *call, rille_status status, lua_State *L, int count) {
  (void)call, (void)L, (void)count;
  *(int *)ud += status == RILLE_OK;
}

static void *live(void *ud) {
  rille_runtime *rt = open_runtime(0);
  static const char text[] = "require('rille').sleep(0) return 1";
  for (int i = 0; i < 200; i++) {
    EXPECT(rille_load(rt, text, sizeof text - 1, "=f") == RILLE_OK);
    EXPECT(rille_call_async(rt, 0, NULL, count_ok, ud, NULL) == RILLE_OK);
  }
  run(rt);
  close_runtime(rt);
  return NULL;
}

// The longest timeout is none: it does not wrap around.
static void test_endless_timeout(void) {
  rille_runtime *rt = open_runtime(0);
  static const char text[] = "require('rille').sleep(0.001)";
  EXPECT(rille_load(rt, text, sizeof text - 1, "=f") == RILLE_OK);
  rille_call_options o = {.size = sizeof o, .timeout_ns = UINT64_MAX};
  EXPECT_EQ(rille_call_wait(rt, 0, 0, &o), RILLE_OK);
  close_runtime(rt);
}

static void test_runtimes_on_threads(void) {
  pthread_t threads[3];
  int ended[3] = {0};
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, live, &ended[i]);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < 3; i++) EXPECT_EQ(ended[i], 200);
}

int main(void) {
  test_order();
  test_mixed();
  test_one_turn_begins_all();
  test_strangers();
  test_cancel();
  test_chain();
  test_close_from_done();
  test_many_arguments();
  test_interrupted_before();
  test_line_keeps_nothing();
  test_endless_timeout();
  test_runtimes_on_threads();
  return test_result();
}
