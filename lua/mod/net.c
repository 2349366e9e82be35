// rille.native.net: connecting and listening, TCP and Unix. Names to listen on are resolved by
// stdlib/net.lua.
#include "lua/bind/address.h"
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/permit.h"
#include "lua/bind/scope.h"
#include "lua/bind/site.h"
#include "lua/bind/stream.h"
#include "runtime/io/dial.h"
#include "runtime/io/dns.h"
#include "runtime/io/listener.h"

#include <string.h>
#include <sys/un.h>

typedef struct conn {
  rl_stream_box stream;
} conn;

// Owns the opening of a connection. Not a part of that: idle ones are many.
typedef struct attempt {
  rl_box box;
  rl_dial *dial;
} attempt;

typedef struct listener {
  rl_box box;
  rl_listener *l;
} listener;

static const rl_class conn_class, attempt_class, listener_class;

static rl_loop *loop_of(lua_State *L) { return &rl_state_of(L)->loop; }

// Types and checks

static const char *check_host(lua_State *L, int index) {
  size_t n;
  const char *host = luaL_checklstring(L, index, &n);
  luaL_argcheck(L, strlen(host) == n, index, "a host has no NUL byte");
  luaL_argcheck(L, n > 0, index, "a host is not empty");
  return host;
}

static int check_port(lua_State *L, int index, int low) {
  lua_Integer port = luaL_checkinteger(L, index);
  if (port < low || port > 65535)
    luaL_argerror(L, index, lua_pushfstring(L, "a port is between %d and 65535", low));
  return (int)port;
}

static bool fits(const char *path) {
  return strlen(path) < sizeof(((struct sockaddr_un *)0)->sun_path);
}

static const char *check_path(lua_State *L, int index, const char *op) {
  size_t n;
  const char *path = luaL_checklstring(L, index, &n);
  luaL_argcheck(L, n > 0 && strlen(path) == n, index, "a path is not empty and has no NUL byte");
  if (!fits(path)) rl_raise_sys(L, UV_ENAMETOOLONG, op, "path", path);
  return path;
}

static conn *check_conn(lua_State *L, const char *op) {
  conn *c = rl_check_object(L, 1, &conn_class);
  if (!c->stream.stream || c->stream.stream->closed)
    rl_raise_op(L, "CLOSED", op, "the connection is closed");
  return c;
}

static rl_uvstream *uv_of(const conn *c) { return rl_uvstream_of(c->stream.stream); }

static bool is_tcp(const conn *c) { return uv_of(c)->uv.stream.type == UV_TCP; }

// Connecting

// A failed attempt's address, as the caller wrote it.
static int raise_connect(lua_State *L, int err) {
  if (lua_isnil(L, 2)) return rl_raise_sys(L, err, "connect", "path", lua_tostring(L, 1));
  const char *host = lua_tostring(L, 1);
  const char *text =
      lua_pushfstring(L, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, (int)lua_tointeger(L, 2));
  return rl_raise_sys(L, err, "connect", "address", text);
}

static int raise_denied(lua_State *L, const char *why) {
  const char *text = lua_pushfstring(L, "%s:%d", lua_tostring(L, 1), (int)lua_tointeger(L, 2));
  return rl_raise_denied(L, "connect", "address", text, why);
}

// The stack while connecting: host or path, port or nil, and these.
enum { CONN = 3, ATTEMPT };

static void push_closed_conn(lua_State *L) {
  rl_object_new(L, &conn_class, 0);
  rl_object_new(L, &attempt_class, 0);
}

static int connected(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  conn *c = lua_touserdata(L, CONN);
  attempt *a = lua_touserdata(L, ATTEMPT);
  rl_dial *d = a->dial;
  if (d->winner && !rl_current(L)->aborted) {
    c->stream.stream = &d->winner->s;
    d->winner = NULL;
  }
  int err = d->op.status;
  a->dial = NULL;
  rl_dial_free(d);
  rl_op gone = {.status = err};
  err = rl_awaited(L, &gone);
  if (err < 0) return raise_connect(L, err);
  lua_settop(L, CONN);
  return 1;
}

