// hello, the floor: C on epoll with a canned answer for each read of whole requests. Prints its
// port and serves until killed.
#include "bench/http/epoll.h"

enum { PIPELINED = 256 };

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

int main(void) {
  for (size_t i = 0; i < PIPELINED; i++)
    memcpy(answers + i * (sizeof answer - 1), answer, sizeof answer - 1);
  serve_all();
}
