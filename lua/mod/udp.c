// rille.native.udp: datagram sockets. The address to open at is a number: stdlib/net.lua resolves
// it.
#include "lua/bind/address.h"
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/permit.h"
#include "lua/bind/site.h"
#include "runtime/io/dns.h"
#include "runtime/io/udp.h"

#include <string.h>

typedef struct udp {
  rl_box box;
  rl_udp *u;
} udp;

static const rl_class udp_class;

static rl_udp *check_udp(lua_State *L, const char *op) {
  udp *box = rl_check_object(L, 1, &udp_class);
  if (!box->u || !rl_uvhandle_open(&box->u->handle))
    rl_raise_op(L, "CLOSED", op, "the socket is closed");
  return box->u;
}

static int check_port(lua_State *L, int index) {
  lua_Integer port = luaL_checkinteger(L, index);
  luaL_argcheck(L, port >= 0 && port <= 65535, index, "a port is between 0 and 65535");
  return (int)port;
}

static rl_addr check_addr(lua_State *L, int host, int port, const char *op) {
  rl_addr addr;
  size_t n;
  const char *text = luaL_checklstring(L, host, &n);
  luaL_argcheck(L, strlen(text) == n, host, "a host has no NUL byte");
  int err = rl_addr_parse(&addr, text, check_port(L, port));
  if (err < 0) rl_raise_sys(L, err, op, "address", text);
  return addr;
}

static int check_done(lua_State *L, int err, const char *op) {
  if (err < 0) return rl_raise_sys(L, err, op, NULL, NULL);
  lua_settop(L, 1);
  return 1;
}

static int udp_open(lua_State *L) {  // (), or (address, port, reuse) to bind it
  bool bind = !lua_isnoneornil(L, 1);
  rl_addr addr;
  int err;
  if (bind) {
    addr = check_addr(L, 1, 2, "udp");
    rl_demand_address(L, "bind", (struct sockaddr *)&addr.sa, NULL, RL_NET_LISTEN);
  }
  udp *box = rl_object_new(L, &udp_class, 0);
  box->u = rl_udp_open(&rl_state_of(L)->loop, bind ? &addr : NULL, lua_toboolean(L, 3), &err);
  if (box->u) return 1;
  char text[RL_ADDR_TEXT + 8] = "";
  if (bind) rl_addr_format((const struct sockaddr *)&addr.sa, text, sizeof text);
  return rl_raise_sys(L, err, "bind", bind ? "address" : NULL, text);
}

// A setting that needs a socket.
static rl_udp *check_settled(lua_State *L, const char *op) {
  rl_udp *u = check_udp(L, op);
  int err = rl_udp_settle(u);
  if (err < 0) rl_raise_sys(L, err, op, NULL, NULL);
  return u;
}

// Names: `host` at 3 becomes an address, and stays at 5.

static void demand(lua_State *L, const char *op, const rl_addr *addr) {
  const char *name = lua_tostring(L, 5);
  rl_demand_address(L, op, (const struct sockaddr *)&addr->sa, name, RL_NET_CONNECT);
}

static bool is_name(lua_State *L) {
  rl_addr addr;
  return rl_addr_parse(&addr, luaL_checkstring(L, 3), 0) == UV_EINVAL;
}

static int look_up(lua_State *L, const rl_udp *u, lua_KFunction k) {
  struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
  int n = sizeof own, err;
  uv_udp_getsockname(&u->uv, (struct sockaddr *)&own, &n);
  const char *host = lua_tostring(L, 3);
  rl_demand_name(L, "lookup", host, (int)lua_tointeger(L, 4));
  lua_pushvalue(L, 3);
  lua_replace(L, 5);
  rl_lookup *l = rl_lookup_begin(&rl_state_of(L)->loop, host, own.ss_family, rl_current(L), &err);
  if (!l) return rl_raise_sys(L, err, "lookup", "address", host);
  return rl_await(L, &l->op, k, (lua_KContext)l);
}

static void looked_up(lua_State *L, lua_KContext ctx) {
  char host[RL_ADDR_TEXT];
  rl_lookup *l = (rl_lookup *)ctx;
  int err = rl_awaited(L, &l->op);
  if (err >= 0) rl_addr_host(rl_lookup_list(l)->ai_addr, host, sizeof host);
  rl_lookup_free(l);
  if (err < 0) rl_raise_sys(L, err, "lookup", "address", lua_tostring(L, 3));
  lua_pushstring(L, host);
  lua_replace(L, 3);
}

