// Addresses of sockets as Lua values.
#include "lua/bind/address.h"

#include "runtime/io/addr.h"

#include <string.h>

static int address_tostring(lua_State *L) {
  if (lua_getfield(L, 1, "path") != LUA_TNIL) return 1;
  lua_getfield(L, 1, "host");
  lua_getfield(L, 1, "port");
  const char *host = luaL_tolstring(L, -2, NULL);
  lua_pushfstring(L, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, (int)lua_tointeger(L, -2));
  return 1;
}

static int address_concat(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__tostring", address_tostring}, {"__concat", address_concat}, {NULL, NULL}};

static void new_address(lua_State *L) {
  lua_createtable(L, 0, 2);
  if (luaL_newmetatable(L, "rille.Address")) luaL_setfuncs(L, metamethods, 0);
  lua_setmetatable(L, -2);
}

int rl_push_host(lua_State *L, const struct sockaddr *sa) {
  char host[RL_ADDR_TEXT];
  rl_addr addr = {0};
  memcpy(&addr.sa, sa,
         sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
  rl_addr_host(sa, host, sizeof host);
  lua_pushstring(L, host);
  lua_pushinteger(L, rl_addr_port(&addr));
  return 2;
}

int rl_push_address(lua_State *L, const struct sockaddr *sa) {
  new_address(L);
  int address = lua_gettop(L);
  rl_push_host(L, sa);
  lua_setfield(L, address, "port");
  lua_setfield(L, address, "host");
  lua_getfield(L, address, "port");
  return 2;
}

int rl_push_address_path(lua_State *L, const char *path, size_t length) {
  new_address(L);
  lua_pushlstring(L, path, length);
  lua_setfield(L, -2, "path");
  return 1;
}
