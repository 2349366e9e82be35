// LuaSocket's names: "socket" is rille's own unless RILLE_COMPAT=off; what belongs to it but needs
// no socket is ours only if nothing installed provides it.
#include "lua/host/stdlib.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static const char *const first[] = {"socket", "socket.core", "socket.unix", "ssl", NULL};
static const char *const last[] = {"ltn12",          "mime",      "socket.url", "socket.http",
                                   "socket.headers", "ssl.https", NULL};

static int is_in(const char *const *names, const char *name) {
  for (; *names; names++) {
    if (strcmp(*names, name) == 0) return 1;
  }
  return 0;
}

static int search(lua_State *L, const char *const *names) {
  static const char chunk[] = "return require('rille.compat.' .. ...)";
  if (!is_in(names, luaL_checkstring(L, 1))) return 0;
  if (luaL_loadbufferx(L, chunk, sizeof chunk - 1, "=(compat)", "t") != LUA_OK) return lua_error(L);
  lua_pushliteral(L, "(of rille)");
  return 2;
}

static int search_first(lua_State *L) { return search(L, first); }
static int search_last(lua_State *L) { return search(L, last); }

void rl_compat_open(lua_State *L, const char *setting) {
  if (setting && strcmp(setting, "off") == 0) return;
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_Integer n = luaL_len(L, -1);
  for (lua_Integer i = n; i >= 2; i--) {
    lua_geti(L, -1, i);
    lua_seti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search_first);
  lua_seti(L, -2, 2);
  lua_pushcfunction(L, search_last);
  lua_seti(L, -2, n + 2);
  lua_pop(L, 2);
}
