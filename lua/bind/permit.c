// What doors ask before they act.
#include "lua/bind/permit.h"

#include "lua/bind/error.h"
#include "runtime/io/addr.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool rl_may_native(lua_State *L) {
  char why[RL_REFUSAL];
  const rl_permit *p = rl_permit_of(L);
  return !p || rl_permit_all(p, RL_MAY_NATIVE, why) == 0;
}

void rl_demand_address(lua_State *L, const char *op, const struct sockaddr *sa, const char *name,
                       rl_net_use use) {
  char why[RL_REFUSAL], text[RL_ADDR_TEXT + 8];
  const rl_permit *p = rl_permit_of(L);
  if (!p || rl_permit_address(p, sa, name, use, why) == 0) return;
  rl_addr_format(sa, text, sizeof text);
  rl_raise_denied(L, op, "address", text, why);
}

void rl_demand_name(lua_State *L, const char *op, const char *host, int port) {
  char why[RL_REFUSAL];
  const rl_permit *p = rl_permit_of(L);
  if (p && rl_permit_name(p, host, port, why) < 0) rl_raise_denied(L, op, "address", host, why);
}

void rl_demand_env(lua_State *L, const char *op, const char *name) {
  char why[RL_REFUSAL];
  const rl_permit *p = rl_permit_of(L);
  if (p && rl_permit_env(p, name, why) < 0) rl_raise_denied(L, op, NULL, name, why);
}

const char *rl_demand_path(lua_State *L, const char *op, rl_pin *pin, rl_pin_how how, unsigned mays,
                           const char *path) {
  char why[RL_REFUSAL];
  const rl_permit *p = rl_permit_of(L);
  pin->fd = -1;
  if (!p) return path;
  int err = rl_pin_open(pin, p, how, mays, path, why);
  if (err == RL_DENIED) rl_raise_denied(L, op, "path", path, why);
  if (err < 0) rl_raise_sys(L, err, op, "path", path);
  return pin->path;
}

enum { TEXT_MAX = 1 << 20 };

static int read_text(int fd, luaL_Buffer *b) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -errno;
  if (!S_ISREG(st.st_mode) || st.st_size > TEXT_MAX) return UV_EINVAL;
  ssize_t n = read(fd, luaL_prepbuffsize(b, TEXT_MAX), TEXT_MAX);
  if (n < 0) return -errno;
  luaL_addsize(b, (size_t)n);
  return 0;
}

const char *rl_demand_text(lua_State *L, const char *op, const char *path, size_t *length) {
  luaL_Buffer b;
  rl_pin pin;
  luaL_buffinitsize(L, &b, TEXT_MAX);
  const char *at = rl_demand_path(L, op, &pin, RL_PIN_OBJECT, RL_PIN_READ, path);
  int fd = open(at, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  int err = fd < 0 ? -errno : read_text(fd, &b);
  if (fd >= 0) close(fd);
  rl_pin_drop(&pin);
  if (err < 0) rl_raise_sys(L, err, op, "path", path);
  luaL_pushresult(&b);
  return lua_tolstring(L, -1, length);
}