// NULL: memory is out.
static rl_dial *new_dial(lua_State *L, int count) {
  attempt *a = lua_touserdata(L, ATTEMPT);
  return a->dial = rl_dial_new(loop_of(L), count);
}

static int begin_dial(lua_State *L, rl_dial *d) {
  if (!d) return raise_connect(L, UV_ENOMEM);
  rl_dial_begin(d, rl_current(L));
  return rl_await(L, &d->op, connected, 0);
}

// Keeps what may be connected to; `why` is of what may not.
static int permitted(lua_State *L, rl_addr *addrs, int count, char *why) {
  const rl_permit *p = rl_permit_of(L);
  if (!p) return count;
  int kept = 0;
  for (int i = 0; i < count; i++) {
    const struct sockaddr *sa = (struct sockaddr *)&addrs[i].sa;
    if (rl_permit_address(p, sa, lua_tostring(L, 1), RL_NET_CONNECT, why) == 0)
      addrs[kept++] = addrs[i];
  }
  return kept;
}

static rl_dial *dial_list(lua_State *L, const struct addrinfo *list, char *why) {
  rl_addr addrs[RL_DIAL_MAX];
  int count = rl_addrs_interleave(list, (int)lua_tointeger(L, 2), addrs, RL_DIAL_MAX);
  count = permitted(L, addrs, count, why);
  rl_dial *d = new_dial(L, count);
  if (d) memcpy(d->addrs, addrs, (size_t)count * sizeof *addrs);
  return d;
}

static int looked_up(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_lookup *l = (rl_lookup *)ctx;
  int err = rl_awaited(L, &l->op);
  char why[RL_REFUSAL];
  *why = 0;
  rl_dial *d = err < 0 ? NULL : dial_list(L, rl_lookup_list(l), why);
  rl_lookup_free(l);
  if (err < 0) return rl_raise_sys(L, err, "lookup", "address", lua_tostring(L, 1));
  if (d && d->count == 0 && *why) return raise_denied(L, why);
  return begin_dial(L, d);
}

static int connect_host(lua_State *L) {
  const char *host = check_host(L, 1);
  int port = check_port(L, 2, 1), err;
  rl_addr addr;
  rl_checkpoint(L);
  push_closed_conn(L);
  err = rl_addr_parse(&addr, host, port);
  if (err == 0) {
    rl_demand_address(L, "connect", (struct sockaddr *)&addr.sa, NULL, RL_NET_CONNECT);
    rl_dial *d = new_dial(L, 1);
    if (d) d->addrs[0] = addr;
    return begin_dial(L, d);
  }
  rl_lookup *l = NULL;
  rl_demand_name(L, "connect", host, port);
  if (err != UV_EAI_NONAME) l = rl_lookup_begin(loop_of(L), host, AF_UNSPEC, rl_current(L), &err);
  if (!l) return rl_raise_sys(L, err, "lookup", "address", host);
  return rl_await(L, &l->op, looked_up, (lua_KContext)l);
}

static int net_connect(lua_State *L) {  // (host, port) or (path)
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) return connect_host(L);
  const char *path = check_path(L, 1, "connect");
  rl_checkpoint(L);
  push_closed_conn(L);
  rl_dial *d = new_dial(L, 0);
  if (!d) return raise_connect(L, UV_ENOMEM);
  rl_pin pin;
  path = rl_demand_path(L, "connect", &pin, RL_PIN_OBJECT, RL_PIN_SOCKET, path);
  rl_dial_begin_path(d, path, rl_current(L));  // connects at once
  rl_pin_drop(&pin);
  return rl_await(L, &d->op, connected, 0);
}

// Listening

