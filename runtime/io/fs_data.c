// File-system jobs that move bytes: whole reads, whole writes, copies.
#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/io/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };        // bytes moved between two looks at the flag
enum { FIRST_READ = 16 << 10 };  // for files that do not tell their size, as in /proc

static bool grow(rl_fs *fs, size_t *cap, size_t to) {
  char *bigger = realloc(fs->out, to);
  if (!bigger) return false;
  fs->out = bigger;
  *cap = to;
  return true;
}

// A regular file that gives less than was asked for has ended.
static int read_all(rl_fs *fs) {
  fs->op = "read";
  bool regular = S_ISREG(fs->st.st_mode) && fs->st.st_size > 0;
  size_t cap = 0;
  if (regular && (uint64_t)fs->st.st_size > fs->limit) return RL_LIMIT;
  if (!grow(fs, &cap, regular ? (size_t)fs->st.st_size + 1 : FIRST_READ)) return -ENOMEM;
  for (;;) {
    if (rl_pooled_cancelled(&fs->work)) return RL_CANCELLED;
    size_t room = cap - fs->out_size;
    ssize_t n = read(fs->fd, fs->out + fs->out_size, room < PIECE ? room : PIECE);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n == 0) return 0;
    fs->out_size += (size_t)n;
    if (fs->out_size > fs->limit) return RL_LIMIT;
    if (regular && (size_t)n < room && (size_t)n < PIECE) return 0;
    if (fs->out_size == cap && !grow(fs, &cap, cap * 2)) return -ENOMEM;
  }
}

static int close_fd(rl_fs *fs) {
  int fd = fs->fd;
  fs->fd = -1;
  return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

int rl_fs_read(rl_fs *fs) {
  fs->number = O_RDONLY;
  int err = rl_fs_open(fs);
  if (err < 0 || rl_fs_polled(fs->fd, &fs->st)) return err;
  err = read_all(fs);
  close_fd(fs);
  return err;
}

// Writes all of it, in pieces between which a cancelled job ends. The descriptor may be in O_APPEND
// mode.
static int write_all(rl_fs *fs, int fd, const char *data, size_t size) {
  fs->op = "write";
  while (size > 0) {
    if (rl_pooled_cancelled(&fs->work)) return RL_CANCELLED;
    ssize_t n = write(fd, data, size < PIECE ? size : PIECE);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    data += n;
    size -= (size_t)n;
  }
  return 0;
}

static int sync_fd(rl_fs *fs, int fd) {
  fs->op = "fsync";
  if (fsync(fd) == 0 || errno == EINVAL || errno == EROFS)
    return 0;  // what has no fsync is no file
  return -errno;
}

static int write_in_place(rl_fs *fs) {
  int64_t how = fs->number;
  fs->number = O_WRONLY | O_CREAT | (how & RL_FS_APPEND ? O_APPEND : O_TRUNC);
  if (fs->other < 0) fs->other = 0666;
  int err = rl_fs_open(fs);
  if (err < 0 || rl_fs_polled(fs->fd, &fs->st)) return err;
  err = write_all(fs, fs->fd, fs->data, fs->size);
  if (err == 0 && (how & RL_FS_SYNC)) err = sync_fd(fs, fs->fd);
  int closed = close_fd(fs);
  if (err == 0 && closed < 0) fs->op = "close";
  return err < 0 ? err : closed;
}

// The mode of a file made with 0666: umask(2) cannot be read without setting it for every thread.
static mode_t default_mode(void) {
  unsigned mask = 022;
  FILE *status = fopen("/proc/self/status", "re");
  if (!status) return 0666 & ~022;
  char line[128];
  while (fgets(line, sizeof line, status) && sscanf(line, "Umask: %o", &mask) != 1) continue;
  fclose(status);
  return 0666 & ~mask;
}

static int sync_directory(rl_fs *fs, const char *dir) {
  fs->op = "open";
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno == EACCES ? 0 : -errno;  // may be written to and not read
  int err = sync_fd(fs, fd);
  close(fd);
  return err;
}

// Fills the temporary file fs->fd, whose name is fs->where, and gives it the name `target`.
static int fill_temp(rl_fs *fs, const char *target, mode_t mode) {
  int err = write_all(fs, fs->fd, fs->data, fs->size);
  if (err < 0) return err;
  fs->op = "fchmod";
  if (fchmod(fs->fd, mode) < 0) return -errno;
  err = sync_fd(fs, fs->fd);
  if (err < 0) return err;
  fs->op = "close";
  err = close_fd(fs);
  if (err < 0) return err;
  if (rl_pooled_cancelled(&fs->work)) return RL_CANCELLED;
  fs->op = "rename";
  return rename(fs->where, target) < 0 ? -errno : 0;
}

static int replace(rl_fs *fs, const char *target, mode_t mode) {
  const char *slash = strrchr(target, '/');
  char *dir = slash ? strndup(target, (size_t)(slash - target) + 1) : strdup(".");
  if (!dir) return -ENOMEM;
  fs->op = "open";
  int err = rl_fs_make_temp(dir, ".rille-", 0600, false, &fs->where);
  if (err >= 0) {
    fs->fd = err;
    err = fill_temp(fs, target, mode);
    if (err < 0) unlink(fs->where);
  }
  if (err == 0) err = sync_directory(fs, dir);
  free(dir);
  return err;
}

// Readers see the old file or the new one, whole, also after a crash. A link stays a link; a device
// is written to.
static int write_atomically(rl_fs *fs) {
  mode_t mode = fs->other >= 0 ? (mode_t)fs->other : 0;
  fs->op = "open";
  if (stat(fs->path, &fs->st) < 0) {
    if (errno != ENOENT) return -errno;
    return replace(fs, fs->path, fs->other >= 0 ? mode : default_mode());
  }
  if (S_ISDIR(fs->st.st_mode)) return -EISDIR;
  if (!S_ISREG(fs->st.st_mode)) return write_in_place(fs);
  char *target = fs->no_follow ? strdup(fs->path) : realpath(fs->path, NULL);
  if (!target) return -errno;
  int err = replace(fs, target, fs->other >= 0 ? mode : fs->st.st_mode & 07777);
  free(target);
  return err;
}

int rl_fs_write(rl_fs *fs) {
  return fs->number & RL_FS_ATOMIC ? write_atomically(fs) : write_in_place(fs);
}

static int copy_by_hand(rl_fs *fs, int from, int to) {
  char *piece = malloc(PIECE);
  if (!piece) return -ENOMEM;
  int err = 0;
  for (;;) {
    fs->op = "read";
    fs->at = fs->path;
    ssize_t n = read(from, piece, PIECE);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) err = -errno;
    if (n <= 0) break;
    fs->at = fs->to;
    err = write_all(fs, to, piece, (size_t)n);
    if (err < 0) break;
  }
  free(piece);
  return err;
}

