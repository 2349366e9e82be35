// Starts a command again and again and prints the median time of one run: start TIMES COMMAND...
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double run_once(char **command) {
  double began = now_ms();
  pid_t pid;
  int status;
  if (posix_spawnp(&pid, command[0], NULL, NULL, command, environ) != 0) exit(1);
  if (waitpid(pid, &status, 0) < 0 || status != 0) exit(1);
  return now_ms() - began;
}

int main(int argc, char **argv) {
  int times = argc > 2 ? atoi(argv[1]) : 0;
  if (times < 1) return 2;
  double *ms = malloc((size_t)times * sizeof *ms);
  if (!ms) return 1;
  for (int i = 0; i < times; i++) ms[i] = run_once(argv + 2);
  qsort(ms, (size_t)times, sizeof *ms, by_size);
  printf("ms %.4f\n", ms[times / 2]);
  free(ms);
  return 0;
}
