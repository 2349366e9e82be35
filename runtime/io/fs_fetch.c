// A file in one go, as servers send them: found below a directory, opened, and read if it is short.
#include "runtime/io/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// O_NONBLOCK: if it has become a FIFO meanwhile, opening waits for no one.
enum { TO_LOOK = O_PATH | O_CLOEXEC, TO_READ = O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC };

// What is behind the directory's name in a path that begins with it, else NULL.
static const char *rest_of(const char *path, const char *dir) {
  size_t n = strlen(dir);
  if (n > 0 && dir[n - 1] == '/') n--;
  return strncmp(path, dir, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

static int open_below(int dir, const char *path, int flags) {
  struct open_how how = {.flags = (unsigned)flags, .resolve = RESOLVE_BENEATH};
  return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

// The kernel sees to it that the path does not leave. False: it cannot, or does not like something.
static bool find_below(rl_fs *fs) {
  const char *path = rest_of(fs->path, fs->to);
  int dir = path ? open(fs->to, TO_LOOK | O_DIRECTORY) : -1;
  if (dir < 0) return false;
  int seen = open_below(dir, path, TO_LOOK);
  bool found = seen >= 0 && fstat(seen, &fs->st) == 0;
  if (seen >= 0) close(seen);
  if (found && S_ISREG(fs->st.st_mode)) {
    fs->fd = open_below(dir, path, TO_READ);
    found = fs->fd >= 0;
  }
  close(dir);
  return found;
}

static int check_inside(rl_fs *fs) {
  fs->op = "realpath";
  char *real = realpath(fs->path, NULL);
  if (!real) return -errno;
  bool inside = rest_of(real, fs->to);
  free(real);
  return inside ? 0 : -EXDEV;
}

static int find(rl_fs *fs) {
  int err = fs->to ? check_inside(fs) : 0;
  if (err < 0) return err;
  fs->op = "stat";
  if (stat(fs->path, &fs->st) < 0) return -errno;
  if (!S_ISREG(fs->st.st_mode)) return 0;
  fs->op = "open";
  fs->fd = open(fs->path, TO_READ);
  return fs->fd < 0 ? -errno : 0;
}

// A file that has become shorter meanwhile is as long as what was read.
static int read_whole(rl_fs *fs) {
  size_t size = (size_t)fs->st.st_size;
  fs->op = "read";
  fs->out = malloc(size + 1);
  if (!fs->out) return -ENOMEM;
  while (fs->out_size < size) {
    ssize_t n = read(fs->fd, fs->out + fs->out_size, size - fs->out_size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) break;
    fs->out_size += (size_t)n;
  }
  fs->st.st_size = (off_t)fs->out_size;
  return 0;
}

static void close_fd(rl_fs *fs) {
  close(fs->fd);
  fs->fd = -1;
}

int rl_fs_fetch(rl_fs *fs) {
  int err = fs->to && find_below(fs) ? 0 : find(fs);
  if (err < 0 || fs->fd < 0) return err;
  fs->op = "fstat";
  if (fstat(fs->fd, &fs->st) < 0) return -errno;
  bool regular = S_ISREG(fs->st.st_mode);
  if (regular && (uint64_t)fs->st.st_size > fs->limit) return 0;
  err = regular ? read_whole(fs) : 0;
  close_fd(fs);
  return err;
}
