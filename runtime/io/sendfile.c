// Files to sockets.
#include "runtime/io/sendfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

// sendfile knows no MSG_NOSIGNAL: the signal of a socket without a peer is taken off this thread.
static ssize_t send_some(rl_sendfile *s) {
  sigset_t pipe, before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  off_t at = s->at;
  ssize_t n = sendfile(s->socket, s->file->fd, &at, s->left);
  int err = errno;
  if (n < 0 && err == EPIPE) sigtimedwait(&pipe, NULL, &(struct timespec){0});
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return n < 0 ? -err : n;
}

static void read_some(rl_sendfile *s) {
  size_t size = s->left < RL_SENDFILE_READ ? s->left : RL_SENDFILE_READ;
  ssize_t n;
  do {
    n = pread(s->file->fd, s->bytes, size, s->at);
  } while (n < 0 && errno == EINTR);
  if (n > 0) s->have = (size_t)n;
  if (n <= 0) s->file_error = n == 0 ? UV_EOF : -errno;
}

static int run(rl_pooled *work) {
  rl_sendfile *s = (rl_sendfile *)work;
  while (s->left > 0 && !rl_pooled_cancelled(work)) {
    ssize_t n = send_some(s);
    if (n == -EINTR) continue;
    if (n == -EPIPE || n == -ECONNRESET || n == -ETIMEDOUT) return (int)n;
    if (n <= 0) {  // no room, the end, or a file that cannot be sent so
      read_some(s);
      return 0;
    }
    s->at += n;
    s->sent += (size_t)n;
    s->left -= (size_t)n;
  }
  return 0;
}

static void drop(rl_pooled *work) {
  rl_sendfile *s = (rl_sendfile *)work;
  rl_file_unuse(s->file);
  close(s->socket);
  free(s);
}

rl_sendfile *rl_sendfile_new(rl_file *file, int socket, uint64_t size) {
  rl_sendfile *s = malloc(sizeof *s);
  if (!s) return NULL;
  s->socket = fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (s->socket < 0) {
    free(s);
    return NULL;
  }
  rl_file_use(file);
  s->work.run = run;
  s->work.drop = drop;
  s->work.stays = true;
  s->file = file;
  s->at = rl_file_tell(file);
  s->left = size < RL_SENDFILE_MAX ? (size_t)size : RL_SENDFILE_MAX;
  s->sent = s->have = 0;
  s->file_error = 0;
  return s;
}
