// Loading code under permissions: files that may be, text where native code may not, C modules only
// where it may.
#include "lua/bind/code.h"
#include "lua/bind/error.h"
#include "lua/bind/permit.h"
#include "lua/host/guard.h"
#include "lua/host/sandbox.h"

#include <string.h>

// loadfile(path, mode, env)
static int code_loadfile(lua_State *L) {
  const char *path = luaL_optstring(L, 1, NULL), *mode = luaL_optstring(L, 2, NULL);
  bool has_env = !lua_isnone(L, 3);
  if (rl_code_load(L, path, path ? mode : rl_code_mode(L, mode)) != LUA_OK) {
    luaL_pushfail(L);
    lua_insert(L, -2);
    return 2;
  }
  if (has_env) {
    lua_pushvalue(L, 3);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
  }
  return 1;
}

// --- package

// Pushes the name of the first file of the path that may be loaded and is there, or nil and what
// was tried.
static int search_path(lua_State *L, const char *name, const char *path, const char *separator,
                       const char *slash) {
  const rl_permit *p = rl_permit_of(L);
  char why[RL_REFUSAL];
  const char *before = "";
  luaL_Buffer tried;
  if (*separator) name = luaL_gsub(L, name, separator, slash);
  luaL_buffinit(L, &tried);
  for (const char *end; *path; path = *end ? end + 1 : end) {
    end = strchrnul(path, *LUA_PATH_SEP);
    lua_pushlstring(L, path, (size_t)(end - path));
    const char *file = luaL_gsub(L, lua_tostring(L, -1), LUA_PATH_MARK, name);
    rl_pin pin;
    int err = rl_pin_open(&pin, p, RL_PIN_OBJECT, RL_PIN_CODE, file, why);
    rl_pin_drop(&pin);
    if (err == 0) return 1;
    const char *denial = err == RL_DENIED ? why : NULL;
    lua_pushfstring(L, denial ? "%sno file '%s' that may be loaded: %s" : "%sno file '%s'", before,
                    file, denial);
    before = "\n\t";
    lua_replace(L, -3);
    lua_pop(L, 1);
    luaL_addvalue(&tried);
  }
  luaL_pushresult(&tried);
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

static int package_searchpath(lua_State *L) {
  return search_path(L, luaL_checkstring(L, 1), luaL_checkstring(L, 2), luaL_optstring(L, 3, "."),
                     luaL_optstring(L, 4, LUA_DIRSEP));
}

// The searcher for Lua files; upvalue: the package table.
static int search_lua(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_getfield(L, lua_upvalueindex(1), "path");
  const char *path = lua_tostring(L, -1);
  if (!path) return luaL_error(L, "'package.path' must be a string");
  if (search_path(L, name, path, ".", LUA_DIRSEP) == 2) return 1;
  const char *file = lua_tostring(L, -1);
  if (rl_code_load(L, file, NULL) != LUA_OK)
    return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, file,
                      lua_tostring(L, -1));
  lua_pushstring(L, file);
  return 2;
}

static int search_nothing(lua_State *L) {
  lua_pushliteral(L, "no C module may be loaded: it needs --allow-native");
  return 1;
}

static int refuse_loadlib(lua_State *L) {
  return rl_raise_denied(L, "loadlib", "path", luaL_checkstring(L, 1), "it needs --allow-native");
}

// searchers: preload, Lua, C, C in one. In order, since nobody has changed them yet.
static void guard_package(lua_State *L, bool native) {
  lua_getglobal(L, "package");
  lua_pushcfunction(L, package_searchpath);
  lua_setfield(L, -2, "searchpath");
  lua_getfield(L, -1, "searchers");
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, search_lua, 1);
  lua_seti(L, -2, 2);
  if (!native) {
    lua_pushcfunction(L, search_nothing);
    lua_seti(L, -2, 3);
    lua_pushnil(L);
    lua_seti(L, -2, 4);
    lua_pushcfunction(L, refuse_loadlib);
    lua_setfield(L, -3, "loadlib");
  }
  lua_pop(L, 2);
}

void rl_guard_code(lua_State *L) {
  bool native = rl_may_native(L);
  guard_package(L, native);
  lua_register(L, "loadfile", code_loadfile);
  if (!native) rl_sandbox_text_only(L);
}