static listener *push_closed_listener(lua_State *L) { return rl_object_new(L, &listener_class, 1); }

static int net_listen(lua_State *L) {  // (address, port, backlog, reuse_port)
  rl_addr addr;
  const char *host = check_host(L, 1);
  int port = check_port(L, 2, 0), err = rl_addr_parse(&addr, host, port);
  rl_listen_options options = {(int)luaL_optinteger(L, 3, 511), lua_toboolean(L, 4)};
  if (err == 0) {
    listener *box = push_closed_listener(L);
    rl_demand_address(L, "listen", (struct sockaddr *)&addr.sa, NULL, RL_NET_LISTEN);
    box->l = rl_listener_tcp(loop_of(L), &addr, options, &err);
    if (box->l) return 1;
  }
  char text[RL_ADDR_TEXT + 8];
  snprintf(text, sizeof text, strchr(host, ':') ? "[%.100s]:%d" : "%.100s:%d", host, port);
  return rl_raise_sys(L, err, "listen", "address", text);
}

static int net_listen_path(lua_State *L) {  // (path, backlog)
  const char *path = check_path(L, 1, "listen");
  rl_listen_options options = {(int)luaL_optinteger(L, 2, 511), false};
  int err = UV_ENAMETOOLONG;
  listener *box = push_closed_listener(L);
  rl_pin pin;
  const char *at = rl_demand_path(L, "listen", &pin, RL_PIN_ENTRY, RL_PIN_SOCKET, path);
  if (fits(at)) box->l = rl_listener_path(loop_of(L), at, pin.fd, options, &err);
  if (box->l) {
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return 1;
  }
  rl_pin_drop(&pin);
  return rl_raise_sys(L, err, "listen", "path", path);
}

static rl_listener *check_listener(lua_State *L, const char *op) {
  listener *box = rl_check_object(L, 1, &listener_class);
  if (!box->l || !rl_uvhandle_open(&box->l->handle))
    rl_raise_op(L, "CLOSED", op, "the listener is closed");
  return box->l;
}

static int push_conn(lua_State *L, rl_uvstream *u) {
  conn *c = lua_touserdata(L, 2);  // made before anything was held
  c->stream.stream = &u->s;
  lua_settop(L, 2);
  return 1;
}

// ctx of accepting: BY_LOOP ends with the listener, BY_CALL raises.
enum { BY_CALL, BY_LOOP };

static int accept_failed(lua_State *L, int err, lua_KContext ctx) {
  if (err == RL_CLOSED && ctx == BY_LOOP) return 0;
  return rl_raise_sys(L, err, "accept", NULL, NULL);
}

static int accepted(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  listener *box = lua_touserdata(L, 1);
  int err = rl_awaited(L, &rl_current(L)->wait);
  if (err < 0) return accept_failed(L, err, ctx);
  return push_conn(L, rl_listener_handed(box->l));
}

static int accept_now(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_listener *l = ((listener *)lua_touserdata(L, 1))->l;
  int err = RL_CLOSED;
  rl_uvstream *u = rl_uvhandle_open(&l->handle) ? rl_listener_take(l, &err) : NULL;
  if (u) return push_conn(L, u);
  if (err < 0) return accept_failed(L, err, ctx);
  rl_listener_wait(l, rl_current(L));
  return rl_await(L, &rl_current(L)->wait, accepted, ctx);
}

static int accept_as(lua_State *L, lua_KContext ctx) {
  rl_checkpoint(L);
  rl_object_new(L, &conn_class, 0);
  return rl_no_wait(L, accept_now, ctx);
}

static int listener_accept(lua_State *L) {
  lua_settop(L, 1);
  check_listener(L, "accept");
  return accept_as(L, BY_CALL);
}

static int next_accepted(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  return accept_as(L, BY_LOOP);
}

