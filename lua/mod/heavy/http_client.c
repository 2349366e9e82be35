// rille.native.http_client: transfers of libcurl as Lua sees them. stdlib/http/client.lua says what
// they are told.
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/http_fields.h"
#include "lua/bind/permit.h"
#include "lua/bind/stream.h"
#include "runtime/io/heavy/curlmulti.h"

#include <string.h>
#include <strings.h>

typedef struct client {
  rl_box box;
  rl_curl curl;
  bool open;
} client;

typedef struct jar {
  rl_box box;
  CURLSH *share;
} jar;

static int client_gc(lua_State *L);
static const luaL_Reg client_methods[] = {{"__gc", client_gc}, {NULL, NULL}};
static const rl_class client_class = {"rille.http.native.Client", sizeof(client), client_methods};

static int jar_gc(lua_State *L);
static const luaL_Reg jar_methods[] = {{"__gc", jar_gc}, {NULL, NULL}};
static const rl_class jar_class = {"rille.http.native.Jar", sizeof(jar), jar_methods};

static int transfer_head(lua_State *L);
static int transfer_feed(lua_State *L);
static int transfer_failure(lua_State *L);
static int transfer_abort(lua_State *L);
static const luaL_Reg transfer_methods[] = {
    RL_STREAM_METHODS,         {"head", transfer_head},
    {"feed", transfer_feed},   {"failure", transfer_failure},
    {"abort", transfer_abort}, {NULL, NULL},
};
static const rl_class transfer_class = {"rille.http.Answer", sizeof(rl_stream_box),
                                        transfer_methods};

static rl_transfer *check_transfer(lua_State *L) {
  rl_stream_box *box = rl_check_object(L, 1, &transfer_class);
  luaL_argcheck(L, box->stream, 1, "was never started");
  return (rl_transfer *)box->stream;
}

// What is told to libcurl.

static void set_string(lua_State *L, CURL *easy, CURLoption option, const char *name) {
  size_t len;
  const char *value = rl_option_string(L, 2, name, &len, NULL);
  if (value && strlen(value) != len) luaL_error(L, "option '%s' holds a NUL", name);
  if (value) curl_easy_setopt(easy, option, value);
}

// libcurl opens its files when it needs them: under permissions it gets what is in them instead.
static void set_file(lua_State *L, CURL *easy, CURLoption option, CURLoption blob_option,
                     const char *name) {
  size_t len;
  const char *path = rl_option_string(L, 2, name, &len, NULL);
  if (!path) return;
  if (strlen(path) != len) luaL_error(L, "option '%s' holds a NUL", name);
  if (!rl_permit_of(L)) {
    curl_easy_setopt(easy, option, path);
    return;
  }
  struct curl_blob blob = {.flags = CURL_BLOB_COPY};
  blob.data = (void *)rl_demand_text(L, "fetch", path, &blob.len);
  curl_easy_setopt(easy, blob_option, &blob);
  lua_pop(L, 1);
}

static void set_milliseconds(lua_State *L, CURL *easy, CURLoption option, const char *name) {
  uint64_t ns = rl_option_seconds(L, 2, name, RL_NEVER);
  if (ns != RL_NEVER) curl_easy_setopt(easy, option, (long)(ns / 1000000 + 1));
}

static void set_fields(lua_State *L, rl_transfer *t) {
  if (lua_getfield(L, 2, "fields") == LUA_TTABLE) {
    for (lua_Integer i = 1, n = luaL_len(L, -1); i <= n; i++) {
      lua_rawgeti(L, -1, i);
      struct curl_slist *longer = curl_slist_append(t->fields, luaL_checkstring(L, -1));
      if (!longer) luaL_error(L, "not enough memory");
      t->fields = longer;
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
}

static void set_body(lua_State *L, rl_transfer *t) {
  size_t len;
  const char *body = rl_option_string(L, 2, "body", &len, NULL);
  t->streamed = rl_option_bool(L, 2, "streamed", false);
  t->once = rl_option_bool(L, 2, "once", false);
  const char *method = rl_option_string(L, 2, "method", NULL, "GET");
  if (body || t->streamed) {
    curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
    lua_Integer size = rl_option_integer(L, 2, "size", 0, LUA_MAXINTEGER, -1);
    curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, body ? (curl_off_t)len : (curl_off_t)size);
    if (body && !rl_buf_put(&t->out, body, len)) luaL_error(L, "not enough memory");
  }
  if (strcmp(method, "HEAD") == 0) curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
  curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, strcmp(method, "HEAD") == 0 ? NULL : method);
}

static void set_tls(lua_State *L, CURL *easy) {
  bool verify = rl_option_bool(L, 2, "verify", true);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  set_file(L, easy, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB, "ca_file");
  size_t len;
  const char *ca = rl_option_string(L, 2, "ca", &len, NULL);
  struct curl_blob blob = {.data = (void *)ca, .len = len, .flags = CURL_BLOB_COPY};
  if (ca) curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
  set_file(L, easy, CURLOPT_SSLCERT, CURLOPT_SSLCERT_BLOB, "cert");
  set_file(L, easy, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB, "key");
}

