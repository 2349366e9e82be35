// File-system jobs under permissions: what each call needs of its paths. The paths are pinned, the
// call works on the pins, and its answer speaks of the paths as they were given.
#include "runtime/base/error.h"
#include "runtime/io/fs.h"
#include "runtime/io/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

typedef enum {
  UNUSED,   // no path
  OBJECT,   // RL_PIN_...
  ENTRY,    //
  WHOLE,    // an entry, with all below it
  NAME,     // an entry that becomes something that was made elsewhere, or a link
  CREATE,   // an object, or a new entry
  REPLACE,  // as CREATE, but a file that is there is replaced, not written to
  OPEN,     // as the flags in `number` say
  NOTIFY,   // as the mask in `number` says
  INSIDE,   // a directory, for a new entry that begins with `to`
  EACH,     // the call asks for each part by itself
} way;

enum { READ = RL_PIN_READ, WRITE = RL_PIN_WRITE };

typedef struct need {
  int (*call)(rl_fs *);
  const char *op;
  way path;
  unsigned path_mays;
  way to;
  unsigned to_mays;
} need;

// A name that moves must not get under other rules than it was: it has to be readable and writable
// before.
static const need needs[] = {
    {rl_fs_open, "open", OPEN, 0, UNUSED, 0},
    {rl_fs_read, "open", OBJECT, READ, UNUSED, 0},
    {rl_fs_fetch, "open", OBJECT, READ, UNUSED, 0},
    {rl_fs_write, "open", CREATE, WRITE, UNUSED, 0},
    {rl_fs_copy, "open", OBJECT, READ, CREATE, WRITE},
    {rl_fs_stat, "stat", OBJECT, READ, UNUSED, 0},
    {rl_fs_lstat, "lstat", ENTRY, READ, UNUSED, 0},
    {rl_fs_exists, "stat", OBJECT, READ, UNUSED, 0},
    {rl_fs_mkdir, "mkdir", ENTRY, WRITE, UNUSED, 0},
    {rl_fs_mkdirs, "mkdir", EACH, WRITE, UNUSED, 0},
    {rl_fs_remove, "unlink", ENTRY, WRITE, UNUSED, 0},
    {rl_fs_remove_tree, "unlink", WHOLE, WRITE, UNUSED, 0},
    {rl_fs_rename, "rename", WHOLE, READ | WRITE, NAME, WRITE},
    {rl_fs_link, "link", ENTRY, READ | WRITE, NAME, WRITE},
    {rl_fs_symlink, "symlink", UNUSED, 0, NAME, WRITE},
    {rl_fs_readlink, "readlink", ENTRY, READ, UNUSED, 0},
    {rl_fs_realpath, "realpath", OBJECT, READ, UNUSED, 0},
    {rl_fs_chmod, "chmod", OBJECT, WRITE, UNUSED, 0},
    {rl_fs_chown, "chown", OBJECT, WRITE, UNUSED, 0},
    {rl_fs_utime, "utimensat", OBJECT, WRITE, UNUSED, 0},
    {rl_fs_temp_file, "open", INSIDE, WRITE, UNUSED, 0},
    {rl_fs_temp_dir, "mkdir", INSIDE, WRITE, UNUSED, 0},
    {rl_fs_notify, "inotify_add_watch", NOTIFY, READ, UNUSED, 0},
};

static const need *need_of(const rl_fs *fs) {
  for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
    if (needs[i].call == fs->call) return &needs[i];
  }
  return NULL;
}

static int pin_entry(rl_fs *fs, rl_pin *pin, unsigned mays, const char *path) {
  fs->no_follow = O_NOFOLLOW;
  return rl_pin_open(pin, fs->permit, RL_PIN_ENTRY, mays, path, fs->why);
}

static int pin_whole(rl_fs *fs, rl_pin *pin, unsigned mays, const char *path) {
  int err = rl_pin_open(pin, fs->permit, RL_PIN_ENTRY, mays, path, fs->why);
  if (err == 0 && mays & READ) err = rl_permit_below(fs->permit, RL_MAY_READ, pin->real, fs->why);
  if (err == 0 && mays & WRITE) err = rl_permit_below(fs->permit, RL_MAY_WRITE, pin->real, fs->why);
  return err;
}

static int pin_name(rl_fs *fs, rl_pin *pin, unsigned mays, const char *path) {
  int err = rl_pin_open(pin, fs->permit, RL_PIN_ENTRY, mays, path, fs->why);
  return err < 0 ? err : rl_permit_replace(fs->permit, pin->real, fs->why);
}

// A link that leads nowhere is refused by O_NOFOLLOW.
static int pin_new(rl_fs *fs, rl_pin *pin, unsigned mays, const char *path) {
  int err = rl_pin_open(pin, fs->permit, RL_PIN_OBJECT, mays, path, fs->why);
  return err == -ENOENT ? pin_entry(fs, pin, mays, path) : err;
}

// What is replaced is the name, in the directory where the file itself is.
static int pin_replaced(rl_fs *fs, rl_pin *pin, unsigned mays, const char *path) {
  struct stat st;
  int err = pin_new(fs, pin, mays, path);
  if (err < 0 || fs->no_follow) return err;
  if (stat(pin->path, &st) < 0 || !S_ISREG(st.st_mode)) return 0;
  char real[PATH_MAX];
  strcpy(real, pin->real);
  rl_pin_drop(pin);
  return pin_entry(fs, pin, mays, real);
}

