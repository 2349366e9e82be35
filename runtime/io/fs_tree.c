// File-system jobs on whole directories: making parents, removing a tree.
#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/io/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int make_one(rl_fs *fs, const char *path) {
  struct stat st;
  if (fs->permit) return rl_fs_make_permitted(fs, path);
  if (mkdir(path, (mode_t)fs->other) == 0) return 0;
  int err = -errno;
  if (err == -EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
  return err;
}

int rl_fs_mkdirs(rl_fs *fs) {
  fs->op = "mkdir";
  fs->where = strdup(fs->path);
  if (!fs->where) return -ENOMEM;
  for (char *p = fs->where + 1; *fs->where && *p; p++) {
    if (*p != '/' || p[-1] == '/') continue;
    *p = 0;
    int err = make_one(fs, fs->where);
    if (err < 0 && err != RL_DENIED) {  // what may not be made is there, or what is below will tell
      fs->at = fs->where;
      return err == -EEXIST ? -ENOTDIR : err;
    }
    *p = '/';
  }
  return make_one(fs, fs->path);
}

// A directory on the way down. Only the deepest ones are open; the others are known by their
// identity.
typedef struct level {
  DIR *dir;
  dev_t dev;
  ino_t ino;
  char name[NAME_MAX + 1];  // in the level above
} level;

enum { OPEN_LEVELS = 32 };

typedef struct tree {
  rl_fs *fs;
  level *levels;
  size_t depth, cap;
} tree;

static int push_level(tree *t, int fd, const char *name) {
  if (t->depth == t->cap) {
    size_t cap = t->cap ? t->cap * 2 : 16;
    level *bigger = realloc(t->levels, cap * sizeof *bigger);
    if (!bigger) return close(fd), -ENOMEM;
    t->levels = bigger;
    t->cap = cap;
  }
  level *l = &t->levels[t->depth];
  struct stat st;
  if (fstat(fd, &st) < 0 || !(l->dir = fdopendir(fd))) {
    int err = -errno;
    close(fd);
    return err;
  }
  l->dev = st.st_dev;
  l->ino = st.st_ino;
  snprintf(l->name, sizeof l->name, "%s", name);
  t->depth++;
  if (t->depth > OPEN_LEVELS) {
    level *far = &t->levels[t->depth - 1 - OPEN_LEVELS];
    if (far->dir) closedir(far->dir);
    far->dir = NULL;
  }
  return 0;
}

static int descend(tree *t, int at, const char *name) {
  t->fs->op = "openat";
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return fd < 0 ? -errno : push_level(t, fd, name);
}

// The level above again, if it is still the directory we came from: a moved one would lead out of
// the tree.
static int reopen_parent(tree *t) {
  level *child = &t->levels[t->depth - 1], *parent = child - 1;
  if (parent->dir) return 0;
  t->fs->op = "openat";
  int fd = openat(dirfd(child->dir), "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  struct stat st;
  int err = fstat(fd, &st) < 0 ? -errno : 0;
  if (err == 0 && (st.st_dev != parent->dev || st.st_ino != parent->ino)) err = -ESTALE;
  if (err == 0 && !(parent->dir = fdopendir(fd))) err = -errno;
  if (err < 0) close(fd);
  return err;
}

static int ascend(tree *t) {
  int err = reopen_parent(t);
  if (err < 0) return err;
  level *child = &t->levels[--t->depth];
  closedir(child->dir);
  child->dir = NULL;
  t->fs->op = "unlinkat";
  int parent = dirfd(t->levels[t->depth - 1].dir);
  return unlinkat(parent, child->name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_entry(tree *t, int at, const struct dirent *entry) {
  if (entry->d_type != DT_DIR) {
    t->fs->op = "unlinkat";
    if (unlinkat(at, entry->d_name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -errno;
    int unlinked = -errno;
    int err = descend(t, at, entry->d_name);
    return err == -ENOTDIR || err == -ELOOP ? unlinked : err;
  }
  int err = descend(t, at, entry->d_name);
  if (err == -ENOENT) return 0;
  if (err != -ENOTDIR && err != -ELOOP) return err;
  t->fs->op = "unlinkat";  // it has become something else meanwhile
  return unlinkat(at, entry->d_name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

// One step: an entry less, a level deeper, or a level up. 1 when the root itself is empty.
static int step(tree *t) {
  if (rl_pooled_cancelled(&t->fs->work)) return RL_CANCELLED;
  DIR *dir = t->levels[t->depth - 1].dir;
  errno = 0;
  t->fs->op = "readdir";
  struct dirent *entry = readdir(dir);
  if (!entry && errno) return -errno;
  if (!entry) return t->depth == 1 ? 1 : ascend(t);
  const char *name = entry->d_name;
  if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) return 0;
  return remove_entry(t, dirfd(dir), entry);
}

// Names where it stopped: the path down to the level.
static void tell_where(tree *t) {
  size_t size = strlen(t->fs->path) + 1;
  for (size_t i = 1; i < t->depth; i++) size += strlen(t->levels[i].name) + 1;
  char *path = malloc(size), *end = path;
  if (!path) return;
  end = stpcpy(end, t->fs->path);
  for (size_t i = 1; i < t->depth; i++) {
    *end++ = '/';
    end = stpcpy(end, t->levels[i].name);
  }
  free(t->fs->where);
  t->fs->at = t->fs->where = path;
}

// A slash at the end would follow a link; "/" and what is above us are nobody's to remove.
static int check_root(rl_fs *fs) {
  size_t n = strlen(fs->path);
  while (n > 1 && fs->path[n - 1] == '/') fs->path[--n] = 0;
  const char *slash = strrchr(fs->path, '/');
  const char *name = slash ? slash + 1 : fs->path;
  fs->op = "rmdir";
  return !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(fs->path, "/") ? -EINVAL : 0;
}

int rl_fs_remove_tree(rl_fs *fs) {
  tree t = {.fs = fs};
  int refused = check_root(fs);
  if (refused < 0) return refused;
  int err = descend(&t, AT_FDCWD, fs->path);
  if (err == -ENOTDIR || err == -ELOOP) return rl_fs_remove(fs);
  while (err == 0) err = step(&t);
  if (err < 0) tell_where(&t);
  for (size_t i = 0; i < t.depth; i++)
    if (t.levels[i].dir) closedir(t.levels[i].dir);
  free(t.levels);
  if (err < 0) return err;
  fs->op = "rmdir";
  return rmdir(fs->path) < 0 ? -errno : 0;
}
