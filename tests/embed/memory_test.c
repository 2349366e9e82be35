// The n-th allocation of Lua fails, for every n: making a runtime, a call and closing answer with a
// status each time.
#include "lua/host/rille.h"
#include "tests/unit/test.h"

#include <stdbool.h>
#include <stdlib.h>

typedef struct allocator {
  long left;    // allocations until the failure; negative: none
  long blocks;  // alive
} allocator;

static void *allocate(void *ud, void *block, size_t old_size, size_t size) {
  (void)old_size;
  allocator *a = ud;
  if (size == 0) {
    a->blocks -= block != NULL;
    free(block);
    return NULL;
  }
  bool grows = !block || size > old_size;
  if (grows && a->left == 0) return NULL;
  if (grows && a->left > 0) a->left--;
  void *fresh = realloc(block, size);
  a->blocks += fresh && !block;
  return fresh;
}

static int calls, jobs, drops, posts;

static void ignore(void *ud, rille_runtime *rt, const char *traceback) {
  (void)ud, (void)rt, (void)traceback;
}

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results,
                    int count) {
  (void)call, (void)results, (void)count;
  calls++;
  *(rille_status *)ud = status;
}

static void job_work(void *job, const int *cancelled) {
  (void)cancelled;
  *(int *)job *= 2;
}

static int job_after(lua_State *L, void *job, rille_status status) {
  (void)status;
  lua_pushinteger(L, *(int *)job);
  return 1;
}

static void job_drop(void *job) {
  drops++;
  free(job);
}

static int host_work(lua_State *L) {
  int *job = malloc(sizeof *job);
  if (!job) return 0;
  jobs++;
  *job = 21;
  return rille_offload(L, job, job_work, job_after, job_drop);
}

// The message comes back as the wait's result, or the wait fails.
static int host_echo(lua_State *L) {
  rille_msg *msg;
  if (rille_msg_from_lua(L, 1, lua_gettop(L), &msg) != RILLE_OK) return lua_error(L);
  rille_op *op;
  int waits = rille_await(L, &op, NULL, NULL);
  rille_op_post(op, RILLE_OK, msg);
  return waits;
}

static int host_now(lua_State *L) {
  rille_op *op;
  int waits = rille_await(L, &op, NULL, NULL);
  lua_State *S = rille_op_stack(op);
  if (S) lua_pushinteger(S, 7);
  rille_op_resolve(op, 1);
  return waits;
}

static const rille_def defs[] = {{"work", RILLE_POOL, host_work},
                                 {"echo", RILLE_ASYNC, host_echo},
                                 {"now", RILLE_ASYNC, host_now},
                                 {NULL, 0, NULL}};

static void post_run(rille_runtime *rt, void *ud) { (void)rt, (void)ud, posts--; }
static void post_drop(void *ud) { (void)ud, posts--; }

static const char plain[] =
    "local function f(n) return setmetatable({n}, {__index = {}}) end\n"
    "local t = {} for i = 1, 20 do t[i] = f(i) end\n"
    "return #t, ('x'):rep(100)\n";

static const char busy[] =
    "local h, r = require 'host', require 'rille'\n"
    "local n = h.work() + h.now() + #h.echo({'x', 1, {true}})[1]\n"
    "local t = r.async(function(...) r.yield() return ... end)(1, 2, 3)\n"
    "local a, b, c = t:await()\n"
    "local d, e = r.gather(function() r.sleep(0) return 1 end, function() return 2 end)\n"
    "r.group(function(g) for i = 1, 3 do g:spawn(r.sleep, 0) end end)\n"
    "r.detach(r.yield)\n"
    "local ok, err = pcall(r.group, function(g) g:spawn(error, {}) r.sleep(1) end)\n"
    "if type(err) == 'string' then error(err) end\n"
    "return n + a + b + c + d + e\n";

typedef struct scenario {
  const char *script;
  size_t length;
  unsigned flags;
} scenario;

// True: everything worked.
static bool run(const scenario *s, long fail_at) {
  allocator a = {.left = fail_at};
  rille_options o;
  rille_options_init(&o, sizeof o);
  o.flags = RILLE_NO_SIGNALS | s->flags;
  o.alloc = allocate;
  o.alloc_ud = &a;
  o.pool_threads = 1;
  o.on_unhandled = ignore;
  rille_runtime *rt;
  rille_status status = rille_new(&o, &rt);
  if (status != RILLE_OK) {
    EXPECT(rt == NULL);
    EXPECT_EQ(status, RILLE_ENOMEM);
    EXPECT_EQ(a.blocks, 0);
    return false;
  }
  rille_status ended = RILLE_EBUSY;
  int expected = 0;
  calls = jobs = drops = posts = 0;
  status = rille_register(rt, "host", defs);
  if (status == RILLE_OK) status = rille_load(rt, s->script, s->length, "=script");
  if (status == RILLE_OK) {
    status = rille_call_async(rt, 0, NULL, on_done, &ended, NULL);
    expected = status == RILLE_OK;
  }
  EXPECT(status == RILLE_OK || status == RILLE_ENOMEM);
  posts += rille_post(rt, post_run, NULL, post_drop) == RILLE_OK;
  rille_run(rt, RILLE_RUN_DEFAULT);
  EXPECT_EQ(calls, expected);
  if (expected) EXPECT(ended == RILLE_OK || ended == RILLE_ENOMEM);
  EXPECT(rille_close(rt, 0, NULL, NULL) == RILLE_OK);
  rille_run(rt, RILLE_RUN_DEFAULT);
  EXPECT(rille_free(rt) == RILLE_OK);
  EXPECT_EQ(a.blocks, 0);
  EXPECT_EQ(jobs, drops);
  EXPECT_EQ(posts, 0);
  return status == RILLE_OK && ended == RILLE_OK;
}

static void walk(const char *name, const scenario *s) {
  EXPECT(run(s, -1));
  long n = 0;
  while (n < 20000 && !run(s, n)) n++;
  EXPECT(n > 100 && n < 20000);
  printf("%s: %ld allocations failed in turn\n", name, n);
}

int main(void) {
  walk("plain", &(scenario){plain, sizeof plain - 1, 0});
  walk("busy", &(scenario){busy, sizeof busy - 1, 0});
  walk("untrusted", &(scenario){busy, sizeof busy - 1, RILLE_UNTRUSTED});
  return test_result();
}
