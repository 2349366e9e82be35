// A request as a handler sees it: fields are made on demand.
#include "lua/bind/http_request.h"

#include "lua/bind/error.h"
#include "lua/bind/http_fields.h"
#include "lua/bind/stream.h"

#include <string.h>

static const luaL_Reg body_methods[] = {RL_STREAM_METHODS, {NULL, NULL}};
static const rl_class body_class = {"rille.http.Body", sizeof(rl_stream_box), body_methods};

typedef enum {
  METHOD,
  TARGET,
  PATH,
  RAW_PATH,
  QUERY,
  QUERY_STRING,
  HEADERS,
  BODY,
  COOKIES,
  PEER,
  HOST,
  VERSION,
  SCHEME
} field;

static const struct {
  const char *name;
  field field;
} names[] = {
    {"method", METHOD},     {"target", TARGET}, {"path", PATH},
    {"raw_path", RAW_PATH}, {"query", QUERY},   {"query_string", QUERY_STRING},
    {"headers", HEADERS},   {"body", BODY},     {"cookies", COOKIES},
    {"peer", PEER},         {"host", HOST},     {"version", VERSION},
    {"scheme", SCHEME},
};

static const char *method_of(const rl_http_request *r) {
  return rl_http_request_head(r) + r->method;
}

static const char *target_of(const rl_http_request *r) {
  return rl_http_request_head(r) + r->target;
}

enum { KEPT = 4 };  // what is usual: headers, params, body, its text

// The table of what was made so far, and of what a handler has put there.
static void push_kept(lua_State *L) {
  if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_createtable(L, 0, KEPT);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, 1);
}

static bool is_absolute(const rl_http_request *r) {
  char first = *target_of(r);
  return first != '/' && first != '*';
}

static void push_host(lua_State *L, const rl_http_request *r) {
  const char *t = target_of(r), *end = t + r->target_len, *mark = memchr(t, ':', r->target_len);
  if (is_absolute(r) && mark && end - mark > 3) {
    const char *host = mark + 3, *p = host;
    while (p < end && *p != '/' && *p != '?') p++;
    lua_pushlstring(L, host, (size_t)(p - host));
  } else if (r->host >= 0) {
    const rl_http1_field *f = &r->fields[r->host];
    lua_pushlstring(L, rl_http_request_head(r) + f->value, f->value_len);
  } else {
    lua_pushnil(L);
  }
}

static void push_headers(lua_State *L, const rl_http_request *r) {
  const char *head = rl_http_request_head(r);
  lua_createtable(L, 0, r->field_count);
  for (int i = 0; i < r->field_count; i++) {
    const rl_http1_field *f = &r->fields[i];
    rl_http_push_lower(L, head + f->name, f->name_len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushlstring(L, head + f->value, f->value_len);
    } else {
      bool cookie = rl_http1_same(head + f->name, f->name_len, "cookie");
      lua_pushstring(L, cookie ? "; " : ", ");
      lua_pushlstring(L, head + f->value, f->value_len);
      lua_concat(L, 3);
    }
    lua_rawset(L, -3);
  }
  if (is_absolute(r)) {  // whose host stands in place of the field's (RFC 9112, 3.2.2)
    push_host(L, r);
    lua_setfield(L, -2, "host");
  }
  rl_http_seal_fields(L);
}

static int refuse(lua_State *L, int status, const char *what) {
  rl_push_error(L, "EINVAL", "%s", what);
  lua_pushinteger(L, status);
  lua_setfield(L, -2, "status");
  return lua_error(L);
}

static int push_query(lua_State *L, const rl_http_request *r) {
  const char *t = target_of(r);
  size_t from = r->path_len < r->target_len ? r->path_len + 1u : r->path_len;
  if (!rl_http_push_pairs(L, t + from, r->target_len - from, RL_HTTP_PAIRS_MAX))
    return refuse(L, 400, "the query has a bad escape or too many names");
  return 1;
}

