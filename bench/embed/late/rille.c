// late on epoll.
#include "bench/embed/late.h"

#include <sys/epoll.h>

static int epoll;

static void attach(rille_runtime *rt) {
  epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(epoll, EPOLL_CTL_ADD, rille_backend_fd(rt), &event);
}

static void detach(void) { close(epoll); }

static long turns(rille_runtime *rt, double until) {
  long n = 0;
  for (; until ? now() < until : !over; n++) {
    rille_run(rt, RILLE_RUN_NOWAIT);
    int timeout = rille_backend_timeout(rt);
    if (until && (timeout < 0 || timeout > 1000)) timeout = 1000;
    struct epoll_event event;
    epoll_wait(epoll, &event, 1, over && !until ? 0 : timeout);
  }
  return n;
}
