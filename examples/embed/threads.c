// Many threads post to one runtime; each post runs on the loop's thread, none is lost.
//   cc threads.c $(pkg-config --cflags --libs rille) -lpthread
#include <pthread.h>
#include <rille.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 8, POSTS = 1000 };

static const char script[] =
    "total = 0\n"
    "function add(n) require('rille').yield() total = total + n end\n"
    "require('rille').sleep(0)\n";

static int ended;

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results,
                    int count) {
  (void)ud, (void)call, (void)results, (void)count;
  ended += status == RILLE_OK;
}

// On the loop's thread: every post starts a task.
static void start_task(rille_runtime *rt, void *ud) {
  lua_State *L = rille_lua(rt);
  lua_getglobal(L, "add");
  lua_pushinteger(L, *(const int *)ud);
  rille_call_async(rt, 1, NULL, on_done, NULL, NULL);
}

static rille_runtime *rt;
static const int one = 1;

static void *post(void *ud) {
  (void)ud;
  for (int i = 0; i < POSTS; i++) rille_post(rt, start_task, (void *)&one, NULL);
  return NULL;
}

int main(void) {
  if (rille_new(NULL, &rt) != RILLE_OK) return 1;
  if (rille_load(rt, script, strlen(script), "=script") != RILLE_OK) return 1;
  if (rille_call_wait(rt, 0, 0, NULL) != RILLE_OK) return 1;
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, post, NULL);
  while (ended < THREADS * POSTS) rille_run(rt, RILLE_RUN_ONCE);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  lua_getglobal(rille_lua(rt), "total");
  int total = (int)lua_tointeger(rille_lua(rt), -1);
  printf("%d threads posted %d tasks each: total %d\n", THREADS, POSTS, total);
  rille_close(rt, 0, NULL, NULL);
  rille_run(rt, RILLE_RUN_DEFAULT);
  return rille_free(rt) == RILLE_OK && total == THREADS * POSTS ? 0 : 1;
}
