// Listening sockets.
#include "runtime/io/listener.h"

#include "runtime/core/task.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const rl_op_kind accept_kind = {"accept", rl_lot_stop, NULL, RL_HOLD_PASSIVE};

static rl_uvstream *accept_one(rl_listener *l, int *err) {
  rl_uvstream *u = rl_uvstream_new(l->handle.loop, l->unix_socket ? UV_NAMED_PIPE : UV_TCP, err);
  if (!u) return NULL;
  *err = uv_accept(&l->uv.stream, &u->uv.stream);
  if (*err == 0) {
    if (!l->unix_socket) uv_tcp_nodelay(&u->uv.tcp, 1);
    return u;
  }
  rl_stream_close(&u->s);
  rl_stream_unref(&u->s);
  return NULL;
}

// A handed-over connection travels by the link of its idle reader.
static void hand_over(rl_listener *l, rl_uvstream *u) {
  rl_list_push(&l->handed, &u->s.reader.link);
}

static void on_connection(uv_stream_t *server, int status) {
  rl_listener *l = rl_container_of(server->data, rl_listener, handle);
  if (status == UV_ECONNABORTED || status == UV_EAGAIN) return;
  rl_op *waiter = rl_lot_first(&l->waiters);
  if (status < 0) {
    if (waiter) {
      rl_op_finish(waiter, status);
    } else {
      l->error = status;
    }
    return;
  }
  if (!waiter) {
    l->waiting = true;
    return;
  }
  int err;
  rl_uvstream *u = accept_one(l, &err);
  if (u) hand_over(l, u);
  rl_op_finish(waiter, err);
}

rl_uvstream *rl_listener_take(rl_listener *l, int *err) {
  *err = l->error;
  l->error = 0;
  if (*err < 0 || !l->waiting) return NULL;
  l->waiting = false;
  rl_uvstream *u = accept_one(l, err);  // libuv may call on_connection again from here
  if (*err == UV_EAGAIN) *err = 0;
  return u;
}

void rl_listener_wait(rl_listener *l, rl_task *task) {
  rl_op_init(&task->wait, &accept_kind);
  rl_op_begin(&task->wait, task);
  rl_lot_park(&l->waiters, &task->wait);
}

rl_uvstream *rl_listener_handed(rl_listener *l) {
  rl_link *link = rl_list_pop(&l->handed);
  RL_CHECK(link);
  return rl_container_of(link, rl_uvstream, s.reader.link);
}

static void on_closed(rl_uvhandle *h) {
  rl_listener_unref(rl_container_of(h, rl_listener, handle));
}

void rl_listener_close(rl_listener *l) {
  if (!rl_uvhandle_open(&l->handle)) return;
  rl_lot_wake_all(&l->waiters, RL_CLOSED);
  rl_uvhandle_close(&l->handle);
}

void rl_listener_unref(rl_listener *l) {
  if (--l->refs) return;
  for (rl_link *link; (link = rl_list_pop(&l->handed));) {
    rl_uvstream *u = rl_container_of(link, rl_uvstream, s.reader.link);
    rl_stream_close(&u->s);
    rl_stream_unref(&u->s);
  }
  if (l->pinned >= 0) close(l->pinned);
  free(l);
}

static rl_listener *make(bool unix_socket) {
  rl_listener *l = calloc(1, sizeof *l);
  if (!l) return NULL;
  l->refs = 2;  // the open handle's and the caller's
  l->unix_socket = unix_socket;
  l->pinned = -1;
  rl_lot_init(&l->waiters);
  rl_link_init(&l->handed);
  return l;
}

// The handle is open; `err` tells whether binding worked.
static rl_listener *listening(rl_listener *l, int backlog, int *err) {
  if (*err == 0) *err = uv_listen(&l->uv.stream, backlog, on_connection);
  if (*err == 0) return l;
  rl_listener_close(l);
  rl_listener_unref(l);
  return NULL;
}

static int reuse_port(uv_tcp_t *tcp) {
  uv_os_fd_t fd;
  int on = 1, err = uv_fileno((uv_handle_t *)tcp, &fd);
  if (err < 0) return err;
  return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0
             ? uv_translate_sys_error(errno)
             : 0;
}

rl_listener *rl_listener_tcp(rl_loop *loop, const rl_addr *addr, rl_listen_options options,
                             int *err) {
  rl_listener *l = make(false);
  *err = UV_ENOMEM;
  if (!l) return NULL;
  *err = uv_tcp_init_ex(loop->uv, &l->uv.tcp, addr->sa.ss_family);
  if (*err < 0) {
    free(l);
    return NULL;
  }
  rl_uvhandle_opened(&l->handle, loop, &l->uv, on_closed);
  if (options.reuse_port) *err = reuse_port(&l->uv.tcp);
  if (*err == 0) *err = uv_tcp_bind(&l->uv.tcp, (const struct sockaddr *)&addr->sa, 0);
  return listening(l, options.backlog, err);
}

rl_listener *rl_listener_path(rl_loop *loop, const char *path, int pinned,
                              rl_listen_options options, int *err) {
  rl_listener *l = make(true);
  *err = UV_ENOMEM;
  if (!l) return NULL;
  *err = uv_pipe_init(loop->uv, &l->uv.pipe, 0);
  if (*err < 0) {
    free(l);
    return NULL;
  }
  rl_uvhandle_opened(&l->handle, loop, &l->uv, on_closed);
  *err = uv_pipe_bind(&l->uv.pipe, path);
  l = listening(l, options.backlog, err);
  if (l) l->pinned = pinned;
  return l;
}
