// Files of Lua code.
#include "lua/bind/code.h"

#include "lua/bind/error.h"
#include "lua/bind/permit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *rl_code_mode(lua_State *L, const char *mode) { return rl_may_native(L) ? mode : "t"; }

// Pushes what is in the file. False: errno says why not.
static bool push_contents(lua_State *L, const char *path) {
  luaL_Buffer b;
  FILE *file = fopen(path, "re");
  if (!file) return false;
  luaL_buffinit(L, &b);
  size_t n;
  do {
    n = fread(luaL_prepbuffer(&b), 1, LUAL_BUFFERSIZE, file);
    luaL_addsize(&b, n);
  } while (n > 0);
  int err = ferror(file) ? errno : 0;
  fclose(file);
  luaL_pushresult(&b);
  errno = err;
  return err == 0;
}

// Skips a byte order mark, and of a first line that begins with # all but its end.
static const char *skip_head(const char *text, size_t *n) {
  const char *at = text, *end = text + *n;
  if (*n >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3;
  if (at < end && *at == '#') {
    const char *line = memchr(at, '\n', (size_t)(end - at));
    at = line ? line : end;
  }
  *n = (size_t)(end - at);
  return at;
}

int rl_code_load(lua_State *L, const char *path, const char *mode) {
  if (!path || !rl_permit_of(L)) return luaL_loadfilex(L, path, mode);
  char why[RL_REFUSAL];
  rl_pin pin;
  int err = rl_pin_open(&pin, rl_permit_of(L), RL_PIN_OBJECT, RL_PIN_CODE, path, why);
  if (err == RL_DENIED) rl_raise_denied(L, "load", "path", path, why);
  if (err == 0 && !push_contents(L, pin.path)) err = -errno;
  rl_pin_drop(&pin);
  if (err < 0) {
    lua_pushfstring(L, "cannot open %s: %s", path, strerror(-err));
    return LUA_ERRFILE;
  }
  size_t n;
  const char *text = lua_tolstring(L, -1, &n);
  text = skip_head(text, &n);
  const char *name = lua_pushfstring(L, "@%s", path);
  int status = luaL_loadbufferx(L, text, n, name, rl_code_mode(L, mode));
  lua_rotate(L, -3, 1);
  lua_pop(L, 2);
  return status;
}
