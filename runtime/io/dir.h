// The entries of a directory, a batch at a time: memory stays bounded however large it is.
#ifndef RL_IO_DIR_H
#define RL_IO_DIR_H

#include "runtime/io/pooled.h"

// A batch: for each entry a letter for its type, its name, and a zero byte.
// d directory, f file, l link, p fifo, s socket, c and b devices, u unknown.
enum { RL_DIR_BATCH = 32 << 10 };

typedef struct rl_dir {
  int fd;       // -1: closed, or read to the end
  char *batch;  // from malloc, of RL_DIR_BATCH bytes; NULL until the first
  size_t at, size;
} rl_dir;

// A job that opens the directory if its fd is -1, and reads the next batch. It works on a copy of
// `dir`, and gives it back in its `dir` for the waiter to take: a waiter that left lost nothing but
// its place.
typedef struct rl_dir_job {
  rl_pooled work;
  rl_dir dir;
  char *why;     // of RL_DENIED, from malloc
  bool follow;   // of the last part of `path`
  void *waiter;  // of the floor above
  const char *op;
  char path[];
} rl_dir_job;

rl_dir_job *rl_dir_job_new(const char *path);  // NULL when memory is out
void rl_dir_close(rl_dir *dir);

#endif