static void set_version(lua_State *L, CURL *easy) {
  const char *version = rl_option_string(L, 2, "version", NULL, "auto");
  long value = strcmp(version, "1.1") == 0       ? CURL_HTTP_VERSION_1_1
               : strcmp(version, "2") == 0       ? CURL_HTTP_VERSION_2
               : strcmp(version, "2-prior") == 0 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                                                 : CURL_HTTP_VERSION_2TLS;
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, value);
  if (value == CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE) {  // libcurl 7.88 fails when it uses such a
                                                       // connection again
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  }
}

static void set_all(lua_State *L, rl_transfer *t) {
  CURL *easy = t->easy;
  set_string(L, easy, CURLOPT_URL, "url");
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set_body(L, t);
  set_fields(L, t);
  set_tls(L, easy);
  set_version(L, easy);
  set_milliseconds(L, easy, CURLOPT_TIMEOUT_MS, "timeout");
  set_milliseconds(L, easy, CURLOPT_CONNECTTIMEOUT_MS, "connect_timeout");
  set_string(L, easy, CURLOPT_PROXY, "proxy");
  set_string(L, easy, CURLOPT_UNIX_SOCKET_PATH, "unix_path");
  if (rl_option_bool(L, 2, "decompress", true)) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                   (long)rl_option_integer(L, 2, "idle_timeout", 1, 86400, 60));
  t->limit = (uint64_t)rl_option_integer(L, 2, "limit", 0, LUA_MAXINTEGER, LUA_MAXINTEGER);
  if (lua_getfield(L, 2, "jar") != LUA_TNIL) {
    jar *j = rl_check_object(L, -1, &jar_class);
    curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
    curl_easy_setopt(easy, CURLOPT_SHARE, j->share);
  }
  lua_pop(L, 1);
}

static int permit(lua_State *L, rl_transfer *t) {
  const char *url = rl_option_string(L, 2, "url", NULL, "");
  const char *proxy = rl_option_string(L, 2, "proxy", NULL, NULL);
  return rl_transfer_permit(t, url, proxy, rl_option_string(L, 2, "unix_path", NULL, NULL));
}

static int raise_denied(lua_State *L, rl_transfer *t) {
  char *url = NULL;
  curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
  return rl_raise_denied(L, "fetch", "address", url && *url ? url : NULL, t->why);
}

// start(client, options): a transfer under way. The client, and the cookies it uses, stay alive as
// long as it does.
static int client_start(lua_State *L) {
  client *c = rl_check_object(L, 1, &client_class);
  luaL_checktype(L, 2, LUA_TTABLE);
  rl_stream_box *box = lua_newuserdatauv(L, sizeof *box, 2);
  memset(box, 0, sizeof *box);
  box->box.class = &transfer_class;
  rl_class_open(L, &transfer_class);
  luaL_setmetatable(L, transfer_class.name);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  lua_getfield(L, 2, "jar");
  lua_setiuservalue(L, -2, 2);
  rl_transfer *t = rl_transfer_new(&c->curl);
  if (!t) return luaL_error(L, "not enough memory");
  box->stream = &t->s;
  set_all(L, t);
  int err = rl_permit_of(L) ? permit(L, t) : 0;
  if (err == RL_DENIED)
    return rl_raise_denied(L, "fetch", "address", rl_option_string(L, 2, "url", NULL, NULL),
                           t->why);
  if (err == 0) err = rl_transfer_start(t);
  return err < 0 ? rl_raise_sys(L, err, "fetch", NULL, NULL) : 1;
}

// The head of the answer.

static const char *code_of(const rl_transfer *t, long os) {
  if (t->twice) return "ECONNRESET";
  switch (t->result) {
    case CURLE_OPERATION_TIMEDOUT: return "TIMEOUT";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return "EAI_NONAME";
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return "EINVAL";
    case CURLE_COULDNT_CONNECT:
      return os ? uv_err_name(uv_translate_sys_error((int)os)) : "ECONNREFUSED";
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_PARTIAL_FILE: return "ECONNRESET";
    default: return "EPROTO";
  }
}

static int raise_failure(lua_State *L, rl_transfer *t) {
  long os = 0;
  if (t->over_limit) return rl_raise_op(L, "LIMIT", "fetch", "the answer is larger than the limit");
  if (t->denied) return raise_denied(L, t);
  curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os);
  const char *text = t->result == CURLE_SEND_FAIL_REWIND || t->twice
                         ? "the connection was lost, and the request may have been acted on"
                     : *t->error ? t->error
                                 : curl_easy_strerror(t->result);
  return rl_raise_op(L, code_of(t, os), "fetch", text);
}

