// Bytes of a file to a socket without a copy: one job on libuv's pool sends what the socket takes
// at once. Where it stops, it reads some bytes that go the usual way, so that waiting for room is
// the stream's.
#ifndef RL_IO_SENDFILE_H
#define RL_IO_SENDFILE_H

#include "runtime/io/file.h"
#include "runtime/io/pooled.h"

enum {
  RL_SENDFILE_READ = 64 * 1024,        // bytes read where the socket takes no more
  RL_SENDFILE_MAX = 16 * 1024 * 1024,  // bytes of one job: others use the pool too
};

typedef struct rl_sendfile {
  rl_pooled work;  // its status: 0, or the socket's error
  rl_file *file;
  int socket;
  int64_t at;
  size_t left;
  size_t sent;     // to the socket,
  size_t have;     // and behind that in `bytes`
  int file_error;  // UV_EOF: the file ends too early
  char bytes[RL_SENDFILE_READ];
} rl_sendfile;

// The next `size` bytes of a file that nobody reads. Start it with rl_pooled_start; a cancelled
// task stays until it is over. NULL: memory or descriptors are out.
rl_sendfile *rl_sendfile_new(rl_file *file, int socket, uint64_t size);

#endif
