// A call: rille_call_async of a function that returns its argument at once. Arguments: calls in
// all, calls a run.
#include "lua/host/rille.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results,
                    int count) {
  (void)call, (void)count;
  if (status == RILLE_OK) *(long *)ud += (long)lua_tointeger(results, -1);
}

int main(int argc, char **argv) {
  static const char text[] = "local function f(x) return x end return f";
  long n = argc > 1 ? atol(argv[1]) : 100000, batch = argc > 2 ? atol(argv[2]) : 1000, sum = 0;
  rille_runtime *rt;
  if (rille_new(NULL, &rt) != RILLE_OK) return 1;
  lua_State *L = rille_lua(rt);
  if (rille_load(rt, text, strlen(text), "=f") != RILLE_OK) return 1;
  if (rille_call_wait(rt, 0, 1, NULL) != RILLE_OK) return 1;
  clock_t began = clock();
  for (long i = 0; i < n;) {
    for (long stop = i + batch < n ? i + batch : n; i < stop; i++) {
      lua_pushvalue(L, 1);
      lua_pushinteger(L, i);
      if (rille_call_async(rt, 1, NULL, on_done, &sum, NULL) != RILLE_OK) return 1;
    }
    rille_run(rt, RILLE_RUN_DEFAULT);
  }
  printf("ns %.2f\n", (double)(clock() - began) / CLOCKS_PER_SEC / (double)n * 1e9);
  rille_close(rt, 0, NULL, NULL);
  rille_run(rt, RILLE_RUN_DEFAULT);
  return rille_free(rt) == RILLE_OK && sum == n * (n - 1) / 2 ? 0 : 1;
}
