// What every load generator does: starts a server, reads the port it prints, looks at its processor
// time and memory.
#ifndef RL_BENCH_SERVER_H
#define RL_BENCH_SERVER_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t server;
static bool shared;  // nobody is pinned

static inline void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, "\n");
  if (server > 0) kill(server, SIGKILL);
  exit(1);
}

static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void pin(int processor) {
  if (shared || sysconf(_SC_NPROCESSORS_ONLN) < 2) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  sched_setaffinity(0, sizeof set, &set);
}

// Starts the server on processor 0 and returns the port it prints.
static inline int start_server(char **command) {
  int out[2];
  if (pipe(out) < 0) die("pipe: %s", strerror(errno));
  server = fork();
  if (server == 0) {
    pin(0);
    dup2(out[1], 1);
    close(out[0]);
    close(out[1]);
    execvp(command[0], command);
    _exit(127);
  }
  close(out[1]);
  char text[64];
  size_t length = 0;
  while (length < sizeof text - 1 && !memchr(text, '\n', length)) {
    ssize_t n = read(out[0], text + length, sizeof text - 1 - length);
    if (n <= 0) die("the server ended without a port");
    length += (size_t)n;
  }
  text[length] = 0;
  return atoi(text);
}

// Processor time of all threads of the server, in seconds, to the nanosecond.
static inline double server_cpu(void) {
  char path[600];
  snprintf(path, sizeof path, "/proc/%d/task", (int)server);
  DIR *tasks = opendir(path);
  if (!tasks) die("the server is gone");
  double sum = 0;
  for (struct dirent *e; (e = readdir(tasks));) {
    if (e->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)server, e->d_name);
    FILE *file = fopen(path, "r");
    unsigned long long ns = 0;
    if (file && fscanf(file, "%llu", &ns) == 1) sum += (double)ns / 1e9;
    if (file) fclose(file);
  }
  closedir(tasks);
  return sum;
}

static inline int connect_to(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0) die("socket: %s", strerror(errno));
  for (int tries = 0; connect(fd, (struct sockaddr *)&to, sizeof to) < 0; tries++) {
    if (tries == 200) die("connect: %s", strerror(errno));
    usleep(10000);
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

// The server's resident set, in bytes.
static inline double server_memory(void) {
  char path[64];
  unsigned long pages = 0;
  snprintf(path, sizeof path, "/proc/%d/statm", (int)server);
  FILE *file = fopen(path, "r");
  if (!file || fscanf(file, "%*s %lu", &pages) != 1) die("the server is gone");
  fclose(file);
  return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static inline void end_server(void) {
  kill(server, SIGKILL);
  waitpid(server, NULL, 0);
}

#endif
