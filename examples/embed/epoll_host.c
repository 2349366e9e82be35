// A host with an epoll loop of its own: rille is one descriptor and one timeout in it.
//   cc epoll_host.c $(pkg-config --cflags --libs rille)
#include <rille.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static const char script[] =
    "local rille = require 'rille'\n"
    "for i = 1, 3 do rille.sleep(0.02) print('script: tick ' .. i) end\n"
    "return 'done'\n";

static int over;

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results,
                    int count) {
  (void)ud, (void)call;
  printf("host: the script is over: %s, %s\n", rille_strerror(status),
         count ? lua_tostring(results, -count) : "");
  over = 1;
}

// A descriptor of the host's own beside rille's.
static int open_timer(void) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec every = {{0, 25000000}, {0, 25000000}};
  timerfd_settime(fd, 0, &every, NULL);
  return fd;
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(void) {
  rille_runtime *rt;
  if (rille_new(NULL, &rt) != RILLE_OK) return 1;
  if (rille_load(rt, script, strlen(script), "=script") != RILLE_OK) return 1;
  rille_call_async(rt, 0, NULL, on_done, NULL, NULL);

  int epoll = epoll_create1(0), timer = open_timer(), turns = 0;
  watch(epoll, timer);
  watch(epoll, rille_backend_fd(rt));
  while (!over) {
    rille_run(rt, RILLE_RUN_NOWAIT);
    struct epoll_event event;
    int n = epoll_wait(epoll, &event, 1, over ? 0 : rille_backend_timeout(rt));
    turns++;
    unsigned long long expirations;
    if (n == 1 && event.data.fd == timer && read(timer, &expirations, sizeof expirations) > 0) {
      printf("host: its own timer\n");
    }
  }
  printf("host: it %s\n", turns < 100 ? "slept between events" : "did not sleep");
  close(timer);
  close(epoll);
  rille_close(rt, 0, NULL, NULL);
  rille_run(rt, RILLE_RUN_DEFAULT);
  return rille_free(rt) == RILLE_OK && turns < 100 ? 0 : 1;
}