static void add_cookie(lua_State *L, const char *s, const char *end) {
  while (s < end && (*s == ' ' || *s == '\t')) s++;
  while (end > s && (end[-1] == ' ' || end[-1] == '\t')) end--;
  const char *eq = memchr(s, '=', (size_t)(end - s));
  if (!eq || eq == s) return;
  lua_pushlstring(L, s, (size_t)(eq - s));
  lua_pushvalue(L, -1);
  bool known = lua_rawget(L, -3) != LUA_TNIL;
  lua_pop(L, 1);
  const char *value = eq + 1;
  if (end - value >= 2 && *value == '"' && end[-1] == '"') value++, end--;
  lua_pushlstring(L, value, (size_t)(end - value));
  if (known) {
    lua_pop(L, 2);
  } else {
    lua_rawset(L, -3);
  }
}

static void push_cookies(lua_State *L, const rl_http_request *r) {
  const char *head = rl_http_request_head(r);
  lua_newtable(L);
  for (int i = 0; i < r->field_count; i++) {
    const rl_http1_field *f = &r->fields[i];
    if (f->name_len != 6 || !rl_http1_same(head + f->name, 6, "cookie")) continue;
    const char *s = head + f->value, *end = s + f->value_len;
    while (s < end) {
      const char *semi = memchr(s, ';', (size_t)(end - s)), *stop = semi ? semi : end;
      add_cookie(L, s, stop);
      s = stop + 1;
    }
  }
}

static rl_http_owner *check_owner(lua_State *L, const rl_http_request *r) {
  if (!r->owner) rl_raise(L, "CLOSED", "the request has been answered");
  return r->owner;
}

static void push_body(lua_State *L, const rl_http_request *r) {
  rl_http_owner *owner = check_owner(L, r);
  rl_stream_box *box = rl_object_new(L, &body_class, 0);
  box->stream = owner->kind->body(owner);
  if (!box->stream) luaL_error(L, "not enough memory");
}

static void push_peer(lua_State *L, const rl_http_request *r) {
  rl_http_owner *owner = check_owner(L, r);
  char text[256] = "";
  rl_stream *s = owner->kind->stream(owner);
  if (s->kind->describe) s->kind->describe(s, text, sizeof text);
  lua_pushstring(L, text);
}

// The path without a scheme and host in front.
static const char *path_of(const rl_http_request *r, size_t *len) {
  const char *t = target_of(r), *p = t, *end = t + r->path_len;
  if (*t != '/' && *t != '*') {
    const char *mark = memchr(t, ':', r->path_len);
    p = mark && end - mark > 3 ? mark + 3 : end;
    while (p < end && *p != '/') p++;
  }
  *len = (size_t)(end - p);
  if (*len) return p;
  *len = 1;
  return "/";
}

static int push_path(lua_State *L, const rl_http_request *r) {
  size_t len;
  const char *p = path_of(r, &len);
  if (!rl_http_push_decoded(L, p, len, true)) return refuse(L, 400, "the path has a bad escape");
  return 1;
}

// Fields that are made once, and kept under their name.
static int push_made_once(lua_State *L, rl_http_request *r, field field) {
  push_kept(L);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) != LUA_TNIL) return 1;
  lua_pop(L, 1);
  switch (field) {
    case QUERY: push_query(L, r); break;
    case HEADERS: push_headers(L, r); break;
    case BODY: push_body(L, r); break;
    case COOKIES: push_cookies(L, r); break;
    default: push_peer(L, r); break;
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, -4);
  return 1;
}

static int push_field(lua_State *L, rl_http_request *r, field field) {
  size_t len;
  const char *t = target_of(r);
  switch (field) {
    case METHOD: lua_pushlstring(L, method_of(r), r->method_len); return 1;
    case TARGET: lua_pushlstring(L, t, r->target_len); return 1;
    case PATH: return push_path(L, r);
    case RAW_PATH:
      t = path_of(r, &len);
      lua_pushlstring(L, t, len);
      return 1;
    case QUERY_STRING:
      if (r->path_len == r->target_len) return 0;
      lua_pushlstring(L, t + r->path_len + 1, r->target_len - r->path_len - 1u);
      return 1;
    case HOST: push_host(L, r); return 1;
    case VERSION:
      lua_pushstring(L, r->version == 20 ? "2" : r->version == 11 ? "1.1" : "1.0");
      return 1;
    case SCHEME: {
      rl_http_owner *owner = check_owner(L, r);
      lua_pushstring(L,
                     strcmp(owner->kind->stream(owner)->kind->name, "tls") == 0 ? "https" : "http");
      return 1;
    }
    default: return push_made_once(L, r, field);
  }
}

