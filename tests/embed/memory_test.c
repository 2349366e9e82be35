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

static int calls;
static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results,
                    int count) {
  (void)call, (void)results, (void)count;
  calls++;
  *(rille_status *)ud = status;
}

static const char script[] =
    "local function f(n) return setmetatable({n}, {__index = {}}) end\n"
    "local t = {} for i = 1, 20 do t[i] = f(i) end\n"
    "coroutine.yield = nil return #t, ('x'):rep(100)\n";

// True: everything worked.
static bool run(long fail_at) {
  allocator a = {.left = fail_at};
  rille_options o;
  rille_options_init(&o, sizeof o);
  o.flags = RILLE_NO_SIGNALS;
  o.alloc = allocate;
  o.alloc_ud = &a;
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
  calls = 0;
  status = rille_load(rt, script, sizeof script - 1, "=script");
  if (status == RILLE_OK) {
    status = rille_call_async(rt, 0, NULL, on_done, &ended, NULL);
    expected = status == RILLE_OK;
  }
  rille_run(rt, RILLE_RUN_DEFAULT);
  EXPECT_EQ(calls, expected);
  EXPECT(rille_close(rt, 0, NULL, NULL) == RILLE_OK);
  rille_run(rt, RILLE_RUN_DEFAULT);
  EXPECT(rille_free(rt) == RILLE_OK);
  EXPECT_EQ(a.blocks, 0);
  return status == RILLE_OK && ended == RILLE_OK;
}

int main(void) {
  EXPECT(run(-1));
  long n = 0;
  while (n < 20000 && !run(n)) n++;
  EXPECT(n > 100 && n < 20000);
  printf("%ld allocations failed in turn\n", n);
  return test_result();
}
