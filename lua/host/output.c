// print and io.write that end a script whose reader has gone: SIGPIPE is ignored, and a loop that
// prints would never end.
#include "lua/host/runtime.h"

#include "lua/bind/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int broken(lua_State *L, const char *op) { return rl_raise_sys(L, -EPIPE, op, NULL, NULL); }

static int output_print(lua_State *L) {
  int count = lua_gettop(L);
  errno = 0;
  for (int i = 1; i <= count; i++) {
    size_t length;
    const char *text = luaL_tolstring(L, i, &length);
    if (i > 1) putchar('\t');
    fwrite(text, 1, length, stdout);
    lua_pop(L, 1);
  }
  putchar('\n');
  if (fflush(stdout) != 0 && errno == EPIPE) return broken(L, "print");
  return 0;
}

static int output_write(lua_State *L) {
  int count = lua_gettop(L);
  for (int i = 1; i <= count; i++)
    (void)(lua_isnumber(L, i) ||
           luaL_checkstring(L, i));  // the standard function knows its name no more
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, count, LUA_MULTRET);
  if (RL_UNLIKELY(lua_isnil(L, 1)) && lua_tointeger(L, 3) == EPIPE) return broken(L, "io.write");
  return lua_gettop(L);
}

// Warnings: off until "@on"; a message may come in pieces.
static void on_warning(void *ud, const char *message, int continues) {
  rille_runtime *rt = ud;
  if (!rt->warning_continues && !continues && *message == '@') {
    if (strcmp(message, "@on") == 0) rt->warnings = true;
    if (strcmp(message, "@off") == 0) rt->warnings = false;
    return;
  }
  if (rt->warnings) {
    fprintf(stderr, "%s%s%s", rt->warning_continues ? "" : "Lua warning: ", message,
            continues ? "" : "\n");
  }
  rt->warning_continues = continues;
}

void rl_output_open(lua_State *L) {
  lua_setwarnf(L, on_warning, rl_runtime_of(L));
  lua_register(L, "print", output_print);
  lua_getglobal(L, "io");
  lua_getfield(L, -1, "write");
  lua_pushcclosure(L, output_write, 1);
  lua_setfield(L, -2, "write");
  lua_pop(L, 1);
}
