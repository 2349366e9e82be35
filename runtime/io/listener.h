// Listening sockets, TCP and Unix. Connections that nobody waits for stay in the system's queue.
// When descriptors run out, libuv spends its reserve on closing what queues up: load is shed, and
// listening goes on. Loop thread only.
#ifndef RL_IO_LISTENER_H
#define RL_IO_LISTENER_H

#include "runtime/core/lot.h"
#include "runtime/io/addr.h"
#include "runtime/io/uvstream.h"

typedef struct rl_listener {
  rl_uvhandle handle;
  rl_lot waiters;  // accepting tasks, by their own ops
  rl_list handed;  // connections made for woken waiters, in order
  uint32_t refs;
  bool waiting;  // libuv holds one connection that nobody has taken
  int error;     // of the last accept that failed, for the next waiter
  bool unix_socket;
  int pinned;  // a descriptor its path leads through, or -1
  union {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;
} rl_listener;

typedef struct rl_listen_options {
  int backlog;
  bool reuse_port;
} rl_listen_options;

// Bind and listen. NULL: *err says why. The caller owns one reference; rl_listener_close, then
// rl_listener_unref.
rl_listener *rl_listener_tcp(rl_loop *loop, const rl_addr *addr, rl_listen_options options,
                             int *err);
// `pinned`: the descriptor that `path` leads through, kept as long as the path (runtime/io/pin.h),
// or -1.
rl_listener *rl_listener_path(rl_loop *loop, const char *path, int pinned,
                              rl_listen_options options, int *err);

// A connection that has arrived and belongs to nobody; the caller owns the reference. NULL: none,
// *err is 0 or an error.
rl_uvstream *rl_listener_take(rl_listener *l, int *err);
// Begins to wait with the task's own op. Woken with 0: rl_listener_handed is the task's; negative:
// an error, RL_CLOSED.
void rl_listener_wait(rl_listener *l, struct rl_task *task);
rl_uvstream *rl_listener_handed(rl_listener *l);

void rl_listener_close(rl_listener *l);  // who waits is woken with RL_CLOSED
void rl_listener_unref(rl_listener *l);

#endif
