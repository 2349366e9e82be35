// Streams over uv_stream_t.
#include "runtime/io/uvstream.h"

#include "runtime/io/addr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { READ_IN_PLACE = 16 * 1024 };              // room behind `in` that is worth reading into
enum { LINGER_LOOKS = 60, LINGER_EVERY = 500 };  // unsent bytes have 30 s after close

static void start_writing(rl_uvstream *u);

static bool is_tcp(const rl_uvstream *u) { return u->uv.stream.type == UV_TCP; }

static int fd_of(const rl_uvstream *u) {
  uv_os_fd_t fd = -1;
  uv_fileno((const uv_handle_t *)&u->uv, &fd);
  return fd;
}

static uv_buf_t room_to_read(rl_uvstream *u) {
  rl_buf *in = &u->s.in;
  u->borrowed = !(rl_buf_len(in) && rl_buf_room(in) >= READ_IN_PLACE);
  if (u->borrowed) return rl_stream_chunk(&u->s);
  return uv_buf_init(rl_buf_tail(in), (unsigned)rl_buf_room(in));
}

static void keep_read(rl_uvstream *u, uv_buf_t room, ssize_t n) {
  if (u->borrowed) {
    rl_stream_took(&u->s, room, n > 0 ? (size_t)n : 0);
  } else if (n > 0) {
    rl_buf_added(&u->s.in, (size_t)n);
  }
}

static ssize_t receive(rl_uvstream *u, uv_buf_t room) {
  if (!room.base) return UV_ENOBUFS;
  ssize_t n;
  do {
    n = recv(fd_of(u), room.base, room.len, MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n > 0) return n;
  if (n == 0) return UV_EOF;
  return errno == EAGAIN ? 0 : uv_translate_sys_error(errno);
}

// Sockets are read in here, once for each time they are readable, by recv, which is cheaper than
// read; libuv is told that there is no room.
static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf) {
  (void)hint;
  rl_uvstream *u = rl_container_of(h->data, rl_uvstream, handle);
  *buf = room_to_read(u);
  if (!is_tcp(u)) return;
  u->received = (int)receive(u, *buf);
  keep_read(u, *buf, u->received);
  *buf = uv_buf_init(NULL, 0);
}

static void stop_reading(rl_uvstream *u) {
  if (!u->reading) return;
  u->reading = false;
  uv_read_stop(&u->uv.stream);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  rl_uvstream *u = rl_container_of(stream->data, rl_uvstream, handle);
  if (is_tcp(u)) {
    n = u->received;
  } else {
    keep_read(u, *buf, n);
  }
  if (n == 0) return;
  if (n < 0) {
    stop_reading(u);
    rl_stream_ended(&u->s, (int)n);
    return;
  }
  if (u->s.in_status) {  // memory ran out
    stop_reading(u);
    rl_stream_ended(&u->s, u->s.in_status);
    return;
  }
  rl_stream_ref(&u->s);
  rl_stream_arrived(&u->s);
  if (rl_stream_full(&u->s)) stop_reading(u);
  rl_stream_unref(&u->s);
}

static void uvs_pull(rl_stream *s) {
  rl_uvstream *u = rl_uvstream_of(s);
  if (u->reading) return;
  int err = uv_read_start(&u->uv.stream, on_alloc, on_read);
  u->reading = err == 0;
  if (err < 0) rl_stream_ended(s, err);
}

// What waits for the unsent bytes of a closed stream. It is libuv's timer, because it must fire
// while the loop closes; then patience is short.
typedef struct lingering {
  rl_uvhandle handle;
  rl_uvstream *stream;
  int looks;
  uv_timer_t timer;
} lingering;

// What only a stream that has to wait needs: idle ones are many.
struct rl_outbox {
  rl_buf out;     // taken, waiting for `flight` to land
  rl_buf flight;  // in the request
  bool busy;      // the request is libuv's
  lingering *linger;
  rl_chore chore;  // sends `out`
  rl_uvstream *stream;
  union {
    uv_write_t write;
    uv_shutdown_t shutdown;
  } request;
};

