// rille.native.tty: terminals by descriptor.
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/stream.h"
#include "runtime/io/fdstream.h"
#include "runtime/io/file.h"
#include "runtime/io/uvstream.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

// A stream's descriptor, or a number.
static int check_fd(lua_State *L, int index) {
  if (lua_isinteger(L, index)) return (int)lua_tointeger(L, index);
  rl_stream *s = rl_check_open_stream(L, index, "tty");
  uv_os_fd_t fd = -1;
  if (rl_stream_is_file(s)) return rl_file_of(s)->fd;
  if (!rl_stream_is_uv(s)) return rl_fdstream_fd(s);
  uv_fileno((uv_handle_t *)&rl_uvstream_of(s)->uv.stream, &fd);
  return fd;
}

static int tty_is(lua_State *L) {
  lua_pushboolean(L, isatty(check_fd(L, 1)));
  return 1;
}

static int tty_size(lua_State *L) {
  struct winsize size;
  if (ioctl(check_fd(L, 1), TIOCGWINSZ, &size) < 0)
    return rl_raise_sys(L, -errno, "tty size", NULL, NULL);
  lua_pushinteger(L, size.ws_col);
  lua_pushinteger(L, size.ws_row);
  return 2;
}

typedef struct raw_box {
  rl_box box;
  int fd;  // our own copy of the descriptor, so that the mode can be given back; 0: not raw
  struct termios before;
} raw_box;

static const rl_class raw_class;

static int raw_close(lua_State *L) {
  raw_box *b = rl_check_object(L, 1, &raw_class);
  if (b->fd <= 0) return 0;
  tcsetattr(b->fd, TCSADRAIN, &b->before);
  close(b->fd);
  b->fd = 0;
  return 0;
}

static const luaL_Reg raw_methods[] = {
    {"close", raw_close}, {"__close", raw_close}, {"__gc", raw_close}, {NULL, NULL}};
static const rl_class raw_class = {"rille.RawMode", sizeof(raw_box), raw_methods};

// Raw until the value is closed, or at the latest collected.
static int tty_raw(lua_State *L) {
  int fd = check_fd(L, 1);
  raw_box *b = rl_object_new(L, &raw_class, 0);
  struct termios mode;
  if (tcgetattr(fd, &mode) < 0) return rl_raise_sys(L, -errno, "tty raw", NULL, NULL);
  b->before = mode;
  cfmakeraw(&mode);
  mode.c_oflag |= OPOST;  // a line feed still returns the carriage
  int own = dup(fd);
  if (own < 0) return rl_raise_sys(L, -errno, "tty raw", NULL, NULL);
  b->fd = own;
  if (tcsetattr(fd, TCSADRAIN, &mode) < 0) {
    int err = -errno;
    close(own);
    b->fd = 0;
    return rl_raise_sys(L, err, "tty raw", NULL, NULL);
  }
  return 1;
}

int rl_open_tty(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"is", tty_is}, {"size", tty_size}, {"raw", tty_raw}, {NULL, NULL}};
  rl_class_open(L, &raw_class);
  luaL_newlib(L, functions);
  return 1;
}
