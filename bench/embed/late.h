// How late a host hears of a timer, a socket and a post, in microseconds (the 95th of 100), and
// what it does when there is nothing to do. Argument: rounds. Whoever includes this brings the
// host's loop: attach, turns, detach.
#ifndef RL_BENCH_LATE_H
#define RL_BENCH_LATE_H

#include "lua/host/rille.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char script[] =
    "local host, rille, net = require 'host', require 'rille', require 'rille.net'\n"
    "local rounds = ...\n"
    "rille.spawn(function()\n"
    "  local conn = net.connect('127.0.0.1', host.port())\n"
    "  while conn:read(1) do host.heard(2) end\n"
    "end)\n"
    "for i = 1, rounds do\n"
    "  local wait = 0.002 + i % 7 * 0.00013\n"
    "  host.due(wait)\n"
    "  rille.sleep(wait)\n"
    "  host.heard(1)\n"
    "end\n";

enum { TIMER, SOCKET, POST, KINDS, ROUNDS_MAX = 10000 };

static double late[KINDS][ROUNDS_MAX];
static atomic_int count[KINDS];
static _Atomic double due[KINDS];  // when it happened
static int listener, peer, port, rounds, over;

static void attach(rille_runtime *rt);
static void detach(void);
// Turns of the loop until then, or, if that is 0, until the script is over: how many.
static long turns(rille_runtime *rt, double until);

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void heard(int kind) {
  if (count[kind] < ROUNDS_MAX) late[kind][count[kind]++] = now() - due[kind];
}

static int host_heard(lua_State *L) {
  heard((int)lua_tointeger(L, 1) - 1);
  return 0;
}

static int host_due(lua_State *L) {
  due[TIMER] = now() + lua_tonumber(L, 1) * 1e6;
  return 0;
}

static int host_port(lua_State *L) {
  lua_pushinteger(L, port);
  return 1;
}

static const rille_def functions[] = {{"heard", RILLE_SYNC, host_heard},
                                      {"due", RILLE_SYNC, host_due},
                                      {"port", RILLE_SYNC, host_port},
                                      {NULL, 0, NULL}};

static void posted(rille_runtime *rt, void *ud) {
  (void)rt, (void)ud;
  heard(POST);
}

static void listen_here(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0) exit(1);
  getsockname(listener, (struct sockaddr *)&address, &size);
  port = ntohs(address.sin_port);
}

static void *disturb(void *rt) {
  peer = accept(listener, NULL, NULL);
  for (int i = 0; i < rounds; i++) {
    usleep((useconds_t)(1500 + i % 5 * 300));
    int seen = count[SOCKET];
    due[SOCKET] = now();
    if (write(peer, "x", 1) != 1) break;
    while (count[SOCKET] == seen) usleep(100);
    due[POST] = now();
    rille_post(rt, posted, NULL, NULL);
  }
  return NULL;
}

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *L, int n) {
  (void)ud, (void)call;
  if (status != RILLE_OK) fprintf(stderr, "%s\n", n ? lua_tostring(L, -1) : rille_strerror(status));
  over = 1;
}

static double cpu_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void tell(const char *name, int kind) {
  qsort(late[kind], (size_t)count[kind], sizeof(double), by_size);
  if (count[kind]) printf("%s %.1f\n", name, late[kind][count[kind] * 95 / 100]);
}

int main(int argc, char **argv) {
  rounds = argc > 1 ? atoi(argv[1]) : 100;
  rille_runtime *rt;
  listen_here();
  if (rille_new(NULL, &rt) != RILLE_OK) return 1;
  if (rille_register(rt, "host", functions) != RILLE_OK) return 1;
  if (rille_load(rt, script, strlen(script), "=script") != RILLE_OK) return 1;
  lua_pushinteger(rille_lua(rt), rounds * 2);
  attach(rt);
  pthread_t thread;
  pthread_create(&thread, NULL, disturb, rt);
  rille_call_async(rt, 1, NULL, on_done, NULL, NULL);
  turns(rt, now() + rounds * 8e3);
  close(peer);
  pthread_join(thread, NULL);
  turns(rt, 0);
  tell("timer_us", TIMER);
  tell("socket_us", SOCKET);
  tell("post_us", POST);
  double before = cpu_us();
  printf("idle_turns %ld\n", turns(rt, now() + 2e6));
  printf("idle_us %.1f\n", (cpu_us() - before) / 2);
  detach();
  rille_close(rt, 0, NULL, NULL);
  rille_run(rt, RILLE_RUN_DEFAULT);
  return rille_free(rt) == RILLE_OK ? 0 : 1;
}

#endif
