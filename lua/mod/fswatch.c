// rille.native.fswatch: inotify. What to watch, and what the events mean, is decided in
// stdlib/fs/watch.lua.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/pooled.h"
#include "lua/bind/site.h"
#include "runtime/io/fs.h"
#include "runtime/io/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

typedef struct watch_box {
  rl_box box;
  rl_watch *watch;  // NULL: closed
  uint32_t at, size;
  _Alignas(struct inotify_event) char events[4096];
} watch_box;

static const rl_class watch_class;

static int watch_close(lua_State *L) {
  watch_box *b = rl_check_object(L, 1, &watch_class);
  if (b->watch) rl_watch_close(b->watch);
  b->watch = NULL;
  return 0;
}

static int watch_gc(lua_State *L) {
  watch_box *b = lua_touserdata(L, 1);
  if (b->watch) rl_site_unclosed(rl_state_of(L), "watch", b->watch->handle.place);
  return watch_close(L);
}

static watch_box *check_open(lua_State *L);

// (path, mask): the number that events of it carry
static int push_number(lua_State *L, rl_pooled *work) {
  rl_fs *fs = (rl_fs *)work;
  if (work->op.status == RL_DENIED) rl_raise_denied(L, fs->op, "path", fs->path, fs->why);
  if (work->op.status < 0) rl_raise_sys(L, work->op.status, fs->op, "path", fs->path);
  lua_pushinteger(L, work->op.status);
  return 1;
}

static int watch_add(lua_State *L) {
  watch_box *b = check_open(L);
  const char *path = luaL_checkstring(L, 2);
  lua_Integer mask = luaL_checkinteger(L, 3);
  rl_checkpoint(L);
  rl_fs *fs = rl_fs_new(rl_fs_notify, path, NULL);
  if (!fs) return luaL_error(L, "not enough memory");
  fs->number = mask;
  fs->fd = fcntl(b->watch->fd, F_DUPFD_CLOEXEC, 3);
  if (fs->fd < 0) {
    int err = -errno;
    rl_fs_drop(&fs->work);
    return rl_raise_sys(L, err, "inotify_add_watch", "path", path);
  }
  return rl_pooled_wait(L, &fs->work, push_number);
}

static int watch_drop(lua_State *L) {
  inotify_rm_watch(check_open(L)->watch->fd, (int)luaL_checkinteger(L, 2));
  return 0;
}

// 1: there are events at hand, 0: there are none yet, or a negative error.
static int fill(watch_box *b) {
  if (b->at < b->size) return 1;
  ssize_t n = read(b->watch->fd, b->events, sizeof b->events);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  b->at = 0;
  b->size = (uint32_t)n;
  return n > 0;
}

static int push_event(lua_State *L, watch_box *b) {
  const struct inotify_event *event = (const struct inotify_event *)(b->events + b->at);
  b->at += (uint32_t)sizeof *event + event->len;
  lua_pushinteger(L, event->wd);
  lua_pushinteger(L, event->mask);
  lua_pushinteger(L, event->cookie);
  if (event->len == 0) return 3;
  lua_pushstring(L, event->name);
  return 4;
}

static int event_at_hand(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return push_event(L, (watch_box *)ctx);
}

static int wait_for_event(lua_State *L, watch_box *b);

static int readable(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  watch_box *b = (watch_box *)ctx;
  rl_op closed = {.status = RL_CLOSED};  // the watch may be gone by now
  int err = rl_awaited(L, b->watch ? &b->watch->op : &closed);
  if (err == RL_CLOSED) return 0;
  if (err < 0) return rl_raise_sys(L, err, "watch", NULL, NULL);
  return wait_for_event(L, b);
}

static int wait_for_event(lua_State *L, watch_box *b) {
  int got = fill(b);
  if (got < 0) return rl_raise_sys(L, got, "inotify", NULL, NULL);
  if (got > 0) return rl_no_wait(L, event_at_hand, (lua_KContext)b);
  rl_watch_wait(b->watch, rl_current(L));
  return rl_await(L, &b->watch->op, readable, (lua_KContext)b);
}

// number, mask, cookie, name or nil; nothing if it is closed meanwhile
static int watch_next(lua_State *L) {
  watch_box *b = check_open(L);
  if (rl_op_busy(&b->watch->op))
    rl_raise_op(L, "EBUSY", "watch", "another task waits for its events");
  rl_checkpoint(L);
  return wait_for_event(L, b);
}

// The same if it is there already, else nothing.
static int watch_try_next(lua_State *L) {
  watch_box *b = check_open(L);
  return fill(b) > 0 ? push_event(L, b) : 0;
}

static const luaL_Reg watch_methods[] = {
    {"add", watch_add},           {"drop", watch_drop},   {"next", watch_next},
    {"try_next", watch_try_next}, {"close", watch_close}, {"__gc", watch_gc},
    {"__close", watch_close},     {NULL, NULL},
};

static const rl_class watch_class = {"rille.Inotify", sizeof(watch_box), watch_methods};

static watch_box *check_open(lua_State *L) {
  watch_box *b = rl_check_object(L, 1, &watch_class);
  if (!b->watch) rl_raise_sys(L, RL_CLOSED, "watch", NULL, NULL);
  return b;
}

static int watch_open(lua_State *L) {
  watch_box *b = rl_object_new(L, &watch_class, 0);
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return rl_raise_sys(L, -errno, "inotify_init", NULL, NULL);
  int err = rl_watch_new(&rl_state_of(L)->loop, fd, &b->watch);
  if (err < 0) {
    close(fd);
    return rl_raise_sys(L, err, "inotify_init", NULL, NULL);
  }
  return 1;
}

int rl_open_fswatch(lua_State *L) {
  static const luaL_Reg functions[] = {{"open", watch_open}, {NULL, NULL}};
  static const struct {
    const char *name;
    lua_Integer bit;
  } bits[] = {
      {"CREATE", IN_CREATE},
      {"DELETE", IN_DELETE},
      {"MODIFY", IN_MODIFY},
      {"ATTRIB", IN_ATTRIB},
      {"MOVED_FROM", IN_MOVED_FROM},
      {"MOVED_TO", IN_MOVED_TO},
      {"DELETE_SELF", IN_DELETE_SELF},
      {"MOVE_SELF", IN_MOVE_SELF},
      {"OVERFLOW", IN_Q_OVERFLOW},
      {"IGNORED", IN_IGNORED},
      {"ISDIR", IN_ISDIR},
      {"ONLYDIR", IN_ONLYDIR},
      {"DONT_FOLLOW", IN_DONT_FOLLOW},
      {"EXCL_UNLINK", IN_EXCL_UNLINK},
  };
  rl_class_open(L, &watch_class);
  luaL_newlib(L, functions);
  for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
    lua_pushinteger(L, bits[i].bit);
    lua_setfield(L, -2, bits[i].name);
  }
  return 1;
}
