// Compiled files of the standard library, shared by a runtime and its workers.
#include "lua/host/warm.h"

#include "lua/host/runtime.h"
#include "lua/host/stdlib.h"
#include "runtime/base/buf.h"

#include <string.h>

static const char *const files[] = {"base.lua", "worker/boot.lua"};

enum { FILES = sizeof files / sizeof *files };

struct rl_warm {
  atomic_int refs;
  rl_buf code[FILES];
};

static int write_code(lua_State *L, const void *bytes, size_t n, void *ud) {
  (void)L;
  return !rl_buf_put(ud, bytes, n);
}

static int compile(lua_State *L) {
  rl_warm *w = lua_touserdata(L, 1);
  for (int i = 0; i < FILES; i++) {
    rl_stdlib_load(L, files[i]);
    if (lua_dump(L, write_code, &w->code[i], 0) != 0) return luaL_error(L, "not enough memory");
    lua_pop(L, 1);
  }
  return 0;
}

rl_warm *rl_warm_new(lua_State *L) {
  rl_warm *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  atomic_init(&w->refs, 1);
  for (int i = 0; i < FILES; i++) rl_buf_init(&w->code[i]);
  int status = LUA_ERRMEM;
  if (lua_checkstack(L, 4)) {
    lua_pushcfunction(L, compile);
    lua_pushlightuserdata(L, w);
    status = lua_pcall(L, 1, 0, 0);
    if (status != LUA_OK) lua_pop(L, 1);
  }
  if (status == LUA_OK) return w;
  rl_warm_unref(w);
  return NULL;
}

rl_warm *rl_warm_ref(rl_warm *w) {
  atomic_fetch_add(&w->refs, 1);
  return w;
}

void rl_warm_unref(rl_warm *w) {
  if (!w || atomic_fetch_sub(&w->refs, 1) > 1) return;
  for (int i = 0; i < FILES; i++) rl_buf_fini(&w->code[i]);
  free(w);
}

int rl_warm_load(lua_State *L, const char *file) {
  const rl_warm *w = rl_runtime_of(L)->warm;
  for (int i = 0; w && i < FILES; i++) {
    if (strcmp(files[i], file) != 0) continue;
    const rl_buf *code = &w->code[i];
    if (luaL_loadbufferx(L, rl_buf_head(code), rl_buf_len(code), file, "b") != LUA_OK) lua_error(L);
    return 1;
  }
  return rl_stdlib_load(L, file);
}
