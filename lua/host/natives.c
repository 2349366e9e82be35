// Finds native modules: the table of natives.def, then NAME.so in the build tree or beside the
// installed program.
#include "lua/host/natives.h"

#include "lua/host/bundle.h"
#include "lua/host/runtime.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RILLE_NATIVE(name) int rl_open_##name(lua_State *);
#include "lua/host/natives.def"
#undef RILLE_NATIVE

static const luaL_Reg natives[] = {
#define RILLE_NATIVE(name) {#name, rl_open_##name},
#include "lua/host/natives.def"
#undef RILLE_NATIVE
    {NULL, NULL},
};

// Pushes the directory of the object this code is in: the program or librille.so.
static int push_home(lua_State *L) {
  Dl_info info;
  char real[PATH_MAX];
  if (!dladdr((const void *)natives, &info) || !info.dli_fname) return 0;
  const char *name = strchr(info.dli_fname, '/') ? info.dli_fname : "/proc/self/exe";
  if (!realpath(name, real) && !realpath("/proc/self/exe", real)) return 0;
  *strrchr(real, '/') = '\0';
  lua_pushstring(L, real);
  return 1;
}

// The directories that C modules may be in, from the one this code is in.
static const char *const places[] = {"%s/lib/rille", "%s/rille", "%s/../" RILLE_LIBDIR "/rille"};
enum { PLACES = sizeof places / sizeof *places };

// Pushes the path of NAME.so and returns true, or a list of where it is not.
static bool push_path(lua_State *L, const char *name) {
  const char *home = push_home(L) ? lua_tostring(L, -1) : RILLE_MODULE_DIR;
  lua_pushliteral(L, "");
  for (int i = 0; i <= PLACES; i++) {
    const char *place =
        i < PLACES ? lua_pushfstring(L, places[i], home) : lua_pushliteral(L, RILLE_MODULE_DIR);
    const char *path = lua_pushfstring(L, "%s/%s.so", place, name);
    if (access(path, R_OK) == 0) return true;
    lua_pop(L, 1);
    lua_pushfstring(L, "%s%s%s", lua_tostring(L, -2), i ? ", " : "", place);
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
  return false;
}

static int is_plain(const char *name) {
  return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

// The object stays loaded for good: its code may be on the stack of any state of the process.
static int push_object(lua_State *L, const char *name, const char *path) {
  void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!object) {
    lua_pushfstring(L, "rille's module '%s' does not load: %s", name, dlerror());
    return 1;
  }
  lua_CFunction open;
  const char *symbol = lua_pushfstring(L, "luaopen_rille_native_%s", name);
  *(void **)&open = dlsym(object, symbol);
  if (!open) {
    lua_pushfstring(L, "'%s' is no module of rille: it has no %s", path, symbol);
    return 1;
  }
  lua_pushcfunction(L, open);
  lua_pushstring(L, path);
  return 2;
}

int rl_native_push(lua_State *L, const char *name, int c_modules) {
  for (const luaL_Reg *native = natives; native->name; native++) {
    if (strcmp(native->name, name) == 0) {
      lua_pushcfunction(L, native->func);
      lua_pushliteral(L, "(in the binary)");
      return 2;
    }
  }
  if (!is_plain(name)) {
    lua_pushfstring(L, "rille has no module of that name");
    return 1;
  }
  if (!c_modules) {
    lua_pushfstring(L, "rille has no module '%s' in the binary, and C modules are not allowed here",
                    name);
    return 1;
  }
  char path[32];
  const char *file = lua_pushfstring(L, "so/%s", name);
  if (rl_bundle_object(rl_runtime_of(L)->bundle, file, path, sizeof path))
    return push_object(L, name, path);
  if (push_path(L, name)) return push_object(L, name, lua_tostring(L, -1));
  lua_pushfstring(L, "rille has no module '%s' in the binary, and no %s.so in %s", name, name,
                  lua_tostring(L, -1));
  return 1;
}
