// rille.native.tls: contexts, and TLS streams over any stream. Options are checked by
// stdlib/tls.lua.
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/permit.h"
#include "lua/bind/stream.h"
#include "runtime/io/heavy/tlsstream.h"

#include <string.h>

typedef struct context {
  rl_box box;
  rl_tls_context *c;
} context;

static const rl_class context_class, tls_class;

// Types and checks

static const char *field(lua_State *L, const char *name) {
  size_t n;
  const char *text = rl_option_string(L, 1, name, &n, NULL);
  if (text && strlen(text) != n) luaL_error(L, "option '%s' has a NUL byte", name);
  return text;
}

// A path or PEM text. Under permissions the text alone goes on, from a file kept on the
// stack.
static const char *source(lua_State *L, const char *name) {
  static const char pem[] = "-----BEGIN";
  const char *text = field(L, name);
  if (!text || !rl_permit_of(L) || strstr(text, pem)) return text;
  size_t n;
  const char *inside = rl_demand_text(L, "tls", text, &n);
  if (strlen(inside) != n || !strstr(inside, pem))
    luaL_error(L, "option '%s': '%s' is no PEM file", name, text);
  return inside;
}

static rl_tls_context *check_context(lua_State *L, int index) {
  return ((context *)rl_check_object(L, index, &context_class))->c;
}

static const char *check_name(lua_State *L, int index) {
  size_t n;
  const char *name = luaL_optlstring(L, index, NULL, &n);
  luaL_argcheck(L, !name || strlen(name) == n, index, "a server name has no NUL byte");
  return name;
}

static rl_tlsstream *check_tls(lua_State *L) {
  rl_stream_box *box = rl_check_object(L, 1, &tls_class);
  if (!box->stream) luaL_error(L, "the handshake has not begun");
  return (rl_tlsstream *)box->stream;
}

// Constructors

static int tls_context(
    lua_State *L) {  // {server=, verify=, ca=, cert=, key=, password=, alpn=, min_version=}
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);  // what follows on the stack are files that were read
  rl_tls_settings s = {.server = rl_option_bool(L, 1, "server", false),
                       .verify = rl_option_bool(L, 1, "verify", true),
                       .ca = source(L, "ca"),
                       .cert = source(L, "cert"),
                       .key = source(L, "key"),
                       .password = field(L, "password"),
                       .min_version = (int)rl_option_integer(L, 1, "min_version", 12, 13, 12)};
  s.alpn = rl_option_string(L, 1, "alpn", &s.alpn_length, NULL);
  char error[RL_TLS_TEXT];
  context *box = rl_object_new(L, &context_class, 0);
  box->c = rl_tls_context_new(&s, error);
  return box->c ? 1 : rl_raise_op(L, "EINVAL", "tls", error);
}

static int shaken(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_stream_box *box = lua_touserdata(L, 5);
  rl_tlsstream *t = (rl_tlsstream *)box->stream;
  int err = rl_awaited(L, &t->handshake);
  if (err < 0) {
    rl_stream_push_error(L, &t->s, err, "handshake");
    rl_stream_close(&t->s);
    return lua_error(L);
  }
  lua_settop(L, 5);
  return 1;
}

// (stream, context, name or nil, session or nil) -> the stream under TLS, when the handshake is
// over
static int tls_wrap(lua_State *L) {
  lua_settop(L, 4);
  rl_stream *lower = rl_check_open_stream(L, 1, "handshake");
  rl_tls_context *c = check_context(L, 2);
  const char *name = check_name(L, 3), *session = check_name(L, 4);
  rl_checkpoint(L);
  if (rl_stream_reading(lower) || rl_stream_writing(lower))
    return rl_raise(L, "EBUSY", "handshake: another task uses this stream");
  rl_stream_box *box = rl_object_new(L, &tls_class, 1);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 5, 1);
  rl_tls *tls = rl_tls_new(c, name, session);
  if (!tls) return luaL_error(L, "'%s' cannot be a server name", name ? name : "");
  rl_tlsstream *t = rl_tlsstream_new(lower, tls);
  if (!t) {
    rl_tls_free(tls);
    return luaL_error(L, "not enough memory");
  }
  rl_stream_ref(lower);
  box->stream = &t->s;
  rl_tlsstream_handshake(t, rl_current(L));
  return rl_await(L, &t->handshake, shaken, 0);
}

// Methods

static int tls_alpn(lua_State *L) {
  const char *name;
  size_t n = rl_tls_alpn(check_tls(L)->tls, &name);
  if (n == 0) return 0;
  lua_pushlstring(L, name, n);
  return 1;
}

static void set(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

static int tls_info(lua_State *L) {
  const rl_tls *t = check_tls(L)->tls;
  char subject[512];
  const char *alpn;
  size_t n = rl_tls_alpn(t, &alpn);
  lua_createtable(L, 0, 6);
  set(L, "version", rl_tls_version(t));
  set(L, "cipher", rl_tls_cipher(t));
  if (rl_tls_server_name(t)) set(L, "server_name", rl_tls_server_name(t));
  if (rl_tls_peer_subject(t, subject, sizeof subject)) set(L, "peer_subject", subject);
  lua_pushboolean(L, rl_tls_resumed(t));
  lua_setfield(L, -2, "resumed");
  lua_pushlstring(L, alpn ? alpn : "", n);
  if (n) {
    lua_setfield(L, -2, "alpn");
  } else {
    lua_pop(L, 1);
  }
  return 1;
}

// What the stream below knows better.
static int below(lua_State *L, const char *method) {
  check_tls(L);
  int args = lua_gettop(L);
  lua_getiuservalue(L, 1, 1);
  lua_getfield(L, -1, method);
  if (lua_isnil(L, -1)) return luaL_error(L, "the stream under TLS has no method '%s'", method);
  lua_rotate(L, -2, 1);
  for (int i = 2; i <= args; i++) lua_pushvalue(L, i);
  lua_call(L, args, LUA_MULTRET);
  return lua_gettop(L) - args;
}

static int tls_peer(lua_State *L) { return below(L, "peer"); }
static int tls_address(lua_State *L) { return below(L, "address"); }

static int tls_set(lua_State *L) {
  below(L, "set");
  lua_settop(L, 1);
  return 1;
}

static int context_gc(lua_State *L) {
  context *box = lua_touserdata(L, 1);
  if (box->c) rl_tls_context_unref(box->c);
  box->c = NULL;
  return 0;
}

static const luaL_Reg tls_methods[] = {
    RL_STREAM_METHODS,        {"alpn", tls_alpn}, {"info", tls_info}, {"peer", tls_peer},
    {"address", tls_address}, {"set", tls_set},   {NULL, NULL}};

static const luaL_Reg context_methods[] = {{"__gc", context_gc}, {NULL, NULL}};

static const rl_class tls_class = {"rille.TlsStream", sizeof(rl_stream_box), tls_methods};
static const rl_class context_class = {"rille.TlsContext", sizeof(context), context_methods};

static const luaL_Reg functions[] = {{"context", tls_context}, {"wrap", tls_wrap}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_rille_native_tls(lua_State *L) {
  rl_class_open(L, &tls_class);
  rl_class_open(L, &context_class);
  luaL_newlib(L, functions);
  return 1;
}
