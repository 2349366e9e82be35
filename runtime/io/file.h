// Open files as streams: reads and writes are jobs on libuv's pool, one of each at a time, at a
// position of our own.
#ifndef RL_IO_FILE_H
#define RL_IO_FILE_H

#include "runtime/io/stream.h"

typedef struct rl_file {
  rl_stream s;  // first
  int fd;
  bool seekable;
  bool reading, writing, stale;  // jobs under way; the bytes being read are no longer wanted
  bool written;                  // closing it may tell of lost bytes
  bool closing;                  // its close job is under way
  int64_t at;  // where the next read or write goes in the file; behind what is in `s.in`
  uv_work_t in_job, out_job;
  uv_buf_t chunk;  // being read
  ssize_t got;
  rl_buf out, flight;  // taken; being written
  int64_t flight_at;
  int out_error;
  uint32_t users;  // other jobs that use fd
  rl_op closer;    // of a task that waits for the end of closing
  char path[];
} rl_file;

// Takes `fd`. NULL when memory is out, and fd is still the caller's. One reference is the caller's.
rl_file *rl_file_new(rl_loop *loop, int fd, const char *path);
bool rl_stream_is_file(const rl_stream *s);
static inline rl_file *rl_file_of(rl_stream *s) { return (rl_file *)s; }

// Where the next byte read or written is.
int64_t rl_file_tell(const rl_file *f);
// Nobody reads, nothing is unsent. What was read ahead is dropped, and the end is sought anew.
void rl_file_seek(rl_file *f, int64_t at);

// Another job uses fd from here to there; a closed file keeps it as long.
void rl_file_use(rl_file *f);
void rl_file_unuse(rl_file *f);

// After rl_stream_close: `task` begins to wait until all is written and closed; its status is what
// went wrong. False: that is over already.
bool rl_file_wait_closed(rl_file *f, struct rl_task *task);

#endif