static int headed(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_transfer *t = check_transfer(L);
  rl_awaited(L, &t->head);
  if (t->done && (t->result != CURLE_OK || t->over_limit)) return raise_failure(L, t);
  long code = 0, version = 0;
  char *url = NULL;
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &code);
  curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
  curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
  lua_pushinteger(L, code);
  rl_http_push_fields(L, rl_buf_head(&t->lines), rl_buf_len(&t->lines));
  lua_pushstring(L, url);
  lua_pushstring(L, version == CURL_HTTP_VERSION_2_0   ? "2"
                    : version == CURL_HTTP_VERSION_1_0 ? "1.0"
                                                       : "1.1");
  return 5;
}

// head(transfer): status, fields, cookies, url, version. Waits.
static int transfer_head(lua_State *L) {
  rl_transfer *t = check_transfer(L);
  lua_settop(L, 1);
  rl_checkpoint(L);
  rl_transfer_wait_head(t, rl_current(L));
  return rl_await(L, &t->head, headed, 0);
}

// failure(transfer): raises what went wrong with it, if anything.
static int transfer_failure(lua_State *L) {
  rl_transfer *t = check_transfer(L);
  return t->done && (t->result != CURLE_OK || t->over_limit) ? raise_failure(L, t) : 0;
}

// abort(transfer): ends it as one that was lost. False: it was over.
static int transfer_abort(lua_State *L) {
  lua_pushboolean(L, rl_transfer_abort(check_transfer(L)));
  return 1;
}

static int fed(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_transfer *t = check_transfer(L);
  rl_awaited(L, &t->room);
  lua_pushboolean(L, !t->done);
  return 1;
}

// feed(transfer, data): more of the request's body; nil ends it. False: it is not wanted any more.
// Waits for room.
static int transfer_feed(lua_State *L) {
  rl_transfer *t = check_transfer(L);
  size_t len = 0;
  const char *data = luaL_optlstring(L, 2, "", &len);
  rl_checkpoint(L);
  if (!rl_transfer_feed(t, data, len, lua_isnoneornil(L, 2)))
    return luaL_error(L, "not enough memory");
  rl_transfer_wait_room(t, rl_current(L));
  return rl_await(L, &t->room, fed, 0);
}

// Life.

static int client_new(lua_State *L) {
  client *c = rl_object_new(L, &client_class, 0);
  if (rl_curl_init(&c->curl, &rl_state_of(L)->loop) < 0) return luaL_error(L, "not enough memory");
  c->open = true;
  return 1;
}

static int client_gc(lua_State *L) {
  client *c = rl_check_object(L, 1, &client_class);
  if (c->open) rl_curl_fini(&c->curl);
  c->open = false;
  return 0;
}

static int jar_new(lua_State *L) {
  jar *j = rl_object_new(L, &jar_class, 0);
  j->share = curl_share_init();
  if (!j->share) return luaL_error(L, "not enough memory");
  curl_share_setopt(j->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
  return 1;
}

static int jar_gc(lua_State *L) {
  jar *j = rl_check_object(L, 1, &jar_class);
  if (j->share) curl_share_cleanup(j->share);
  j->share = NULL;
  return 0;
}

// join(base, location): the URL that a location means there, its scheme, and its scheme, host and
// port; nil if it is none.
static int url_join(lua_State *L) {
  const char *base = luaL_checkstring(L, 1), *location = luaL_checkstring(L, 2);
  CURLU *u = curl_url();
  char *url = NULL, *scheme = NULL, *host = NULL, *port = NULL;
  bool sound = u && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
               curl_url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK &&
               curl_url_get(u, CURLUPART_URL, &url, 0) == CURLUE_OK &&
               curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
  if (sound) {
    curl_url_get(u, CURLUPART_HOST, &host, 0);
    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    lua_pushstring(L, url);
    lua_pushstring(L, scheme);
    lua_pushfstring(L, "%s://%s:%s", scheme, host ? host : "", port ? port : "");
  }
  curl_free(url);
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  curl_url_cleanup(u);
  return sound ? 3 : 0;
}

// look_at(url): whether it holds no control character or space, and whether it is http or https.
static int url_look_at(lua_State *L) {
  size_t len;
  const char *url = luaL_checklstring(L, 1, &len);
  bool sound = true;
  for (size_t i = 0; i < len; i++) sound &= (unsigned char)url[i] > ' ' && url[i] != 0x7f;
  lua_pushboolean(L, sound);
  lua_pushboolean(L, strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0);
  return 2;
}

static const luaL_Reg functions[] = {{"client", client_new}, {"look_at", url_look_at},
                                     {"jar", jar_new},       {"start", client_start},
                                     {"join", url_join},     {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_rille_native_http_client(lua_State *L);
int luaopen_rille_native_http_client(lua_State *L) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  luaL_newlib(L, functions);
  return 1;
}
