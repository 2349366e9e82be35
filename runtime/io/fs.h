// File-system calls as plain blocking functions, each to be run whole on libuv's pool: one job
// opens, reads and closes. Every function answers >= 0 or a negative error, and leaves in `op` and
// `at` which call failed on which path.
#ifndef RL_IO_FS_H
#define RL_IO_FS_H

#include "runtime/io/pooled.h"

#include <sys/stat.h>

typedef struct rl_fs rl_fs;
struct rl_fs {
  rl_pooled work;
  int (*call)(rl_fs *);
  const char *op;   // the system call in progress
  const char *at;   // the path it concerns: `path`, `to`, or `where`
  char *path, *to;  // copies inside this allocation; `to` NULL where a call takes one path
  char *where;      // a path found on the way, from malloc
  int64_t number, other;
  double atime, mtime;
  const char *data;  // bytes to write: the caller's, kept alive by it
  size_t size;
  uint64_t limit;  // bytes to read at most
  char *out;       // bytes read or a path made, from malloc
  size_t out_size;
  bool made;  // `out` is a new file or directory, to be removed unless someone takes it
  const struct rl_permit *permit;  // NULL: everything may be reached
  char *why;                       // of RL_DENIED
  int no_follow;   // O_NOFOLLOW: what is written was checked as a name that is no link
  int fd;          // a result: an open file; -1: none
  struct stat st;  // a result: of stat, and of the open file
};

enum {
  RL_FS_APPEND = 1,  // of rl_fs_write, in `number`
  RL_FS_ATOMIC = 2,
  RL_FS_SYNC = 4,
};

// A closed job for `call` on copies of `path` and `to` (or NULL). NULL when memory is out.
rl_fs *rl_fs_new(int (*call)(rl_fs *), const char *path, const char *to);
void rl_fs_drop(rl_pooled *work);  // closes an `fd` nobody took, removes what was made for nobody

// True for what a pool thread must not wait on: FIFOs, sockets and terminals are polled by the
// loop.
bool rl_fs_polled(int fd, const struct stat *st);

int rl_fs_open(rl_fs *fs);  // number: O_ flags, other: mode -> fd, st
int rl_fs_read(rl_fs *fs);  // limit -> out, or an fd to be polled; over the limit: RL_LIMIT
// `to`: the directory that has to hold the file, links followed, or NULL; else -EXDEV. limit: files
// that are longer are not read -> st and, of a regular file, its bytes in out or an open fd.
int rl_fs_fetch(rl_fs *fs);
// Data, number: RL_FS_ flags, other: mode or -1 -> nothing, or an fd to be polled.
int rl_fs_write(rl_fs *fs);
int rl_fs_copy(rl_fs *fs);  // path to `to`, with its mode
int rl_fs_stat(rl_fs *fs);  // -> st
int rl_fs_lstat(rl_fs *fs);
int rl_fs_exists(rl_fs *fs);  // -> 1 or 0
int rl_fs_mkdir(rl_fs *fs);   // other: mode
int rl_fs_mkdirs(rl_fs *fs);  // other: mode; parents too, and none of them need be new
int rl_fs_remove(rl_fs *fs);  // a file or an empty directory
int rl_fs_remove_tree(rl_fs *fs);
int rl_fs_rename(rl_fs *fs);
int rl_fs_link(rl_fs *fs);       // `to` is the new name
int rl_fs_symlink(rl_fs *fs);    // `to` is the new name
int rl_fs_readlink(rl_fs *fs);   // -> out
int rl_fs_realpath(rl_fs *fs);   // -> out
int rl_fs_chmod(rl_fs *fs);      // other: mode
int rl_fs_chown(rl_fs *fs);      // number: user or -1, other: group or -1
int rl_fs_utime(rl_fs *fs);      // atime, mtime: seconds, NaN: now
int rl_fs_temp_file(rl_fs *fs);  // path: directory, `to`: prefix -> fd, out (its path), mode 0600
int rl_fs_temp_dir(rl_fs *fs);   // the same -> out, mode 0700
int rl_fs_notify(rl_fs *fs);     // fd: an inotify, number: its mask -> the watch's number

// Does the job as far as `permit` lets it.
int rl_fs_permitted(rl_fs *fs, const struct rl_permit *permit);
// One directory, which may be there already.
int rl_fs_make_permitted(rl_fs *fs, const char *path);
// A new file with a random name in `dir`: never one that is there, never through a link. Its path
// is in `*path`, from malloc.
int rl_fs_make_temp(const char *dir, const char *prefix, mode_t mode, bool directory, char **path);

#endif
