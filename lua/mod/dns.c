// rille.dns: names to addresses and back.
#include "runtime/io/dns.h"

#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/permit.h"

#include <string.h>

static const char *check_text(lua_State *L, int index) {
  size_t n;
  const char *text = luaL_checklstring(L, index, &n);
  luaL_argcheck(L, n > 0, index, "a name is not empty");
  luaL_argcheck(L, strlen(text) == n, index, "a name has no NUL byte");
  return text;
}

static int check_family(lua_State *L, int index) {
  static const char *const names[] = {"family", NULL};
  rl_check_options(L, index, names);
  if (lua_istable(L, index) && lua_getfield(L, index, "family") == LUA_TNUMBER) {
    lua_Integer version = lua_tointeger(L, -1);
    if (version == 4) return AF_INET;
    if (version == 6) return AF_INET6;
    return luaL_error(L, "option 'family': 4, 6, 'ipv4' or 'ipv6' expected, got %I", version);
  }
  const char *family = rl_option_string(L, index, "family", NULL, NULL);
  if (!family) return AF_UNSPEC;
  if (strcmp(family, "inet") == 0 || strcmp(family, "ipv4") == 0) return AF_INET;
  if (strcmp(family, "inet6") == 0 || strcmp(family, "ipv6") == 0) return AF_INET6;
  return luaL_error(L, "option 'family': 4, 6, 'ipv4' or 'ipv6' expected, got '%s'", family);
}

static int push_list(lua_State *L, const struct addrinfo *list) {
  lua_newtable(L);
  for (lua_Integer n = 1; list; list = list->ai_next, n++) {
    char host[RL_ADDR_TEXT];
    rl_addr_host(list->ai_addr, host, sizeof host);
    lua_pushstring(L, host);
    lua_rawseti(L, -2, n);
  }
  return 1;
}

static int protected_list(lua_State *L) { return push_list(L, lua_touserdata(L, 1)); }

static int looked_up(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_lookup *l = (rl_lookup *)ctx;
  int err = rl_awaited(L, &l->op);
  int failed = LUA_OK;
  if (err >= 0) {  // the look-up is held meanwhile
    lua_pushcfunction(L, protected_list);
    lua_pushlightuserdata(L, (void *)rl_lookup_list(l));
    failed = lua_pcall(L, 1, 1, 0);
  }
  rl_lookup_free(l);
  if (err < 0) return rl_raise_sys(L, err, "lookup", "address", lua_tostring(L, 1));
  return failed ? lua_error(L) : 1;
}

// (host, {family=}) -> list of addresses, the system's first choice first
static int dns_lookup(lua_State *L) {
  lua_settop(L, 2);
  const char *host = check_text(L, 1);
  int family = check_family(L, 2), err;
  rl_checkpoint(L);
  rl_addr addr;
  err = rl_addr_parse(&addr, host, 0);
  if (err == 0 && (family == AF_UNSPEC || family == addr.sa.ss_family)) {
    struct addrinfo one = {.ai_addr = (struct sockaddr *)&addr.sa};
    return push_list(L, &one);
  }
  if (err == 0 || err == UV_EAI_NONAME)
    return rl_raise_sys(L, UV_EAI_NONAME, "lookup", "address", host);
  rl_demand_name(L, "lookup", host, -1);
  rl_lookup *l = rl_lookup_begin(&rl_state_of(L)->loop, host, family, rl_current(L), &err);
  if (!l) return rl_raise_sys(L, err, "lookup", "address", host);
  return rl_await(L, &l->op, looked_up, (lua_KContext)l);
}

static int named(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  char name[NI_MAXHOST];
  rl_lookup *l = (rl_lookup *)ctx;
  int err = rl_awaited(L, &l->op);
  if (err >= 0) strcpy(name, rl_lookup_name(l));
  rl_lookup_free(l);
  if (err < 0) return rl_raise_sys(L, err, "reverse", "address", lua_tostring(L, 1));
  lua_pushstring(L, name);
  return 1;
}

// (address) -> name
static int dns_reverse(lua_State *L) {
  lua_settop(L, 1);
  const char *text = check_text(L, 1);
  rl_addr addr;
  int err = rl_addr_parse(&addr, text, 0);
  rl_checkpoint(L);
  rl_lookup *l = NULL;
  if (err == 0) rl_demand_address(L, "reverse", (struct sockaddr *)&addr.sa, NULL, RL_NET_CONNECT);
  if (err == 0) l = rl_lookup_begin_reverse(&rl_state_of(L)->loop, &addr, rl_current(L), &err);
  if (!l) return rl_raise_sys(L, err, "reverse", "address", text);
  return rl_await(L, &l->op, named, (lua_KContext)l);
}

static const luaL_Reg functions[] = {
    {"lookup", dns_lookup}, {"reverse", dns_reverse}, {NULL, NULL}};

int rl_open_dns(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
