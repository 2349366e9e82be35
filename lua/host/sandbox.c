// What flags take away from a state.
#include "lua/host/sandbox.h"

#include "lua/host/rille.h"

#include <lauxlib.h>

// Sets the named fields of a global table to nil.
static void remove_fields(lua_State *L, const char *table, const char *const *names) {
  lua_getglobal(L, table);
  for (; lua_istable(L, -1) && *names; names++) {
    lua_pushnil(L);
    lua_setfield(L, -2, *names);
  }
  lua_pop(L, 1);
}

void rl_sandbox_apply(lua_State *L, unsigned flags) {
  static const char *const stdio[] = {"read",   "write", "lines",  "stdin", "stdout",
                                      "stderr", "input", "output", NULL};
  static const char *const prints[] = {"print", NULL};
  static const char *const loaders[] = {"loadlib", "cpath", NULL};
  if (flags & RILLE_NO_STDIO) {
    remove_fields(L, "io", stdio);
    remove_fields(L, LUA_GNAME, prints);
  }
  if (flags & RILLE_NO_CMODULES) remove_fields(L, "package", loaders);
}
