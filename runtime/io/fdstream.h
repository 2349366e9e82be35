// Streams over descriptors that are shared with others and stay blocking: standard input, output
// and error. Pipes, terminals and sockets are polled and touched only when that cannot block; files
// are read and written at once.
#ifndef RL_IO_FDSTREAM_H
#define RL_IO_FDSTREAM_H

#include "runtime/io/handle.h"
#include "runtime/io/stream.h"

typedef struct rl_fdstream {
  rl_stream s;  // first
  rl_uvhandle handle;
  rl_buf out;
  const char *name;
  int fd;
  bool polled;     // else the descriptor never blocks for long
  bool receiving;  // polls for bytes to read
  uv_poll_t poll;
} rl_fdstream;

// NULL: *err. The descriptor stays the caller's; closing the stream sends what is unsent and leaves
// it open. `name` is kept.
rl_fdstream *rl_fdstream_new(rl_loop *loop, int fd, const char *name, int *err);
// The descriptor, or -1 if the stream is of another kind.
int rl_fdstream_fd(const rl_stream *s);

#endif
