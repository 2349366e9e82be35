// Waiting for a descriptor to become readable, without reading from it: inotify, and what else is
// no stream.
#ifndef RL_IO_WATCH_H
#define RL_IO_WATCH_H

#include "runtime/core/op.h"
#include "runtime/io/handle.h"

// From malloc; owns `fd` and closes it, and frees itself when it has been closed.
typedef struct rl_watch {
  rl_uvhandle handle;
  uv_poll_t poll;
  rl_op op;  // of the one task that waits
  int fd;
} rl_watch;

// Negative: nothing was taken, `fd` is the caller's.
int rl_watch_new(rl_loop *loop, int fd, rl_watch **out);
// `task` begins to wait until there is something to read, or RL_CLOSED. Nobody else waits.
void rl_watch_wait(rl_watch *w, struct rl_task *task);
void rl_watch_close(rl_watch *w);

#endif
