// What flags take away from a state. UNTRUSTED leaves a whitelist, behind proxies that cannot be
// changed.
#include "lua/host/sandbox.h"

#include "lua/bind/base.h"
#include "lua/host/bounded.h"
#include "lua/host/runtime.h"
#include "lua/host/stdlib.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

static void keep_fields(lua_State *L, const char *table, const char *const *names) {
  lua_getglobal(L, table);
  lua_newtable(L);
  for (; *names; names++) {
    lua_getfield(L, -2, *names);
    lua_setfield(L, -2, *names);
  }
  lua_setglobal(L, table);
  lua_pop(L, 1);
}

static void remove_fields(lua_State *L, const char *table, const char *const *names) {
  lua_getglobal(L, table);
  for (; lua_istable(L, -1) && *names; names++) {
    lua_pushnil(L);
    lua_setfield(L, -2, *names);
  }
  lua_pop(L, 1);
}

// load(chunk, name, mode, env): text, whatever the mode says.
static int text_load(lua_State *L) {
  bool has_env = lua_gettop(L) >= 4;
  lua_settop(L, has_env ? 4 : 2);
  if (has_env) {
    lua_pushliteral(L, "t");
    lua_replace(L, 3);
  } else {
    lua_pushliteral(L, "t");
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

// A finalizer runs where no hook can stop it.
static int safe_setmetatable(lua_State *L) {
  luaL_checkany(L, 2);
  if (lua_istable(L, 2)) {
    lua_pushliteral(L, "__gc");
    lua_rawget(L, 2);
    if (!lua_isnil(L, -1)) return luaL_error(L, "setmetatable: __gc is not allowed here");
    lua_pop(L, 1);
  }
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 2, 1);
  return 1;
}

static int safe_rawset(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
    return luaL_error(L, "rawset: the table is protected");
  lua_settop(L, 3);
  lua_rawset(L, 1);
  return 1;
}

static int count_memory(lua_State *L) {
  const char *what = luaL_optstring(L, 1, "count");
  if (strcmp(what, "count") != 0)
    return luaL_error(L, "collectgarbage: only \"count\" is allowed here");
  lua_pushnumber(L, lua_gc(L, LUA_GCCOUNT) + lua_gc(L, LUA_GCCOUNTB) / 1024.0);
  return 1;
}

static int refuse_change(lua_State *L) { return luaL_error(L, "the table is read-only"); }

static int iterate(lua_State *L) {
  lua_getglobal(L, "next");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushnil(L);
  return 3;
}

// Puts an empty table that reads from the library in its place.
static void protect(lua_State *L, const char *name) {
  lua_newtable(L);
  lua_createtable(L, 0, 4);
  lua_getglobal(L, name);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_pushcclosure(L, iterate, 1);
  lua_setfield(L, -2, "__pairs");
  lua_pushcfunction(L, refuse_change);
  lua_setfield(L, -2, "__newindex");
  lua_pushliteral(L, "protected");
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_setglobal(L, name);
}

void rl_sandbox_text_only(lua_State *L) { rl_base_replace(L, LUA_GNAME, "load", text_load); }

// Modules of rille that reach nothing outside the state.
static bool is_harmless(const char *name) {
  static const char *const harmless[] = {"rille",   "sync", "tasks", "vars",      "json",
                                         "text",    "task", "scope", "gather",    "select",
                                         "channel", "lock", "lot",   "semaphore", NULL};
  if (strcmp(name, "rille") == 0) return true;
  if (strncmp(name, "rille.", 6) != 0) return false;
  const char *rest = strncmp(name, "rille.native.", 13) == 0 ? name + 13 : name + 6;
  for (int i = 0; harmless[i]; i++) {
    if (strcmp(harmless[i], rest) == 0) return true;
  }
  return false;
}

// The standard library's searcher (upvalue 1), for harmless modules only.
static int search_harmless(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  if (!is_harmless(name)) {
    lua_pushfstring(L, "module '%s' is not allowed here", name);
    return 1;
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_call(L, 1, 2);
  return 2;
}

// Leaves package.preload (what the host registered), the host's loader, and harmless modules of
// rille.
static void limit_searchers(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_Integer count = luaL_len(L, -1), kept = 1;
  for (lua_Integer i = 2; i <= count; i++) {
    lua_geti(L, -1, i);
    lua_CFunction f = lua_tocfunction(L, -1);
    lua_pushnil(L);
    lua_seti(L, -3, i);
    if (f == rl_stdlib_search) lua_pushcclosure(L, search_harmless, 1);
    if (f == rl_stdlib_search || f == rl_host_search) {
      lua_seti(L, -2, ++kept);
    } else {
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 2);
  lua_pushnil(L);
  lua_setglobal(L, "package");
}

static void protect_strings(lua_State *L) {
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushliteral(L, "protected");
  lua_setfield(L, -2, "__metatable");
  lua_getglobal(L, "string");
  lua_setfield(L, -2, "__index");
  lua_pop(L, 2);
}

// What require gives for the standard libraries is what the globals hold.
static void replace_loaded(lua_State *L) {
  static const char *const names[] = {"string", "table", "math",  "utf8",    "coroutine",
                                      "os",     "io",    "debug", "package", NULL};
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (int i = 0; names[i]; i++) {
    lua_getglobal(L, names[i]);
    lua_setfield(L, -2, names[i]);
  }
  lua_pop(L, 1);
}

static void apply_untrusted(lua_State *L) {
  static const char *const gone[] = {"dofile", "loadfile", "debug", "io", "print", "warn", NULL};
  static const char *const strings[] = {"byte",    "char",  "find",   "format", "gmatch",   "gsub",
                                        "len",     "lower", "match",  "pack",   "packsize", "rep",
                                        "reverse", "sub",   "unpack", "upper",  NULL};
  static const char *const times[] = {"clock", "date", "difftime", "time", NULL};
  static const char *const guarded[] = {"string", "table", "math", "utf8", "coroutine", "os", NULL};
  limit_searchers(L);
  remove_fields(L, LUA_GNAME, gone);
  rl_bounded_open(L);
  keep_fields(L, "string", strings);
  keep_fields(L, "os", times);
  protect_strings(L);
  rl_sandbox_text_only(L);
  rl_base_replace(L, LUA_GNAME, "setmetatable", safe_setmetatable);
  lua_register(L, "rawset", safe_rawset);
  lua_register(L, "collectgarbage", count_memory);
  for (int i = 0; guarded[i]; i++) protect(L, guarded[i]);
  replace_loaded(L);
}

void rl_sandbox_apply(lua_State *L, unsigned flags) {
  static const char *const stdio[] = {"read",   "write", "lines",  "stdin", "stdout",
                                      "stderr", "input", "output", NULL};
  static const char *const prints[] = {"print", NULL};
  static const char *const loaders[] = {"loadlib", "cpath", NULL};
  if (flags & RILLE_UNTRUSTED) {
    apply_untrusted(L);
    return;
  }
  if (flags & RILLE_NO_STDIO) {
    remove_fields(L, "io", stdio);
    remove_fields(L, LUA_GNAME, prints);
  }
  if (flags & RILLE_NO_CMODULES) remove_fields(L, "package", loaders);
}