static void on_chore(rl_chore *chore);

// NULL: memory is out.
static rl_outbox *open_outbox(rl_uvstream *u) {
  rl_outbox *o = u->outbox;
  if (o) return o;
  u->outbox = o = calloc(1, sizeof *o);
  if (!o) return NULL;
  o->stream = u;
  o->chore.run = on_chore;
  rl_link_init(&o->chore.link);
  return o;
}

static void free_outbox(rl_uvstream *u) {
  rl_outbox *o = u->outbox;
  if (!o) return;
  rl_buf_fini(&o->out);
  rl_buf_fini(&o->flight);
  rl_link_remove(&o->chore.link);
  free(o);
  u->outbox = NULL;
}

static bool is_busy(const rl_uvstream *u) { return u->outbox && u->outbox->busy; }

static void drop_outbox(rl_uvstream *u) {
  rl_outbox *o = u->outbox;
  if (o && !o->busy && !o->linger && rl_buf_len(&o->out) == 0) free_outbox(u);
}

static void fail_writing(rl_uvstream *u, int err) {
  if (u->outbox) rl_buf_fini(&u->outbox->out);
  rl_stream_out_failed(&u->s, err);
}

static void on_written(uv_write_t *req, int status) {
  rl_uvstream *u = req->data;
  rl_outbox *o = u->outbox;
  size_t n = rl_buf_len(&o->flight);
  o->busy = false;
  rl_buf_fini(&o->flight);
  if (status < 0) {
    fail_writing(u, status);
  } else {
    start_writing(u);
    rl_stream_sent(&u->s, n);
  }
  drop_outbox(u);
  if (u->s.closed && u->s.unsent == 0) rl_uvhandle_close(&u->handle);
}

static void start_writing(rl_uvstream *u) {
  rl_outbox *o = u->outbox;
  if (!o || o->busy || rl_buf_len(&o->out) == 0) return;
  o->flight = o->out;
  rl_buf_init(&o->out);
  o->request.write.data = u;
  uv_buf_t buf = uv_buf_init(rl_buf_head(&o->flight), (unsigned)rl_buf_len(&o->flight));
  int err = uv_write(&o->request.write, &u->uv.stream, &buf, 1, on_written);
  o->busy = err == 0;
  if (err == 0) return;
  rl_buf_fini(&o->flight);
  fail_writing(u, err);
}

// Keeps up to `room` bytes of the pieces, from the byte `from` on.
static ssize_t keep(rl_uvstream *u, const uv_buf_t *pieces, unsigned count, size_t from,
                    size_t room) {
  size_t kept = 0;
  for (unsigned i = 0; i < count && room > 0; i++) {
    if (from >= pieces[i].len) {
      from -= pieces[i].len;
      continue;
    }
    size_t n = pieces[i].len - from < room ? pieces[i].len - from : room;
    if (!rl_buf_put(&u->outbox->out, pieces[i].base + from, n)) return UV_ENOMEM;
    from = 0;
    kept += n;
    room -= n;
    u->s.unsent += n;
  }
  return (ssize_t)kept;
}

// The same as uv_try_write, by the system calls of sockets, which are cheaper than those of files.
static int try_send(rl_uvstream *u, const uv_buf_t *pieces, unsigned count) {
  int fd = fd_of(u);
  struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = count};
  ssize_t n;
  do {
    n = count == 1 ? send(fd, pieces->base, pieces->len, MSG_DONTWAIT | MSG_NOSIGNAL)
                   : sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return errno == ENOBUFS ? UV_EAGAIN : uv_translate_sys_error(errno);
  return (int)n;
}

static int write_now(rl_uvstream *u, const uv_buf_t *pieces, unsigned count) {
  return is_tcp(u) ? try_send(u, pieces, count) : uv_try_write(&u->uv.stream, pieces, count);
}

