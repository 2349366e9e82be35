// The loop of the floors of HTTP: C on epoll, one read at a time. Whoever includes this brings
// `serve`, which reads once from a socket and answers, or closes it.
#ifndef RL_BENCH_EPOLL_H
#define RL_BENCH_EPOLL_H

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

static void serve(int fd);

static int listen_on_a_free_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 511) < 0) exit(1);
  getsockname(fd, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

// Prints the port, and serves until killed.
static void serve_all(void) {
  int listener = listen_on_a_free_port(), epoll = epoll_create1(0);
  struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int n = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.fd != listener) {
        serve(events[i].data.fd);
        continue;
      }
      event.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
      epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
    }
  }
}

#endif
