// rille.native.stdio: the standard streams of the process, each made at its first use.
#include "lua/bind/error.h"
#include "lua/bind/stream.h"
#include "runtime/io/fdstream.h"

static const luaL_Reg methods[] = {RL_STREAM_METHODS, {NULL, NULL}};
static const rl_class stdio_class = {"rille.Stdio", sizeof(rl_stream_box), methods};

static const char *const names[] = {"stdin", "stdout", "stderr"};

static int stdio_open(lua_State *L) {  // (0 | 1 | 2)
  lua_Integer fd = luaL_checkinteger(L, 1);
  luaL_argcheck(L, fd >= 0 && fd <= 2, 1, "0, 1 or 2 expected");
  int err;
  rl_stream_box *box = rl_object_new(L, &stdio_class, 0);
  rl_fdstream *f = rl_fdstream_new(&rl_state_of(L)->loop, (int)fd, names[fd], &err);
  if (!f) return rl_raise_sys(L, err, "open", "path", names[fd]);
  box->stream = &f->s;
  return 1;
}

static const luaL_Reg functions[] = {{"open", stdio_open}, {NULL, NULL}};

int rl_open_stdio(lua_State *L) {
  rl_class_open(L, &stdio_class);
  luaL_newlib(L, functions);
  return 1;
}