static int listener_accepted(lua_State *L) {
  lua_settop(L, 1);
  check_listener(L, "accept");
  lua_pushcclosure(L, next_accepted, 1);
  return 1;
}

// Attending to a connection: the body of a task of net.serve, in C because a Lua function, xpcall
// and its call take more stack than an idle connection is worth.

static int told(lua_State *L, int status, lua_KContext ctx) {
  (void)L, (void)status, (void)ctx;
  return 0;
}

static int attended(lua_State *L, int status, lua_KContext mark) {
  bool failed = status != LUA_OK && status != LUA_YIELD;
  rl_stream *s = rl_test_stream(L, 1);
  if (s) rl_stream_close(s);
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_call(L, 0, 0);
  rl_protect_done(L, mark, false);  // a cancellation goes on
  if (!failed) return 0;
  lua_pushvalue(L, lua_upvalueindex(4));
  lua_insert(L, -2);
  lua_pushvalue(L, 1);
  lua_callk(L, 2, 0, 0, told);
  return 0;
}

static int attend(lua_State *L) {  // (connection)
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 1);
  lua_KContext mark = rl_protect_mark(L);
  return attended(L, lua_pcallk(L, 1, 0, 2, mark, attended), mark);
}

// (traceback, handler(connection), left(), tell(error, connection)) -> attend(connection): runs the
// handler, closes the connection, and calls `left`, which does not wait; then `tell` if the handler
// failed.
static int net_attendant(lua_State *L) {
  for (int i = 1; i <= 4; i++) luaL_checktype(L, i, LUA_TFUNCTION);
  lua_settop(L, 4);
  lua_pushcclosure(L, attend, 4);
  return 1;
}

// Addresses

typedef int (*tcp_name)(const uv_tcp_t *, struct sockaddr *, int *);
typedef int (*pipe_name)(const uv_pipe_t *, char *, size_t *);

static int push_name(lua_State *L, const void *uv, bool tcp, tcp_name of_tcp, pipe_name of_pipe) {
  struct sockaddr_storage sa;
  int n = sizeof sa;
  char path[sizeof(struct sockaddr_un)];
  size_t length = sizeof path;
  int err = tcp ? of_tcp(uv, (struct sockaddr *)&sa, &n) : of_pipe(uv, path, &length);
  if (err < 0) return rl_raise_sys(L, err, "address", NULL, NULL);
  if (tcp) return rl_push_address(L, (struct sockaddr *)&sa);
  return rl_push_address_path(L, path, length);
}

static int listener_address(lua_State *L) {
  rl_listener *l = check_listener(L, "address");
  if (l->pinned >= 0) {
    lua_getiuservalue(L, 1, 1);
    return rl_push_address_path(L, lua_tostring(L, -1), lua_rawlen(L, -1));
  }
  return push_name(L, &l->uv, !l->unix_socket, uv_tcp_getsockname, uv_pipe_getsockname);
}

static int conn_peer(lua_State *L) {
  conn *c = check_conn(L, "peer");
  return push_name(L, &uv_of(c)->uv, is_tcp(c), uv_tcp_getpeername, uv_pipe_getpeername);
}

static int conn_address(lua_State *L) {
  conn *c = check_conn(L, "address");
  return push_name(L, &uv_of(c)->uv, is_tcp(c), uv_tcp_getsockname, uv_pipe_getsockname);
}