// Sending: stack is the socket, the data, and a host and port or nothing.

static int sent(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  udp *box = lua_touserdata(L, 1);
  rl_op_unclaim(&box->u->sender, rl_current(L));
  return check_done(L, rl_awaited(L, &box->u->sender), "send");
}

static int send_now(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_udp *u = check_udp(L, "send");
  size_t n;
  const char *data = lua_tolstring(L, 2, &n);
  rl_addr addr, *to = NULL;
  if (!lua_isnil(L, 3)) {
    addr = check_addr(L, 3, 4, "send");
    demand(L, "send", &addr);
    to = &addr;
  }
  int err = rl_udp_send(u, data, n, to);
  if (err != UV_EAGAIN) return check_done(L, err, "send");
  if (rl_op_claimed(&u->sender))
    return rl_raise_op(L, "EBUSY", "send", "another task is sending on this socket");
  err = rl_udp_send_later(u, data, n, to, rl_current(L));
  if (err < 0) return check_done(L, err, "send");
  return rl_await(L, &u->sender, sent, 0);
}

static int send_named(lua_State *L, int status, lua_KContext ctx) {
  looked_up(L, ctx);
  return send_now(L, status, 0);
}

static int udp_send(lua_State *L) {
  lua_settop(L, 4);
  lua_pushnil(L);
  rl_udp *u = check_udp(L, "send");
  luaL_checkstring(L, 2);
  bool named = !lua_isnil(L, 3) && is_name(L);
  if (named) {
    check_port(L, 4);
  } else if (!lua_isnil(L, 3)) {
    check_addr(L, 3, 4, "send");
  }
  rl_checkpoint(L);
  if (named) return look_up(L, u, send_named);
  return rl_no_wait(L, send_now, 0);
}

// Receiving

static int receive_now(lua_State *L, int status, lua_KContext ctx);

static int received(lua_State *L, int status, lua_KContext ctx) {
  udp *box = lua_touserdata(L, 1);
  rl_op_unclaim(&box->u->receiver, rl_current(L));
  int err = rl_awaited(L, &box->u->receiver);
  if (err < 0) return check_done(L, err, "recv");
  return receive_now(L, status, ctx);
}

static int receive_now(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_udp *u = check_udp(L, "recv");
  int err;
  if (rl_op_claimed(&u->receiver))
    return rl_raise_op(L, "EBUSY", "recv", "another task is receiving on this socket");
  luaL_checkstack(L, 6, NULL);
  rl_datagram *d = rl_udp_first(u, &err);
  if (d) {
    lua_pushlstring(L, d->bytes, d->length);
    int pushed = 1 + rl_push_host(L, (struct sockaddr *)&d->from.sa);
    rl_udp_drop(u);  // now that nothing can raise any more
    return pushed;
  }
  if (err < 0) return check_done(L, err, "recv");
  rl_udp_wait(u, rl_current(L));
  return rl_await(L, &u->receiver, received, 0);
}

static int udp_recv(lua_State *L) {
  lua_settop(L, 1);
  check_udp(L, "recv");
  rl_checkpoint(L);
  return rl_no_wait(L, receive_now, 0);
}

// Settings

static int connect_now(lua_State *L) {
  rl_udp *u = check_udp(L, "connect");
  rl_addr addr = check_addr(L, 3, 4, "connect");
  demand(L, "connect", &addr);
  if (u->connected) uv_udp_connect(&u->uv, NULL);
  int err = uv_udp_connect(&u->uv, (const struct sockaddr *)&addr.sa);
  u->connected = err == 0;
  return check_done(L, err, "connect");
}

static int connect_named(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  looked_up(L, ctx);
  return connect_now(L);
}

static int udp_connect(lua_State *L) {  // (host, port)
  lua_settop(L, 3);
  lua_pushnil(L);
  lua_insert(L, 2);  // as in sending, where the data are
  lua_pushnil(L);
  rl_udp *u = check_udp(L, "connect");
  if (!is_name(L)) return connect_now(L);
  check_port(L, 4);
  rl_checkpoint(L);
  return look_up(L, u, connect_named);
}

