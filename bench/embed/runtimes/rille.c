// Runtimes: how long one takes to be made and closed, and what each of many that are open at once
// holds in memory, after a call. Argument: how many.
#include "lua/host/rille.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static rille_runtime *open_one(void) {
  rille_runtime *rt;
  return rille_new(NULL, &rt) == RILLE_OK ? rt : NULL;
}

static int close_one(rille_runtime *rt) {
  rille_close(rt, 0, NULL, NULL);
  rille_run(rt, RILLE_RUN_DEFAULT);
  return rille_free(rt) == RILLE_OK;
}

static int use(rille_runtime *rt) {
  static const char text[] = "return 1 + 1";
  if (rille_load(rt, text, strlen(text), "=text") != RILLE_OK) return 0;
  if (rille_call_wait(rt, 0, 1, NULL) != RILLE_OK) return 0;
  lua_settop(rille_lua(rt), 0);
  return 1;
}

static long resident(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%*d %ld", &pages) != 1) exit(1);
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(int argc, char **argv) {
  int n = argc > 1 ? atoi(argv[1]) : 1000;
  rille_runtime **all = calloc((size_t)n, sizeof *all);
  if (!all || !close_one(open_one())) return 1;
  double began = now();
  for (int i = 0; i < n; i++) {
    if (!close_one(open_one())) return 1;
  }
  printf("us %.1f\n", (now() - began) / n);
  long before = resident();
  for (int i = 0; i < n; i++) {
    all[i] = open_one();
    if (!all[i] || !use(all[i])) return 1;
  }
  printf("bytes %ld\n", (resident() - before) / n);
  for (int i = 0; i < n; i++) {
    if (!close_one(all[i])) return 1;
  }
  free(all);
  return 0;
}