static int pin_open(rl_fs *fs, rl_pin *pin, const char *path) {
  int flags = (int)fs->number, access = flags & O_ACCMODE;
  unsigned mays = (access != O_WRONLY ? READ : 0) | (access != O_RDONLY ? WRITE : 0);
  if (flags & O_EXCL) return pin_entry(fs, pin, mays, path);
  return flags & O_CREAT ? pin_new(fs, pin, mays, path)
                         : rl_pin_open(pin, fs->permit, RL_PIN_OBJECT, mays, path, fs->why);
}

static int pin_watched(rl_fs *fs, rl_pin *pin, unsigned mays, const char *path) {
  bool link = fs->number & IN_DONT_FOLLOW;
  fs->number &= ~(int64_t)IN_DONT_FOLLOW;
  return rl_pin_open(pin, fs->permit, link ? RL_PIN_LINK : RL_PIN_OBJECT, mays, path, fs->why);
}

// Leaves the directory's path in the pin.
static int pin_inside(rl_fs *fs, rl_pin *pin, unsigned mays, const char *path) {
  if (strchr(fs->to, '/')) return -EINVAL;
  size_t size = strlen(path) + strlen(fs->to) + 3;
  char *name = malloc(size);
  if (!name) return -ENOMEM;
  snprintf(name, size, "%s/%sx", path, fs->to);
  int err = rl_pin_open(pin, fs->permit, RL_PIN_ENTRY, mays, name, fs->why);
  free(name);
  // What is missing is the directory, not that name.
  if (err == RL_DENIED) rl_pin_open(pin, fs->permit, RL_PIN_OBJECT, mays, path, fs->why);
  if (err < 0) rl_pin_drop(pin);
  if (err == 0) *strrchr(pin->path, '/') = 0;
  return err;
}

static int pin_path(rl_fs *fs, rl_pin *pin, way how, unsigned mays, const char *path) {
  switch (how) {
    case OBJECT: return rl_pin_open(pin, fs->permit, RL_PIN_OBJECT, mays, path, fs->why);
    case ENTRY: return rl_pin_open(pin, fs->permit, RL_PIN_ENTRY, mays, path, fs->why);
    case WHOLE: return pin_whole(fs, pin, mays, path);
    case NAME: return pin_name(fs, pin, mays, path);
    case CREATE: return pin_new(fs, pin, mays, path);
    case REPLACE: return pin_replaced(fs, pin, mays, path);
    case OPEN: return pin_open(fs, pin, path);
    case NOTIFY: return pin_watched(fs, pin, mays, path);
    case INSIDE: return pin_inside(fs, pin, mays, path);
    default: return 0;
  }
}

// A path below the pin, as below the path that was given.
static void unpin(char **text, const rl_pin *pin, const char *path) {
  size_t n = strlen(pin->path);
  if (!*text || strncmp(*text, pin->path, n) != 0) return;
  const char *slash = *path && path[strlen(path) - 1] == '/' ? "" : "/";
  const char *rest = *text + n + strspn(*text + n, "/");
  char *fresh = NULL;
  if (asprintf(&fresh, "%s%s%s", path, *rest ? slash : "", rest) < 0) return;
  free(*text);
  *text = fresh;
}

static int call_pinned(rl_fs *fs, const need *n, rl_pin *path_pin, rl_pin *to_pin) {
  char *path = fs->path, *to = fs->to;
  if (path_pin->fd >= 0) fs->path = path_pin->path;
  if (to_pin->fd >= 0) fs->to = to_pin->path;
  int result = fs->call(fs);
  bool at_where = fs->where && fs->at == fs->where, at_out = fs->out && fs->at == fs->out;
  if (path_pin->fd >= 0) {
    unpin(&fs->where, path_pin, path);
    if (n->path == INSIDE) unpin(&fs->out, path_pin, path);
    if (fs->at == fs->path) fs->at = path;
  }
  if (to_pin->fd >= 0 && fs->at == fs->to) fs->at = to;
  if (at_where) fs->at = fs->where;
  if (at_out) fs->at = fs->out;
  fs->path = path;
  fs->to = to;
  fs->out_size = n->path == INSIDE && fs->out ? strlen(fs->out) : fs->out_size;
  return result;
}

int rl_fs_permitted(rl_fs *fs, const rl_permit *permit) {
  const need *n = need_of(fs);
  rl_pin path = {.fd = -1}, to = {.fd = -1};
  fs->why = calloc(1, RL_REFUSAL);
  if (!n || !fs->why) return -ENOMEM;
  fs->permit = permit;
  fs->op = n->op;
  bool replaces = fs->call == rl_fs_write && fs->number & RL_FS_ATOMIC;
  int err = pin_path(fs, &path, replaces ? REPLACE : n->path, n->path_mays, fs->path);
  if (err == 0) {
    if (n->to != UNUSED) fs->at = fs->to;
    err = pin_path(fs, &to, n->to, n->to_mays, fs->to);
    if (err == 0) fs->at = fs->path;
  }
  if (err == 0) {
    err = call_pinned(fs, n, &path, &to);
  } else if (fs->call == rl_fs_exists && (err == -ENOENT || err == -ENOTDIR)) {
    err = 0;
  }
  rl_pin_drop(&path);
  rl_pin_drop(&to);
  return err;
}

int rl_fs_make_permitted(rl_fs *fs, const char *path) {
  rl_pin pin;
  struct stat st;
  int err = rl_pin_open(&pin, fs->permit, RL_PIN_ENTRY, WRITE, path, fs->why);
  if (err < 0) return err;
  err = mkdir(pin.path, (mode_t)fs->other) < 0 ? -errno : 0;
  if (err == -EEXIST && stat(pin.path, &st) == 0 && S_ISDIR(st.st_mode)) err = 0;
  rl_pin_drop(&pin);
  return err;
}