// Upvalue 1: name -> number of a field, or a method.
static int request_index(lua_State *L) {
  rl_http_request *r = rl_check_object(L, 1, &rl_http_request_class);
  lua_pushvalue(L, 2);
  switch (lua_rawget(L, lua_upvalueindex(1))) {
    case LUA_TNUMBER: return push_field(L, r, (field)lua_tointeger(L, -1));
    case LUA_TNIL:
      if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) return 0;
      lua_pushvalue(L, 2);
      lua_rawget(L, -2);
      return 1;
    default: return 1;
  }
}

static int request_newindex(lua_State *L) {
  rl_check_object(L, 1, &rl_http_request_class);
  push_kept(L);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
    return luaL_error(L, "request.%s cannot be set", luaL_tolstring(L, 2, NULL));
  lua_pop(L, 1);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_rawset(L, -3);
  return 0;
}

static int request_tostring(lua_State *L) {
  rl_http_request *r = rl_check_object(L, 1, &rl_http_request_class);
  lua_pushlstring(L, method_of(r), r->method_len);
  lua_pushliteral(L, " ");
  lua_pushlstring(L, target_of(r), r->target_len);
  lua_concat(L, 3);
  return 1;
}

static const luaL_Reg methods[] = {{"__tostring", request_tostring}, {NULL, NULL}};

const rl_class rl_http_request_class = {"rille.http.Request", sizeof(rl_http_request), methods};

void rl_http_request_open(lua_State *L) {
  rl_class_open(L, &body_class);
  rl_class_open(L, &rl_http_request_class);
  luaL_getmetatable(L, rl_http_request_class.name);
  if (lua_getfield(L, -1, "methods") == LUA_TTABLE) {
    lua_pop(L, 1);
    return;
  }
  lua_pop(L, 1);
  lua_newtable(L);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    lua_pushinteger(L, names[i].field);
    lua_setfield(L, -2, names[i].name);
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, request_index, 1);
  lua_setfield(L, -3, "__index");
  lua_pushcclosure(L, request_newindex, 1);
  lua_setfield(L, -2, "__newindex");
}

rl_http_request *rl_http_request_new(lua_State *L, int metatable, rl_http_owner *owner,
                                     const char *bytes, size_t size, const rl_http1_head *head,
                                     const rl_http1_field *fields) {
  size_t table = head->field_count * sizeof *fields;
  // Of HTTP/1, the copy begins at the method: offsets move by as much. In HTTP/2, fields come in
  // any order.
  uint16_t skip = owner->kind->version == 20 ? 0 : head->method;
  rl_http_request *r = lua_newuserdatauv(L, sizeof *r + table + size - skip, 1);
  *r = (rl_http_request){.box = {&rl_http_request_class}, .owner = owner, .host = head->host};
  r->head_len = (uint32_t)(size - skip);
  r->method = (uint16_t)(head->method - skip);
  r->method_len = head->method_len;
  r->target = (uint16_t)(head->target - skip);
  r->target_len = head->target_len;
  r->field_count = head->field_count;
  r->version = (uint8_t)(owner->kind->version == 20 ? 20 : 10 + head->minor);
  memcpy(r->fields, fields, table);
  for (int i = 0; skip && i < r->field_count; i++) {
    r->fields[i].name = (uint16_t)(r->fields[i].name - skip);
    r->fields[i].value = (uint16_t)(r->fields[i].value - skip);
  }
  memcpy((char *)&r->fields[r->field_count], bytes + skip, size - skip);
  const char *target = target_of(r), *mark = memchr(target, '?', r->target_len);
  r->path_len = (uint16_t)(mark ? mark - target : r->target_len);
  lua_pushvalue(L, metatable);
  lua_setmetatable(L, -2);
  return r;
}
