// Paths under permissions.
#include "runtime/io/pin.h"

#include "runtime/base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void rl_pin_drop(rl_pin *pin) {
  if (pin->fd >= 0) close(pin->fd);
  pin->fd = -1;
}

static int check(const rl_permit *p, unsigned mays, const char *real, char *why) {
  int err = 0;
  for (int may = 0; may < RL_MAY_KINDS && err == 0; may++) {
    if (!(mays & 1u << may)) continue;
    err = may == RL_MAY_NET ? rl_permit_socket(p, real, why)
                            : rl_permit_path(p, (rl_may)may, real, why);
  }
  return err;
}

// Opens `path` and asks the kernel where that is.
static int open_real(rl_pin *pin, const char *path, int flags) {
  pin->fd = open(path, O_PATH | O_CLOEXEC | flags);
  if (pin->fd < 0) return -errno;
  snprintf(pin->path, sizeof pin->path, "/proc/self/fd/%d", pin->fd);
  ssize_t n = readlink(pin->path, pin->real, sizeof pin->real);
  if (n < 0) return -errno;
  if ((size_t)n == sizeof pin->real) return -ENAMETOOLONG;
  pin->real[n] = 0;
  return 0;
}

static int append(rl_pin *pin, const char *name, size_t n) {
  size_t at = strlen(pin->real), end = strlen(pin->path);
  if (n > NAME_MAX || at + n + 2 > sizeof pin->real) return -ENAMETOOLONG;
  const char *slash = at == 1 ? "" : "/";
  snprintf(pin->real + at, sizeof pin->real - at, "%s%.*s", slash, (int)n, name);
  snprintf(pin->path + end, sizeof pin->path - end, "/%.*s", (int)n, name);
  return 0;
}

// The last part of a path, without slashes at its end; an empty one if it is no name.
static size_t last_part(const char *path, const char **name) {
  size_t end = strlen(path);
  while (end > 1 && path[end - 1] == '/') end--;
  size_t start = end;
  while (start > 0 && path[start - 1] != '/') start--;
  *name = path + start;
  size_t n = end - start;
  bool dots = (n == 1 && **name == '.') || (n == 2 && memcmp(*name, "..", 2) == 0);
  return dots || path[start] == '/' ? 0 : n;
}

static int open_entry(rl_pin *pin, const char *path) {
  const char *name;
  size_t n = last_part(path, &name);
  if (n == 0) {  // ".", "a/..", "/"
    int err = open_real(pin, path, O_DIRECTORY);
    if (err == 0) strcat(pin->path, "/.");
    return err;
  }
  char above[PATH_MAX];
  size_t length = (size_t)(name - path);
  if (length >= sizeof above) return -ENAMETOOLONG;
  memcpy(above, length ? path : ".", length ? length : 1);
  above[length ? length : 1] = 0;
  int err = open_real(pin, above, O_DIRECTORY);
  return err < 0 ? err : append(pin, name, n);
}

// Opens the nearest directory of `path` that is there; the length of its part of the path.
static int open_nearest(rl_pin *pin, const char *path, size_t *length) {
  char above[PATH_MAX];
  size_t n = strlen(path);
  if (n == 0 || n >= sizeof above) return -ENOENT;
  memcpy(above, path, n + 1);
  for (;;) {
    while (n > 0 && above[n - 1] == '/') n--;
    while (n > 0 && above[n - 1] != '/') n--;
    above[n] = 0;
    *length = n;
    int err = open_real(pin, n ? above : ".", O_DIRECTORY);
    if (err == 0 || n == 0) return err;
    rl_pin_drop(pin);
  }
}

static void join(char out[PATH_MAX], const char *dir, const char *name) {
  bool inside = *name != '/';
  int n = snprintf(out, PATH_MAX, "%s%s%s", inside ? dir : "", inside && dir[1] ? "/" : "", name);
  if (n >= PATH_MAX) snprintf(out, PATH_MAX, "%s", dir);
}

// The target of the link that `rest` begins with, and the rest behind it. False: it is no link.
static bool follow(const rl_pin *dir, const char *rest, char out[PATH_MAX]) {
  char name[NAME_MAX + 1], target[PATH_MAX];
  size_t n = strcspn(rest, "/");
  if (n >= sizeof name) return false;
  memcpy(name, rest, n);
  name[n] = 0;
  ssize_t got = readlinkat(dir->fd, name, target, sizeof target - 1);
  if (got < 0 || (size_t)got + strlen(rest + n) >= sizeof target) return false;
  strcpy(target + got, rest + n);
  join(out, dir->real, target);
  return true;
}

enum { LINKS = 40 };

// What could not be opened tells nothing of places that may not be reached: the nearest directory
// that is there decides, with the rest of the path as it is written.
static int hide(const rl_permit *p, unsigned mays, const char *path, int err, char *why) {
  char at[PATH_MAX], real[PATH_MAX];
  size_t n;
  if (snprintf(at, sizeof at, "%s", path) >= (int)sizeof at) return err;
  for (int links = 0; links < LINKS; links++) {
    rl_pin dir = {.fd = -1};
    if (open_nearest(&dir, at, &n) < 0) break;
    const char *rest = at + n;
    bool link = follow(&dir, rest, real);
    if (!link) join(real, dir.real, strstr(rest, "..") ? "" : rest);
    rl_pin_drop(&dir);
    if (link) {
      strcpy(at, real);
      continue;
    }
    int denied = check(p, mays, real, why);
    return denied < 0 ? denied : err;
  }
  return err;
}

int rl_pin_open(rl_pin *pin, const rl_permit *p, rl_pin_how how, unsigned mays, const char *path,
                char *why) {
  pin->fd = -1;
  int err = how == RL_PIN_ENTRY ? open_entry(pin, path)
                                : open_real(pin, path, how == RL_PIN_LINK ? O_NOFOLLOW : 0);
  err = err < 0 ? hide(p, mays, path, err, why) : check(p, mays, pin->real, why);
  if (err < 0) rl_pin_drop(pin);
  return err;
}