// In the kernel where it can, which shares blocks on file systems that do; else by hand.
static int copy_bytes(rl_fs *fs, int from, int to) {
  for (bool any = false;; any = true) {
    if (rl_pooled_cancelled(&fs->work)) return RL_CANCELLED;
    fs->op = "copy_file_range";
    ssize_t n = copy_file_range(from, NULL, to, NULL, 16 * PIECE, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 && any) return 0;
    // Files of /proc and other file systems' files cannot be copied so, or seem empty.
    if (n <= 0 && !any) return copy_by_hand(fs, from, to);
    if (n < 0) return -errno;
  }
}

static int open_target(rl_fs *fs, const struct stat *source, bool *made) {
  fs->op = "open";
  fs->at = fs->to;
  int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | fs->no_follow;
  mode_t mode = source->st_mode & 0777;
  *made = true;
  int fd = open(fs->to, flags | O_CREAT | O_EXCL, mode);
  if (fd < 0 && errno == EEXIST) {
    *made = false;
    fd = open(fs->to, flags);
  }
  if (fd < 0) return -errno;
  struct stat st;
  int err = fstat(fd, &st) < 0 ? -errno : 0;
  // Onto itself it would be emptied first.
  if (err == 0 && st.st_dev == source->st_dev && st.st_ino == source->st_ino) err = -EINVAL;
  if (err == 0 && S_ISREG(st.st_mode) && ftruncate(fd, 0) < 0) err = -errno;
  if (err < 0) close(fd);
  return err < 0 ? err : fd;
}

int rl_fs_copy(rl_fs *fs) {
  fs->number = O_RDONLY;
  int err = rl_fs_open(fs);
  if (err < 0) return err;
  if (S_ISDIR(fs->st.st_mode)) return -EISDIR;
  if (!S_ISREG(fs->st.st_mode)) return -EINVAL;
  bool made = false;
  int to = open_target(fs, &fs->st, &made);
  if (to < 0) return to;
  err = copy_bytes(fs, fs->fd, to);
  if (err == 0) {
    fs->op = "fchmod";
    fs->at = fs->to;
    if (made && fchmod(to, fs->st.st_mode & 07777) < 0) err = -errno;
  }
  if (close(to) < 0 && err == 0 && errno != EINTR) {
    fs->op = "close";
    err = -errno;
  }
  if (err < 0 && made) unlink(fs->to);  // no half file under a new name
  return err;
}
