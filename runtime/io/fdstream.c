// Streams over shared descriptors.
#include "runtime/io/fdstream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  AT_ONCE = 4096,    // PIPE_BUF: what a writable pipe takes without blocking
  LAST_WAIT = 5000,  // ms without progress that unsent bytes have when the stream is closed
};

static rl_fdstream *of(rl_stream *s) { return (rl_fdstream *)s; }

static void on_poll(uv_poll_t *poll, int status, int events);

static int watch(rl_fdstream *f) {
  int events =
      (f->receiving ? UV_READABLE | UV_DISCONNECT : 0) | (rl_buf_len(&f->out) ? UV_WRITABLE : 0);
  return events ? uv_poll_start(&f->poll, events, on_poll) : uv_poll_stop(&f->poll);
}

static bool writable(int fd, int ms) {
  struct pollfd p = {.fd = fd, .events = POLLOUT};
  return poll(&p, 1, ms) > 0;
}

// Writes until it might block. The count, or an error if nothing went.
static ssize_t write_some(rl_fdstream *f, const char *bytes, size_t n) {
  size_t done = 0;
  while (done < n) {
    if (f->polled && !writable(f->fd, 0)) break;
    size_t piece = f->polled && n - done > AT_ONCE ? AT_ONCE : n - done;
    ssize_t put = write(f->fd, bytes + done, piece);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) break;
    if (put < 0) return done ? (ssize_t)done : uv_translate_sys_error(errno);
    done += (size_t)put;
  }
  return (ssize_t)done;
}

static ssize_t fd_send(rl_stream *s, const uv_buf_t *pieces, unsigned count) {
  rl_fdstream *f = of(s);
  size_t taken = 0;
  if (f->fd == STDOUT_FILENO) fflush(stdout);  // what print has written comes first
  for (unsigned i = 0; i < count; i++) {
    const char *bytes = pieces[i].base;
    size_t left = pieces[i].len;
    ssize_t n = s->unsent ? 0 : write_some(f, bytes, left);
    if (n < 0) {
      rl_stream_out_failed(s, (int)n);
      return n;
    }
    taken += (size_t)n;
    left -= (size_t)n;
    if (left == 0) continue;
    size_t room = rl_stream_room(s), keep = left < room ? left : room;
    if (!rl_buf_put(&f->out, bytes + n, keep)) return UV_ENOMEM;
    s->unsent += keep;
    taken += keep;
    if (keep < left) break;
  }
  if (f->polled && s->unsent) watch(f);
  return (ssize_t)taken;
}

static void on_writable(rl_fdstream *f) {
  ssize_t n = write_some(f, rl_buf_head(&f->out), rl_buf_len(&f->out));
  if (n < 0) {
    rl_buf_fini(&f->out);
    rl_stream_out_failed(&f->s, (int)n);
    return;
  }
  rl_buf_consume(&f->out, (size_t)n);
  rl_stream_sent(&f->s, (size_t)n);
}

// One read. False: it has ended, or there is nothing now.
static bool read_some(rl_fdstream *f) {
  uv_buf_t chunk = rl_stream_chunk(&f->s);
  ssize_t n = chunk.base ? read(f->fd, chunk.base, chunk.len) : -1;
  int err = chunk.base ? errno : ENOMEM;
  rl_stream_took(&f->s, chunk, n > 0 ? (size_t)n : 0);
  if (n > 0) {
    rl_stream_arrived(&f->s);
    return true;
  }
  if (n < 0 && (err == EAGAIN || err == EINTR)) return false;
  f->receiving = false;
  rl_stream_ended(&f->s, n == 0 || err == EIO ? UV_EOF : uv_translate_sys_error(err));
  return false;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  rl_fdstream *f = rl_container_of(poll->data, rl_fdstream, handle);
  bool broken = status < 0;  // reading and writing will say what it is
  if (f->receiving && (broken || events & (UV_READABLE | UV_DISCONNECT))) {
    read_some(f);
    if (broken || rl_stream_full(&f->s)) f->receiving = false;
  }
  if (rl_buf_len(&f->out) && (broken || events & (UV_WRITABLE | UV_DISCONNECT))) on_writable(f);
  if (rl_uvhandle_open(&f->handle)) watch(f);
}

static void fd_pull(rl_stream *s) {
  rl_fdstream *f = of(s);
  if (f->polled) {
    if (f->receiving) return;
    f->receiving = true;
    int err = watch(f);
    if (err < 0) rl_stream_ended(s, err);
    return;
  }
  while (rl_op_pending(&s->reader) && !s->in_status && read_some(f)) continue;
}

// Nobody waits any more: the last bytes may block, for a while.
static void send_the_rest(rl_fdstream *f) {
  while (rl_buf_len(&f->out) && writable(f->fd, LAST_WAIT)) {
    ssize_t n = write_some(f, rl_buf_head(&f->out), rl_buf_len(&f->out));
    if (n <= 0) return;
    rl_buf_consume(&f->out, (size_t)n);
  }
}

static void fd_close(rl_stream *s) {
  rl_fdstream *f = of(s);
  send_the_rest(f);
  f->s.unsent = 0;
  rl_buf_fini(&f->out);
  if (f->polled) {
    rl_uvhandle_close(&f->handle);
  } else {
    rl_stream_unref(s);
  }
}

static void on_closed(rl_uvhandle *h) {
  rl_stream_unref(&rl_container_of(h, rl_fdstream, handle)->s);
}

static void fd_free(rl_stream *s) {
  rl_buf_fini(&of(s)->out);
  free(s);
}

static void fd_describe(rl_stream *s, char *text, size_t size) {
  snprintf(text, size, "%s", of(s)->name);
}

static const rl_stream_kind fd_kind = {
    .name = "stdio",
    .subject = "path",
    .pull = fd_pull,
    .send = fd_send,
    .close = fd_close,
    .free = fd_free,
    .describe = fd_describe,
};

int rl_fdstream_fd(const rl_stream *s) {
  return s->kind == &fd_kind ? ((const rl_fdstream *)s)->fd : -1;
}

rl_fdstream *rl_fdstream_new(rl_loop *loop, int fd, const char *name, int *err) {
  int flags = fcntl(fd, F_GETFL);
  *err = flags < 0 ? uv_translate_sys_error(errno) : UV_ENOMEM;
  rl_fdstream *f = flags < 0 ? NULL : calloc(1, sizeof *f);
  if (!f) return NULL;
  rl_stream_init(&f->s, &fd_kind, loop);
  f->s.place = 0;  // it is there from the start, and not missed at the end
  f->fd = fd;
  f->name = name;
  f->polled = uv_poll_init(loop->uv, &f->poll, fd) == 0;  // not for files
  if (f->polled) {
    fcntl(fd, F_SETFL, flags);  // libuv has made it non-blocking, also for those we share it with
    rl_uvhandle_opened(&f->handle, loop, &f->poll, on_closed);
  }
  *err = 0;
  return f;
}