static int conn_set(lua_State *L) {
  static const char *const names[] = {"nodelay", "keepalive", NULL};
  enum { KEEPALIVE_AFTER = 60 };  // s
  conn *c = check_conn(L, "set");
  luaL_checktype(L, 2, LUA_TTABLE);
  rl_check_options(L, 2, names);
  if (!is_tcp(c)) return rl_raise_op(L, "ENOTSUP", "set", "not a TCP connection");
  uv_tcp_t *tcp = &uv_of(c)->uv.tcp;
  int err = 0;
  if (lua_getfield(L, 2, "nodelay") != LUA_TNIL)
    err = uv_tcp_nodelay(tcp, rl_option_bool(L, 2, "nodelay", true));
  if (err == 0 && lua_getfield(L, 2, "keepalive") != LUA_TNIL) {
    bool seconds = lua_type(L, -1) == LUA_TNUMBER;
    lua_Number after = seconds ? lua_tonumber(L, -1) : KEEPALIVE_AFTER;
    if (!seconds) rl_option_bool(L, 2, "keepalive", true);  // or it is an error
    luaL_argcheck(L, after >= 1 && after <= 32767, 2, "keepalive is between 1 and 32767 seconds");
    err = uv_tcp_keepalive(tcp, lua_toboolean(L, -1), (unsigned)after);
  }
  if (err < 0) return rl_raise_sys(L, err, "set", NULL, NULL);
  lua_settop(L, 1);
  return 1;
}

static int conn_fd(lua_State *L) {
  conn *c = check_conn(L, "fd");
  uv_os_fd_t fd;
  int err = uv_fileno((uv_handle_t *)&uv_of(c)->uv, &fd);
  if (err < 0) return rl_raise_sys(L, err, "fd", NULL, NULL);
  lua_pushinteger(L, fd);
  return 1;
}

// Seconds since 1970, for LuaSocket's gettime.
static int net_wall_clock(lua_State *L) {
  uv_timeval64_t now;
  uv_gettimeofday(&now);
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_usec / 1e6);
  return 1;
}

// Ends

static int attempt_gc(lua_State *L) {
  attempt *a = lua_touserdata(L, 1);
  rl_dial *d = a->dial;
  a->dial = NULL;
  rl_dial_free(d);
  return 0;
}

static int listener_close(lua_State *L) {
  listener *box = rl_check_object(L, 1, &listener_class);
  if (box->l) rl_listener_close(box->l);
  return 0;
}

static int listener_is_closed(lua_State *L) {
  listener *box = rl_check_object(L, 1, &listener_class);
  lua_pushboolean(L, !box->l || !rl_uvhandle_open(&box->l->handle));
  return 1;
}

static int listener_gc(lua_State *L) {
  listener *box = lua_touserdata(L, 1);
  rl_listener *l = box->l;
  box->l = NULL;
  if (!l) return 0;
  if (rl_uvhandle_open(&l->handle)) rl_site_unclosed(rl_state_of(L), "listener", l->handle.place);
  rl_listener_close(l);
  rl_listener_unref(l);
  return 0;
}

static const luaL_Reg conn_methods[] = {RL_STREAM_METHODS,         {"peer", conn_peer},
                                        {"address", conn_address}, {"set", conn_set},
                                        {"fd", conn_fd},           {NULL, NULL}};

static const luaL_Reg attempt_methods[] = {{"__gc", attempt_gc}, {NULL, NULL}};

static const luaL_Reg listener_methods[] = {{"accept", listener_accept},
                                            {"accepted", listener_accepted},
                                            {"address", listener_address},
                                            {"close", listener_close},
                                            {"is_closed", listener_is_closed},
                                            {"__close", listener_close},
                                            {"__gc", listener_gc},
                                            {NULL, NULL}};

static const rl_class conn_class = {"rille.Connection", sizeof(conn), conn_methods};
static const rl_class attempt_class = {"rille.Attempt", sizeof(attempt), attempt_methods};
static const rl_class listener_class = {"rille.Listener", sizeof(listener), listener_methods};

static const luaL_Reg functions[] = {{"connect", net_connect},         {"listen", net_listen},
                                     {"listen_path", net_listen_path}, {"attendant", net_attendant},
                                     {"wall_clock", net_wall_clock},   {NULL, NULL}};

int rl_open_net(lua_State *L) {
  rl_class_open(L, &conn_class);
  rl_class_open(L, &listener_class);
  luaL_newlib(L, functions);
  return 1;
}
