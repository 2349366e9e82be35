// What a host puts into a state: compiled text, and tables of functions.
#include "lua/host/runtime.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

typedef struct source {
  const char *text, *name;
  size_t length;
} source;

static int load_text(lua_State *L) {
  source *s = lua_touserdata(L, 1);
  size_t skip = s->length >= 3 && memcmp(s->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  int status =
      luaL_loadbufferx(L, s->text + skip, s->length - skip, s->name ? s->name : "=(load)", "t");
  lua_pushinteger(L, status);
  return 2;
}

// "cannot open x", "cannot read x", syntax errors: told by the message. A directory would open well
// and then not read.
static int load_file(lua_State *L) {
  const char *path = lua_touserdata(L, 1);
  if (strcmp(path, "-") == 0) path = NULL;
  struct stat st;
  int failed = path && stat(path, &st) != 0 ? errno : 0;
  if (path && !failed && S_ISDIR(st.st_mode)) failed = EISDIR;
  if (failed) {
    lua_pushfstring(L, "cannot open %s: %s", path, strerror(failed));
    lua_pushinteger(L, LUA_ERRRUN);
    return 2;
  }
  int status = luaL_loadfilex(L, path, "t");
  static const char binary[] = "attempt to load a binary";  // the one message without the file
  if (status == LUA_ERRSYNTAX && strncmp(lua_tostring(L, -1), binary, sizeof binary - 1) == 0) {
    lua_pushfstring(L, "%s: %s", path ? path : "stdin", lua_tostring(L, -1));
  }
  lua_pushinteger(L, status);
  return 2;
}

// Leaves the function or the message.
static rille_status load_protected(rille_runtime *rt, lua_CFunction load, const void *what) {
  rille_status status = rl_runtime_check(rt);
  if (status != RILLE_OK) return status;
  lua_State *L = rt->st.L;
  if (!lua_checkstack(L, 4)) return RILLE_ENOMEM;
  lua_pushcfunction(L, load);
  lua_pushlightuserdata(L, (void *)what);
  int err = lua_pcall(L, 1, 2, 0);
  if (err == LUA_OK) {
    err = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  return rl_status_of_lua(err);
}

rille_status rille_load(rille_runtime *rt, const char *text, size_t length, const char *name) {
  if (!text) return RILLE_EINVAL;
  source s = {text, name, length};
  return load_protected(rt, load_text, &s);
}

rille_status rille_load_file(rille_runtime *rt, const char *path) {
  if (!path) return RILLE_EINVAL;
  return load_protected(rt, load_file, path);
}

typedef struct registration {
  const char *module;
  const rille_def *defs;
} registration;

static int module_loaded(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  return 1;
}

// Pushes the module's table: made once, found by require through package.preload.
static void push_module(lua_State *L, const char *module) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, "rille.host");
  luaL_getsubtable(L, -1, module);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, module_loaded, 1);
  lua_setfield(L, -2, module);
  lua_pop(L, 1);
}

static int register_protected(lua_State *L) {
  const registration *r = lua_touserdata(L, 1);
  push_module(L, r->module);
  for (const rille_def *def = r->defs; def->name; def++) {
    rl_push_host_function(L, def);
    lua_setfield(L, -2, def->name);
  }
  return 0;
}

rille_status rille_register(rille_runtime *rt, const char *module, const rille_def *defs) {
  rille_status status = rl_runtime_check(rt);
  if (status != RILLE_OK) return status;
  if (!module || !defs) return RILLE_EINVAL;
  for (const rille_def *def = defs; def->name; def++) {
    if (!def->function || def->kind < RILLE_SYNC || def->kind > RILLE_POOL) return RILLE_EINVAL;
  }
  lua_State *L = rt->st.L;
  if (!lua_checkstack(L, 4)) return RILLE_ENOMEM;
  registration r = {module, defs};
  lua_pushcfunction(L, register_protected);
  lua_pushlightuserdata(L, &r);
  int err = lua_pcall(L, 1, 0, 0);
  if (err != LUA_OK) lua_pop(L, 1);
  return rl_status_of_lua(err);
}
