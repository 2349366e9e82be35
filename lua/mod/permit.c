// rille.native.permit: what this runtime is permitted.
#include "lua/bind/error.h"
#include "lua/bind/permit.h"
#include "runtime/io/addr.h"

#include <stdlib.h>
#include <string.h>

// "host:port", "host", "[::1]:80"; the port is -1 where there is none.
static void split(char *text, const char **host, int *port) {
  char *colon = strrchr(text, ':'), *close = strchr(text, ']');
  bool bare_v6 = *text != '[' && strchr(text, ':') != colon;
  bool has_port = colon && !bare_v6 && (!close || colon > close);
  *port = has_port ? atoi(colon + 1) : -1;
  if (has_port) *colon = 0;
  *host = text;
}

static int check_net(const rl_permit *p, const char *what, char *why) {
  char text[300];
  const char *host;
  int port;
  rl_addr addr;
  snprintf(text, sizeof text, "%s", what);
  split(text, &host, &port);
  if (rl_addr_parse(&addr, host, port < 0 ? 0 : port) == 0)
    return rl_permit_address(p, (struct sockaddr *)&addr.sa, NULL, RL_NET_CONNECT, why);
  return rl_permit_name(p, host, port, why);
}

static int check_path(const rl_permit *p, unsigned mays, const char *path, char *why) {
  rl_pin pin;
  int err = rl_pin_open(&pin, p, RL_PIN_OBJECT, mays, path, why);
  rl_pin_drop(&pin);
  return err;
}

static int check(const rl_permit *p, rl_may may, const char *what, char *why) {
  char real[PATH_MAX];
  if (!what) return rl_permit_all(p, may, why);
  switch (may) {
    case RL_MAY_NET:
      if (strncmp(what, "unix:", 5) == 0) return check_path(p, RL_PIN_SOCKET, what + 5, why);
      return check_net(p, what, why);
    case RL_MAY_RUN: return rl_permit_program(p, what, NULL, real, why);
    case RL_MAY_ENV: return rl_permit_env(p, what, why);
    case RL_MAY_NATIVE: return rl_permit_all(p, may, why);
    default: return check_path(p, 1u << may, what, why);
  }
}

// (kind, what or nil) -> true, or false and what forbids it
static int permit_permitted(lua_State *L) {
  static const char *const kinds[] = {"net", "read", "write", "run", "env", "code", "native", NULL};
  rl_may may = (rl_may)luaL_checkoption(L, 1, NULL, kinds);
  const char *what = luaL_optstring(L, 2, NULL);
  const rl_permit *p = rl_permit_of(L);
  char why[RL_REFUSAL];
  bool denied = p && check(p, may, what, why) == RL_DENIED;
  lua_pushboolean(L, !denied);
  if (!denied) return 1;
  lua_pushstring(L, why);
  return 2;
}

// () -> the options that bound another process as this runtime is
static int permit_options(lua_State *L) {
  lua_newtable(L);
  const char *rule;
  for (int i = 0; (rule = rl_permit_rule(rl_permit_of(L), i)); i++) {
    lua_pushfstring(L, "--%s", rule);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

int rl_open_permit(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"permitted", permit_permitted}, {"options", permit_options}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
