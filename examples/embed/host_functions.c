// Functions that a script calls and C answers: at once, later, and from a pool thread.
//   cc host_functions.c $(pkg-config --cflags --libs rille) -lpthread
#include <lauxlib.h>
#include <pthread.h>
#include <rille.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// SYNC: an ordinary Lua function.
static int host_add(lua_State *L) {
  lua_pushnumber(L, luaL_checknumber(L, 1) + luaL_checknumber(L, 2));
  return 1;
}

// ASYNC: a thread of ours answers; meanwhile other tasks run.
static void *answer(void *ud) {
  usleep(20000);
  rille_op_post(ud, RILLE_OK, NULL);
  return NULL;
}

static int host_later(lua_State *L) {
  rille_op *op;
  int waits = rille_await(L, &op, NULL, NULL);
  pthread_t thread;
  if (pthread_create(&thread, NULL, answer, op) == 0) {
    pthread_detach(thread);
  } else {
    rille_op_reject(op, RILLE_ENOMEM, "no thread");
  }
  return waits;
}

// POOL: work that would hold up the loop runs beside it. The job owns what it needs.
typedef struct count_job {
  long limit, primes;
} count_job;

static void count_work(void *ud, const int *cancelled) {
  count_job *job = ud;
  for (long n = 2; n < job->limit && !*cancelled; n++) {
    int prime = 1;
    for (long d = 2; d * d <= n && prime; d++) prime = n % d != 0;
    job->primes += prime;
  }
}

static int count_after(lua_State *L, void *ud, rille_status status) {
  (void)status;
  lua_pushinteger(L, ((count_job *)ud)->primes);
  return 1;
}

static int host_primes(lua_State *L) {
  long limit = (long)luaL_checkinteger(L, 1);
  count_job *job = calloc(1, sizeof *job);
  if (!job) return luaL_error(L, "not enough memory");
  job->limit = limit;
  return rille_offload(L, job, count_work, count_after, free);
}

static const rille_def functions[] = {
    {"add", RILLE_SYNC, host_add},
    {"later", RILLE_ASYNC, host_later},
    {"primes", RILLE_POOL, host_primes},
    {NULL, 0, NULL},
};

static const char script[] =
    "local rille, host = require 'rille', require 'host'\n"
    "local sum, primes = rille.gather(\n"
    "  function() host.later() return host.add(1, 2) end,\n"
    "  function() return host.primes(100000) end)\n"
    "return ('sum %g, primes %d'):format(sum, primes)\n";

int main(void) {
  rille_runtime *rt;
  if (rille_new(NULL, &rt) != RILLE_OK) return 1;
  rille_register(rt, "host", functions);
  rille_status status = rille_load(rt, script, strlen(script), "=script");
  if (status == RILLE_OK) status = rille_call_wait(rt, 0, 1, NULL);
  printf("%s: %s\n", rille_strerror(status), lua_tostring(rille_lua(rt), -1));
  rille_close(rt, 0, NULL, NULL);
  rille_run(rt, RILLE_RUN_DEFAULT);
  rille_free(rt);
  return status == RILLE_OK ? 0 : 1;
}