static ssize_t uvs_send(rl_stream *s, const uv_buf_t *pieces, unsigned count) {
  rl_uvstream *u = rl_uvstream_of(s);
  size_t total = 0, sent = 0;
  for (unsigned i = 0; i < count; i++) total += pieces[i].len;
  if (total == 0) return 0;
  if (s->unsent == 0 && !is_busy(u)) {
    int n = write_now(u, pieces, count);
    if (n < 0 && n != UV_EAGAIN) {
      fail_writing(u, n);
      return n;
    }
    if (n > 0) sent = (size_t)n;
    if (sent == total) return (ssize_t)sent;
  }
  ssize_t kept = !open_outbox(u) ? UV_ENOMEM : keep(u, pieces, count, sent, rl_stream_room(s));
  if (kept < 0) {
    fail_writing(u, (int)kept);
    return kept;
  }
  start_writing(u);
  drop_outbox(u);
  return s->out_status < 0 ? s->out_status : (ssize_t)sent + kept;
}

// Tries to send what was only kept.
static void flush(rl_uvstream *u) {
  rl_outbox *o = u->outbox;
  if (!o || o->busy || rl_buf_len(&o->out) == 0) return;
  uv_buf_t piece = uv_buf_init(rl_buf_head(&o->out), (unsigned)rl_buf_len(&o->out));
  int n = write_now(u, &piece, 1);
  if (n < 0 && n != UV_EAGAIN) {
    fail_writing(u, n);
    drop_outbox(u);
    return;
  }
  if (n > 0) rl_buf_consume(&o->out, (size_t)n);
  start_writing(u);
  drop_outbox(u);
  if (n > 0) rl_stream_sent(&u->s, (size_t)n);
}

static void on_chore(rl_chore *chore) { flush(rl_container_of(chore, rl_outbox, chore)->stream); }

static ssize_t uvs_send_soon(rl_stream *s, const uv_buf_t *pieces, unsigned count) {
  rl_uvstream *u = rl_uvstream_of(s);
  ssize_t kept = !open_outbox(u) ? UV_ENOMEM : keep(u, pieces, count, 0, rl_stream_room(s));
  if (kept < 0) fail_writing(u, (int)kept);
  if (kept > 0 && !is_busy(u)) rl_loop_before_poll(s->loop, &u->outbox->chore);
  drop_outbox(u);
  return kept;
}

static void on_shutdown(uv_shutdown_t *req, int status) {
  rl_uvstream *u = req->data;
  u->outbox->busy = false;
  drop_outbox(u);
  if (!u->s.closed) rl_stream_finished(&u->s, status);
}

static void uvs_finish(rl_stream *s) {
  rl_uvstream *u = rl_uvstream_of(s);
  rl_outbox *o = open_outbox(u);
  int err = UV_ENOMEM;
  if (o) {
    o->request.shutdown.data = u;
    err = uv_shutdown(&o->request.shutdown, &u->uv.stream, on_shutdown);
    o->busy = err == 0;
  }
  if (err < 0) rl_stream_finished(s, err);
}

static void free_linger(rl_uvhandle *h) { free(rl_container_of(h, lingering, handle)); }

static void on_look(uv_timer_t *timer) {
  lingering *l = rl_container_of(timer->data, lingering, handle);
  if (!l->handle.loop->closing && ++l->looks < LINGER_LOOKS) return;
  l->stream->outbox->linger = NULL;
  rl_uvhandle_close(&l->stream->handle);
  rl_uvhandle_close(&l->handle);
}

static bool start_lingering(rl_uvstream *u) {
  lingering *l = calloc(1, sizeof *l);
  if (!l) return false;
  uv_timer_init(u->s.loop->uv, &l->timer);
  rl_uvhandle_opened(&l->handle, u->s.loop, &l->timer, free_linger);
  l->stream = u;
  u->outbox->linger = l;
  uv_timer_start(&l->timer, on_look, LINGER_EVERY, LINGER_EVERY);
  return true;
}

static void uvs_close(rl_stream *s) {
  rl_uvstream *u = rl_uvstream_of(s);
  stop_reading(u);
  flush(u);
  if (s->unsent > 0 && s->out_status == 0 && start_lingering(u)) return;
  rl_uvhandle_close(&u->handle);
}