static int membership(lua_State *L, const char *op, uv_membership what) {
  rl_udp *u = check_udp(L, op);
  const char *group = luaL_checkstring(L, 2), *interface = luaL_optstring(L, 3, NULL);
  rl_addr addr;
  if (rl_permit_of(L) && rl_addr_parse(&addr, group, 0) == 0)
    rl_demand_address(L, op, (struct sockaddr *)&addr.sa, NULL, RL_NET_CONNECT);
  int err = uv_udp_set_membership(&u->uv, group, interface, what);
  if (err < 0) return rl_raise_sys(L, err, op, "address", group);
  return check_done(L, err, op);
}

static int udp_join(lua_State *L) { return membership(L, "join", UV_JOIN_GROUP); }
static int udp_leave(lua_State *L) { return membership(L, "leave", UV_LEAVE_GROUP); }

static int udp_set_broadcast(lua_State *L) {
  rl_udp *u = check_settled(L, "set_broadcast");
  return check_done(L, uv_udp_set_broadcast(&u->uv, lua_toboolean(L, 2)), "set_broadcast");
}

static int udp_set_multicast(lua_State *L) {  // {loop=, ttl=, interface=}
  static const char *const names[] = {"loop", "ttl", "interface", NULL};
  rl_udp *u = check_settled(L, "set_multicast");
  luaL_checktype(L, 2, LUA_TTABLE);
  rl_check_options(L, 2, names);
  int ttl = (int)rl_option_integer(L, 2, "ttl", 1, 255, 0);
  const char *interface = rl_option_string(L, 2, "interface", NULL, NULL);
  int err = uv_udp_set_multicast_loop(&u->uv, rl_option_bool(L, 2, "loop", true));
  if (err == 0 && ttl) err = uv_udp_set_multicast_ttl(&u->uv, ttl);
  if (err == 0 && interface) err = uv_udp_set_multicast_interface(&u->uv, interface);
  return check_done(L, err, "set_multicast");
}

static int udp_address(lua_State *L) {
  rl_udp *u = check_settled(L, "address");
  rl_addr addr;
  int n = sizeof addr.sa, err = uv_udp_getsockname(&u->uv, (struct sockaddr *)&addr.sa, &n);
  return err < 0 ? check_done(L, err, "address") : rl_push_address(L, (struct sockaddr *)&addr.sa);
}

static int udp_peer(lua_State *L) {
  rl_udp *u = check_udp(L, "peer");
  rl_addr addr;
  int n = sizeof addr.sa, err = uv_udp_getpeername(&u->uv, (struct sockaddr *)&addr.sa, &n);
  return err < 0 ? check_done(L, err, "peer") : rl_push_address(L, (struct sockaddr *)&addr.sa);
}

static int udp_close(lua_State *L) {
  udp *box = rl_check_object(L, 1, &udp_class);
  if (box->u) rl_udp_close(box->u);
  return 0;
}

static int udp_gc(lua_State *L) {
  udp *box = lua_touserdata(L, 1);
  rl_udp *u = box->u;
  box->u = NULL;
  if (!u) return 0;
  if (rl_uvhandle_open(&u->handle)) rl_site_unclosed(rl_state_of(L), "socket", u->handle.place);
  rl_udp_close(u);
  rl_udp_unref(u);
  return 0;
}

static const luaL_Reg methods[] = {{"send", udp_send},
                                   {"recv", udp_recv},
                                   {"connect", udp_connect},
                                   {"join", udp_join},
                                   {"leave", udp_leave},
                                   {"set_broadcast", udp_set_broadcast},
                                   {"set_multicast", udp_set_multicast},
                                   {"address", udp_address},
                                   {"peer", udp_peer},
                                   {"close", udp_close},
                                   {"__close", udp_close},
                                   {"__gc", udp_gc},
                                   {NULL, NULL}};

static const rl_class udp_class = {"rille.Udp", sizeof(udp), methods};

static const luaL_Reg functions[] = {{"open", udp_open}, {NULL, NULL}};

int rl_open_udp(lua_State *L) {
  rl_class_open(L, &udp_class);
  luaL_newlib(L, functions);
  return 1;
}
