// Streams over uv_stream_t: TCP and Unix sockets, pipes, terminals. Reading stays switched on and
// pauses only when `in` is full; an idle stream holds no buffer.
#ifndef RL_IO_UVSTREAM_H
#define RL_IO_UVSTREAM_H

#include "runtime/io/handle.h"
#include "runtime/io/stream.h"

typedef struct rl_outbox rl_outbox;

typedef struct rl_uvstream {
  rl_stream s;  // first
  rl_uvhandle handle;
  rl_outbox *outbox;  // or NULL: nothing waits to go
  int received;       // by the read under way
  bool reading, borrowed;
  union {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
    uv_tty_t tty;
  } uv;
} rl_uvstream;

// An open libuv handle of `type` (UV_TCP, UV_NAMED_PIPE) that is not connected yet: connect,
// accept, or hand it to uv_spawn. NULL: *err says why. The caller owns one reference, and closes
// with rl_stream_close.
rl_uvstream *rl_uvstream_new(rl_loop *loop, uv_handle_type type, int *err);
// A terminal on `fd`.
rl_uvstream *rl_uvstream_tty(rl_loop *loop, int fd, int *err);

static inline rl_uvstream *rl_uvstream_of(rl_stream *s) { return (rl_uvstream *)s; }
// True if it is one of these: its libuv handle may be handed to a child.
bool rl_stream_is_uv(const rl_stream *s);
// The descriptor of an open TCP or Unix socket; -1: it is something else.
int rl_stream_socket(const rl_stream *s);

#endif
