// What a crowd of idle connections costs the busy ones: crowd BUSY IDLE RATE SECONDS COMMAND...
// BUSY connections send RATE messages a second in all, which come back. In turn, twice each, this
// goes on for SECONDS / 2 alone, and for as long while IDLE more connections are open. Prints the
// time under which 99 of 100 answers came, alone and in the crowd, its growth, and how many
// messages got no answer.
#include "bench/tools/server.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum { MESSAGE = 64, ROUNDS = 2 };

typedef struct conn {
  int fd;
  double sent;  // 0: nothing is under way
  size_t got;
} conn;

typedef struct times {
  double *all;
  size_t count, room;
} times;

static unsigned long missed;

static void keep(times *t, double took) {
  if (t->count == t->room) {
    t->room = t->room ? t->room * 2 : 65536;
    t->all = realloc(t->all, t->room * sizeof *t->all);
    if (!t->all) die("out of memory");
  }
  t->all[t->count++] = took;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double percentile(times *t, double p) {
  if (!t->count) die("no answer came");
  qsort(t->all, t->count, sizeof *t->all, by_size);
  return t->all[(size_t)((double)(t->count - 1) * p)];
}

// Who still waits for an answer is passed over: that answer's time counts.
static void ask(conn *c) {
  static const char message[MESSAGE] = "x";
  if (c->sent > 0) return;
  c->sent = now();
  c->got = 0;
  if (write(c->fd, message, MESSAGE) != MESSAGE) die("write: %s", strerror(errno));
}

static void on_readable(conn *c, times *t) {
  char bytes[4 * MESSAGE];
  ssize_t n = read(c->fd, bytes, sizeof bytes);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) die("the server closed a connection");
  c->got += (size_t)n;
  if (c->got < MESSAGE) return;
  keep(t, now() - c->sent);
  c->sent = 0;
}

static void receive(int epoll, double within, times *t) {
  struct epoll_event events[64];
  struct timespec wait = {.tv_nsec = within > 0 ? (long)(within * 1e9) : 0};
  struct pollfd p = {.fd = epoll, .events = POLLIN};
  if (ppoll(&p, 1, &wait, NULL) <= 0) return;
  int n = epoll_wait(epoll, events, 64, 0);
  for (int i = 0; i < n; i++) on_readable(events[i].data.ptr, t);
}

static void run(int epoll, conn *conns, int count, double rate, double seconds, times *t) {
  double began = now(), due = began;
  for (unsigned long at = 0; now() < began + seconds;) {
    for (; due <= now(); due += 1 / rate) ask(&conns[at++ % (unsigned long)count]);
    receive(epoll, due - now(), t);
  }
  for (int i = 0; i < 20; i++) receive(epoll, 0.1, t);
  for (int i = 0; i < count; i++) missed += conns[i].sent > 0;
}

static void open_busy(int epoll, conn *conns, int count, int port) {
  for (int i = 0; i < count; i++) {
    conns[i].fd = connect_to(port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conns[i]};
    epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i].fd, &event);
  }
}

static void open_crowd(int *idle, int count, int port) {
  for (int i = 0; i < count; i++) idle[i] = connect_to(port);
  usleep(500000);
}

static void close_crowd(const int *idle, int count) {
  for (int i = 0; i < count; i++) close(idle[i]);
  usleep(500000);
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  int busy = atoi(argv[1]), crowd = atoi(argv[2]);
  double rate = atof(argv[3]), seconds = atof(argv[4]);
  conn *conns = calloc((size_t)busy, sizeof *conns);
  int *idle = calloc((size_t)crowd, sizeof *idle);
  if (busy < 1 || crowd < 1 || rate < 1 || !conns || !idle) return 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  int port = start_server(argv + 5), epoll = epoll_create1(0);
  pin(1);
  open_busy(epoll, conns, busy, port);
  times alone = {0}, crowded = {0};
  run(epoll, conns, busy, rate, 0.5, &(times){0});
  for (int i = 0; i < ROUNDS; i++) {
    run(epoll, conns, busy, rate, seconds / ROUNDS, &alone);
    open_crowd(idle, crowd, port);
    run(epoll, conns, busy, rate, seconds / ROUNDS, &crowded);
    close_crowd(idle, crowd);
  }
  double a = percentile(&alone, 0.99), c = percentile(&crowded, 0.99);
  printf("alone_us %.1f crowd_us %.1f growth %.3f missed %lu\n", a * 1e6, c * 1e6, c / a, missed);
  end_server();
  return 0;
}