static void on_closed(rl_uvhandle *h) {
  rl_uvstream *u = rl_container_of(h, rl_uvstream, handle);
  if (u->outbox && u->outbox->linger) rl_uvhandle_close(&u->outbox->linger->handle);
  if (u->outbox) rl_link_remove(&u->outbox->chore.link);
  u->s.unsent = 0;
  rl_stream_unref(&u->s);
}

static void uvs_free(rl_stream *s) {
  rl_uvstream *u = rl_uvstream_of(s);
  free_outbox(u);
  free(u);
}

static void tcp_describe(rl_stream *s, char *text, size_t size) {
  struct sockaddr_storage sa;
  int n = sizeof sa;
  text[0] = 0;
  if (!rl_uvhandle_open(&rl_uvstream_of(s)->handle)) return;
  if (uv_tcp_getpeername(&rl_uvstream_of(s)->uv.tcp, (struct sockaddr *)&sa, &n) < 0) return;
  rl_addr_format((struct sockaddr *)&sa, text, size);
}

static void pipe_describe(rl_stream *s, char *text, size_t size) {
  size_t n = size - 1;
  const uv_pipe_t *pipe = &rl_uvstream_of(s)->uv.pipe;
  text[0] = 0;
  if (!rl_uvhandle_open(&rl_uvstream_of(s)->handle)) return;
  if (uv_pipe_getpeername(pipe, text, &n) < 0) n = 0;
  text[n] = 0;
}

static const rl_stream_kind tcp_kind = {
    .name = "tcp",
    .subject = "address",
    .pull = uvs_pull,
    .send = uvs_send,
    .send_soon = uvs_send_soon,
    .finish = uvs_finish,
    .close = uvs_close,
    .free = uvs_free,
    .describe = tcp_describe,
};

static const rl_stream_kind pipe_kind = {
    .name = "pipe",
    .subject = "path",
    .pull = uvs_pull,
    .send = uvs_send,
    .send_soon = uvs_send_soon,
    .finish = uvs_finish,
    .close = uvs_close,
    .free = uvs_free,
    .describe = pipe_describe,
};

static const rl_stream_kind tty_kind = {
    .name = "tty",
    .pull = uvs_pull,
    .send = uvs_send,
    .close = uvs_close,
    .free = uvs_free,
};

static rl_uvstream *make(rl_loop *loop, const rl_stream_kind *kind, size_t handle_size) {
  rl_uvstream *u = calloc(1, offsetof(rl_uvstream, uv) + handle_size);
  if (!u) return NULL;
  rl_stream_init(&u->s, kind, loop);
  return u;
}

static rl_uvstream *opened(rl_uvstream *u, rl_loop *loop, int err, int *out) {
  *out = err;
  if (err < 0) {
    free(u);
    return NULL;
  }
  rl_uvhandle_opened(&u->handle, loop, &u->uv, on_closed);
  return u;
}

rl_uvstream *rl_uvstream_new(rl_loop *loop, uv_handle_type type, int *err) {
  bool tcp = type == UV_TCP;
  rl_uvstream *u =
      make(loop, tcp ? &tcp_kind : &pipe_kind, tcp ? sizeof(uv_tcp_t) : sizeof(uv_pipe_t));
  *err = UV_ENOMEM;
  if (!u) return NULL;
  return opened(u, loop,
                tcp ? uv_tcp_init(loop->uv, &u->uv.tcp) : uv_pipe_init(loop->uv, &u->uv.pipe, 0),
                err);
}

rl_uvstream *rl_uvstream_tty(rl_loop *loop, int fd, int *err) {
  rl_uvstream *u = make(loop, &tty_kind, sizeof(uv_tty_t));
  *err = UV_ENOMEM;
  return u ? opened(u, loop, uv_tty_init(loop->uv, &u->uv.tty, fd, 0), err) : NULL;
}

bool rl_stream_is_uv(const rl_stream *s) { return s->kind->close == uvs_close; }

int rl_stream_socket(const rl_stream *s) {
  bool socket = s->kind == &tcp_kind || s->kind == &pipe_kind;
  return socket && !s->closed ? fd_of((const rl_uvstream *)s) : -1;
}
