// The digest of a file: big reads, regular files alone.
#include "runtime/cpu/hash.h"

#include "runtime/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 };

// O_NONBLOCK: opening a FIFO or a device must not hold the thread.
static int open_regular(const char *path) {
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return -errno;
  struct stat st;
  int err = fstat(fd, &st) < 0    ? -errno
            : S_ISDIR(st.st_mode) ? -EISDIR
            : S_ISREG(st.st_mode) ? 0
                                  : -EINVAL;
  if (err == 0) return fd;
  close(fd);
  return err;
}

int rl_hash_file(rl_hash *h, const char *path, const atomic_bool *cancelled, const char **op) {
  *op = "open";
  int fd = open_regular(path);
  if (fd < 0) return fd;
  *op = "read";
  char *chunk = malloc(CHUNK);
  int err = chunk ? 0 : -ENOMEM;
  while (err == 0) {
    ssize_t n = read(fd, chunk, CHUNK);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      err = n < 0 ? -errno : 0;
      break;
    }
    err = rl_hash_update(h, chunk, (size_t)n, cancelled);
  }
  free(chunk);
  close(fd);
  return err;
}
