// Finds "rille" and "rille.*": furniture in stdlib/ first, then natives in the binary, then shared
// objects.
#include "lua/host/stdlib.h"
#include "lua/host/natives.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST = 200 };  // of a module's name

typedef struct searcher {
  const char *directory;  // upvalue 1 owns it
  int c_modules;
} searcher;

const rl_stdlib_file *rl_stdlib_find(const char *name) {
  int low = 0, high = rl_stdlib_count;
  while (low < high) {
    int middle = (low + high) / 2;
    int order = strcmp(rl_stdlib_files[middle].name, name);
    if (order == 0) return &rl_stdlib_files[middle];
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return NULL;
}

// "rille.http.router" -> "http/router" with `suffix`; "rille" -> "rille".
static void file_name(char *out, size_t size, const char *module, const char *suffix) {
  const char *rest = module[5] ? module + 6 : "rille";
  snprintf(out, size, "%s%s", rest, suffix);
  for (char *p = out; p < out + strlen(rest); p++) {
    if (*p == '.') *p = '/';
  }
}

// Pushes the chunk and its name. False: there is no such file. Raises if it does not compile.
static int push_furniture(lua_State *L, const searcher *s, const char *file) {
  if (s->directory) {
    const char *path = lua_pushfstring(L, "%s/%s", s->directory, file);
    if (access(path, R_OK) != 0) {
      lua_pop(L, 1);
      return 0;
    }
    if (luaL_loadfilex(L, path, "t") != LUA_OK) lua_error(L);
    lua_insert(L, -2);
    return 1;
  }
  const rl_stdlib_file *found = rl_stdlib_find(file);
  if (!found) return 0;
  const char *chunk = lua_pushfstring(L, "@rille/%s", file);
  if (luaL_loadbufferx(L, (const char *)found->data, found->length, chunk, "t") != LUA_OK)
    lua_error(L);
  lua_insert(L, -2);
  return 1;
}

static int is_ours(const char *name) {
  return strncmp(name, "rille", 5) == 0 && (name[5] == '.' || name[5] == '\0');
}

// A module of rille, which nobody else provides.
static int is_documented(const char *name) {
  char file[LONGEST + 16];
  snprintf(file, sizeof file, "types/%s.lua", name);
  return rl_stdlib_find(file) != NULL;
}

// searcher(name) -> loader, where | sentence. Raises the sentence if no other searcher can help.
int rl_stdlib_search(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  if (!is_ours(name)) return 0;
  if (strlen(name) > LONGEST) return luaL_error(L, "module name is too long");
  searcher s = {lua_tostring(L, lua_upvalueindex(1)), lua_toboolean(L, lua_upvalueindex(2))};
  char file[LONGEST + 16];
  int native = strncmp(name, "rille.native.", 13) == 0;
  if (!native) {
    static const char *const suffixes[] = {".lua", "/init.lua"};
    for (int i = 0; i < 2; i++) {
      file_name(file, sizeof file, name, suffixes[i]);
      if (push_furniture(L, &s, file)) return 2;
    }
  }
  const char *bare = native ? name + 13 : name[5] ? name + 6 : "";
  int pushed = rl_native_push(L, bare, s.c_modules);
  if (pushed == 1 && (native || is_documented(bare))) return lua_error(L);
  return pushed;
}

int rl_stdlib_load(lua_State *L, const char *file) {
  searcher s = {NULL, 0};
  if (lua_getfield(L, LUA_REGISTRYINDEX, "rille.stdlib") == LUA_TSTRING) {
    s.directory = lua_tostring(L, -1);
  }
  if (!push_furniture(L, &s, file)) return luaL_error(L, "rille has lost its file '%s'", file);
  lua_pop(L, 1);
  lua_remove(L, -2);
  return 1;
}

void rl_stdlib_open(lua_State *L, const char *directory, int c_modules) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  // After package.preload and before the file system: no file of the user's shadows the standard
  // library.
  for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
    lua_geti(L, -1, i);
    lua_seti(L, -2, i + 1);
  }
  lua_pushstring(L, directory);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, "rille.stdlib");
  lua_pushboolean(L, c_modules);
  lua_pushcclosure(L, rl_stdlib_search, 2);
  lua_seti(L, -2, 2);
  lua_pop(L, 2);
}
