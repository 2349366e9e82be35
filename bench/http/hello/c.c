// hello, the floor: C on epoll with a canned answer for each read of whole requests. Prints its
// port and serves until killed.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, PIPELINED = 256 };

static const char answer[] =
    "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nHello, World!";

static char answers[PIPELINED * (sizeof answer - 1)];

static void serve(int fd) {
  char text[16384];
  ssize_t n = read(fd, text, sizeof text);
  if (n <= 0) {
    close(fd);
    return;
  }
  size_t requests = 0;
  for (const char *p = text; (p = memmem(p, (size_t)(text + n - p), "\r\n\r\n", 4)); p += 4)
    requests++;
  if (requests > PIPELINED) abort();
  if (write(fd, answers, requests * (sizeof answer - 1)) < 0) close(fd);
}

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

int main(void) {
  for (size_t i = 0; i < PIPELINED; i++)
    memcpy(answers + i * (sizeof answer - 1), answer, sizeof answer - 1);
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
