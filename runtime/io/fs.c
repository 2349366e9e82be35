// File-system jobs: their life, and the calls that are one system call.
#include "runtime/io/fs.h"

#include "runtime/base/check.h"
#include "runtime/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <unistd.h>

static int run(rl_pooled *work) {
  rl_fs *fs = (rl_fs *)work;
  const struct rl_permit *permit = work->loop ? work->loop->permit : NULL;
  return permit ? rl_fs_permitted(fs, permit) : fs->call(fs);
}

rl_fs *rl_fs_new(int (*call)(rl_fs *), const char *path, const char *to) {
  size_t path_size = strlen(path) + 1, to_size = to ? strlen(to) + 1 : 0;
  rl_fs *fs = malloc(sizeof *fs + path_size + to_size);
  if (!fs) return NULL;
  memset(fs, 0, sizeof *fs);
  fs->work.run = run;
  fs->work.drop = rl_fs_drop;
  fs->call = call;
  fs->at = fs->path = memcpy(fs + 1, path, path_size);
  if (to) fs->to = memcpy(fs->path + path_size, to, to_size);
  fs->fd = -1;
  return fs;
}

void rl_fs_drop(rl_pooled *work) {
  rl_fs *fs = (rl_fs *)work;
  if (fs->made) remove(fs->out);
  if (fs->fd >= 0) close(fs->fd);
  free(fs->where);
  free(fs->why);
  free(fs->out);
  free(fs);
}

static int answer(rl_fs *fs, const char *op, int result) {
  fs->op = op;
  return result < 0 ? -errno : result;
}

bool rl_fs_polled(int fd, const struct stat *st) {
  return S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode) || (S_ISCHR(st->st_mode) && isatty(fd));
}

int rl_fs_open(rl_fs *fs) {
  fs->op = "open";
  // O_NONBLOCK: the opening of a FIFO waits for no one. It means nothing to files.
  int flags = (int)fs->number | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (fs->to ? 0 : fs->no_follow);
  do {
    fs->fd = open(fs->path, flags, (mode_t)fs->other);
  } while (fs->fd < 0 && errno == EINTR);
  if (fs->fd < 0) return -errno;
  return answer(fs, "fstat", fstat(fs->fd, &fs->st));
}

int rl_fs_stat(rl_fs *fs) { return answer(fs, "stat", stat(fs->path, &fs->st)); }
int rl_fs_lstat(rl_fs *fs) { return answer(fs, "lstat", lstat(fs->path, &fs->st)); }

int rl_fs_exists(rl_fs *fs) {
  int err = rl_fs_stat(fs);
  if (err == -ENOENT || err == -ENOTDIR) return 0;
  return err < 0 ? err : 1;
}

int rl_fs_mkdir(rl_fs *fs) { return answer(fs, "mkdir", mkdir(fs->path, (mode_t)fs->other)); }

int rl_fs_remove(rl_fs *fs) {
  int err = answer(fs, "unlink", unlink(fs->path));
  if (err != -EISDIR && err != -EPERM) return err;
  int as_directory = answer(fs, "rmdir", rmdir(fs->path));
  if (as_directory != -ENOTDIR) return as_directory;
  fs->op = "unlink";
  return err;
}

int rl_fs_rename(rl_fs *fs) { return answer(fs, "rename", rename(fs->path, fs->to)); }
int rl_fs_link(rl_fs *fs) { return answer(fs, "link", link(fs->path, fs->to)); }

int rl_fs_symlink(rl_fs *fs) {
  fs->at = fs->to;
  return answer(fs, "symlink", symlink(fs->path, fs->to));
}

int rl_fs_readlink(rl_fs *fs) {
  fs->op = "readlink";
  for (size_t size = 256;; size *= 2) {
    free(fs->out);
    fs->out = malloc(size);
    if (!fs->out) return -ENOMEM;
    ssize_t n = readlink(fs->path, fs->out, size);
    if (n < 0) return -errno;
    fs->out_size = (size_t)n;
    if ((size_t)n < size) return 0;
  }
}

int rl_fs_realpath(rl_fs *fs) {
  fs->op = "realpath";
  fs->out = realpath(fs->path, NULL);
  if (!fs->out) return -errno;
  fs->out_size = strlen(fs->out);
  return 0;
}

int rl_fs_chmod(rl_fs *fs) { return answer(fs, "chmod", chmod(fs->path, (mode_t)fs->other)); }

int rl_fs_chown(rl_fs *fs) {
  return answer(fs, "chown", chown(fs->path, (uid_t)fs->number, (gid_t)fs->other));
}

static struct timespec to_timespec(double seconds) {
  if (isnan(seconds)) return (struct timespec){.tv_nsec = UTIME_NOW};
  double whole = floor(seconds);
  long ns = (long)((seconds - whole) * 1e9 + 0.5);
  return (struct timespec){.tv_sec = (time_t)whole, .tv_nsec = ns > 999999999 ? 999999999 : ns};
}

int rl_fs_utime(rl_fs *fs) {
  struct timespec times[2] = {to_timespec(fs->atime), to_timespec(fs->mtime)};
  return answer(fs, "utimensat", utimensat(AT_FDCWD, fs->path, times, 0));
}

int rl_fs_notify(rl_fs *fs) {
  return answer(fs, "inotify_add_watch", inotify_add_watch(fs->fd, fs->path, (uint32_t)fs->number));
}

static int random_name(char name[17]) {
  uint64_t bits;
  if (getrandom(&bits, sizeof bits, 0) != sizeof bits) return -errno;
  for (int i = 0; i < 16; i++) name[i] = "0123456789abcdef"[(bits >> (4 * i)) & 15];
  name[16] = 0;
  return 0;
}

int rl_fs_make_temp(const char *dir, const char *prefix, mode_t mode, bool directory, char **out) {
  char name[17];
  size_t size = strlen(dir) + 1 + strlen(prefix) + sizeof name;
  char *path = *out = malloc(size);
  if (!path) return -ENOMEM;
  const char *slash = *dir && dir[strlen(dir) - 1] != '/' ? "/" : "";
  for (int tries = 0; tries < 100; tries++) {
    int err = random_name(name);
    if (err < 0) return err;
    snprintf(path, size, "%s%s%s%s", dir, slash, prefix, name);
    int got = directory ? mkdir(path, mode)
                        : open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (got >= 0) return got;
    if (errno != EEXIST && errno != EINTR) return -errno;
  }
  return -EEXIST;
}

static int make_temp(rl_fs *fs, const char *op, mode_t mode, bool directory) {
  fs->op = op;
  int got = rl_fs_make_temp(fs->path, fs->to, mode, directory, &fs->out);
  if (got < 0) {
    if (fs->out) fs->at = fs->out;
    return got;
  }
  fs->out_size = strlen(fs->out);
  fs->made = true;
  if (!directory) fs->fd = got;
  return 0;
}

int rl_fs_temp_file(rl_fs *fs) {
  int err = make_temp(fs, "open", 0600, false);
  return err < 0 ? err : answer(fs, "fstat", fstat(fs->fd, &fs->st));
}

int rl_fs_temp_dir(rl_fs *fs) { return make_temp(fs, "mkdir", 0700, true); }
