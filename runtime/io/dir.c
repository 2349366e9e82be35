// Reading directories.
#include "runtime/io/dir.h"

#include "runtime/io/pin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char letter_of_mode(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return 'd';
    case S_IFREG: return 'f';
    case S_IFLNK: return 'l';
    case S_IFIFO: return 'p';
    case S_IFSOCK: return 's';
    case S_IFCHR: return 'c';
    case S_IFBLK: return 'b';
    default: return 'u';
  }
}

// Some file systems do not tell types with names.
static char letter_of(int fd, const struct dirent64 *entry) {
  struct stat st;
  if (entry->d_type != DT_UNKNOWN) return letter_of_mode(DTTOIF(entry->d_type));
  return fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? letter_of_mode(st.st_mode)
                                                                   : 'u';
}

static bool is_dots(const char *name) {
  return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

// Letter, name and zero are never longer than the record they come from.
static void pack(rl_dir *dir, const char *raw, size_t size) {
  for (size_t at = 0; at < size;) {
    const struct dirent64 *entry = (const struct dirent64 *)(raw + at);
    at += entry->d_reclen;
    if (is_dots(entry->d_name)) continue;
    dir->batch[dir->size++] = letter_of(dir->fd, entry);
    size_t n = strlen(entry->d_name) + 1;
    memcpy(dir->batch + dir->size, entry->d_name, n);
    dir->size += n;
  }
}

void rl_dir_close(rl_dir *dir) {
  if (dir->fd >= 0) close(dir->fd);
  dir->fd = -1;
  free(dir->batch);
  dir->batch = NULL;
  dir->at = dir->size = 0;
}

static int fill(rl_dir_job *job) {
  rl_dir *dir = &job->dir;
  _Alignas(struct dirent64) char raw[RL_DIR_BATCH];
  job->op = "getdents";
  dir->at = dir->size = 0;
  while (dir->size == 0) {
    ssize_t n = getdents64(dir->fd, raw, sizeof raw);
    if (n < 0) return -errno;
    if (n == 0) break;
    pack(dir, raw, (size_t)n);
    if ((size_t)n > sizeof raw / 2) return 0;
    n = getdents64(dir->fd, raw,
                   sizeof raw - (size_t)n);  // a small directory ends here, in the same job
    if (n < 0) return -errno;
    if (n == 0) break;
    pack(dir, raw, (size_t)n);
    return 0;
  }
  close(dir->fd);
  dir->fd = -1;
  return 0;
}

static int open_dir(rl_dir_job *job, const char *path, bool follow) {
  job->dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
  return job->dir.fd < 0 ? -errno : 0;
}

static int open_permitted(rl_dir_job *job) {
  rl_pin pin;
  job->why = malloc(RL_REFUSAL);
  if (!job->why) return -ENOMEM;
  int err = rl_pin_open(&pin, job->work.loop->permit, job->follow ? RL_PIN_OBJECT : RL_PIN_LINK,
                        RL_PIN_READ, job->path, job->why);
  if (err == 0) err = open_dir(job, pin.path, true);
  rl_pin_drop(&pin);
  return err;
}

static int run(rl_pooled *work) {
  rl_dir_job *job = (rl_dir_job *)work;
  if (!job->dir.batch && !(job->dir.batch = malloc(RL_DIR_BATCH))) return -ENOMEM;
  if (job->dir.fd < 0) {
    job->op = "opendir";
    int err = work->loop->permit ? open_permitted(job) : open_dir(job, job->path, job->follow);
    if (err < 0) return err;
  }
  return fill(job);
}

static void drop(rl_pooled *work) {
  rl_dir_job *job = (rl_dir_job *)work;
  rl_dir_close(&job->dir);
  free(job->why);
  free(job);
}

rl_dir_job *rl_dir_job_new(const char *path) {
  size_t n = strlen(path) + 1;
  rl_dir_job *job = malloc(sizeof *job + n);
  if (!job) return NULL;
  memset(job, 0, sizeof *job);
  job->work.run = run;
  job->work.drop = drop;
  job->dir.fd = -1;
  job->follow = true;
  memcpy(job->path, path, n);
  return job;
}
