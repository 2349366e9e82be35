// A handler's answer, laid open and checked.
#include "lua/bind/http_answer.h"

#include "runtime/wire/http1.h"

#include <string.h>

bool rl_http_answer_bodiless(int status) { return status == 204 || status == 304; }

static int read_error(lua_State *L) {
  lua_getfield(L, 1, "status");
  lua_getfield(L, 1, "message");
  return 2;
}

int rl_http_asked_status(lua_State *L, int index) {
  int top = lua_gettop(L);
  index = lua_absindex(L, index);
  lua_Integer status = 0;
  if (lua_istable(L, index)) {
    lua_pushcfunction(L, read_error);
    lua_pushvalue(L, index);
    if (lua_pcall(L, 1, 2, 0) != LUA_OK) lua_settop(L, top);
    status = lua_tointeger(L, top + 1);
  }
  lua_settop(L, top + 2);
  if (lua_type(L, -1) != LUA_TSTRING) lua_pushnil(L);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return status >= 400 && status < 500 ? (int)status : 0;
}

static bool is(const char *name, size_t len, const char *lower) {
  return len == strlen(lower) && rl_http1_same(name, len, lower);
}

// Fields that the protocol's side writes itself.
static bool is_framing(const char *name, size_t len) {
  return is(name, len, "content-length") || is(name, len, "connection") ||
         is(name, len, "transfer-encoding") || is(name, len, "keep-alive");
}

static void check_length(lua_State *L, rl_http_answer *a, const char *value) {
  int is_integer;
  lua_pushstring(L, value);
  a->length = lua_tointegerx(L, -1, &is_integer);
  lua_pop(L, 1);
  if (!is_integer || a->length < 0 || strspn(value, "0123456789") != strlen(value))
    luaL_error(L, "response: Content-Length '%s' is no length", value);
  a->has_length = true;
}

static void check_field(lua_State *L, rl_http_answer *a, const char *name, size_t name_len,
                        int index) {
  size_t len;
  if (lua_type(L, index) != LUA_TSTRING && lua_type(L, index) != LUA_TNUMBER)
    luaL_error(L, "response: header '%s' must be a string, got %s", name, luaL_typename(L, index));
  const char *value = lua_tolstring(L, index, &len);
  if (!rl_http1_is_value(value, len))
    luaL_error(L, "response: header '%s' holds a control character", name);
  if (is(name, name_len, "content-length")) {
    check_length(L, a, value);
  } else if (is(name, name_len, "connection")) {
    a->close = rl_http1_list_has(value, len, "close");
  } else if (is(name, name_len, "transfer-encoding")) {
    luaL_error(L, "response: Transfer-Encoding is the server's to choose");
  } else if (is(name, name_len, "content-type")) {
    a->has_type = true;
  } else if (is(name, name_len, "date")) {
    a->has_date = true;
  }
}

// Numbers become strings first: converting them while the table is walked would confuse lua_next
// only for keys.
static void check_headers(lua_State *L, rl_http_answer *a) {
  for (lua_pushnil(L); lua_next(L, a->headers); lua_pop(L, 1)) {
    size_t len;
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "response: header names are strings, got %s", luaL_typename(L, -2));
    const char *name = lua_tolstring(L, -2, &len);
    if (!rl_http1_is_token(name, len)) luaL_error(L, "response: '%s' is no header name", name);
    int value = lua_gettop(L);
    if (!lua_istable(L, value)) {
      check_field(L, a, name, len, value);
      continue;
    }
    if (is(name, len, "content-length")) luaL_error(L, "response: one Content-Length, not a list");
    for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, value); i <= n; i++) {
      lua_rawgeti(L, value, i);
      check_field(L, a, name, len, lua_gettop(L));
      lua_pop(L, 1);
    }
  }
}

void rl_http_answer_each(lua_State *L, const rl_http_answer *a, rl_http_each_field each, void *ud) {
  if (!a->headers) return;
  for (lua_pushnil(L); lua_next(L, a->headers); lua_pop(L, 1)) {
    size_t len, value_len;
    const char *name = lua_tolstring(L, -2, &len);
    if (is_framing(name, len)) continue;
    if (!lua_istable(L, -1)) {
      const char *value = lua_tolstring(L, -1, &value_len);
      each(ud, name, len, value, value_len);
      continue;
    }
    for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, -1); i <= n; i++) {
      lua_rawgeti(L, -1, i);
      const char *value = lua_tolstring(L, -1, &value_len);
      each(ud, name, len, value, value_len);
      lua_pop(L, 1);
    }
  }
}

static void open_body(lua_State *L, rl_http_answer *a, int index) {
  a->body = index;
  switch (lua_type(L, index)) {
    case LUA_TNIL: return;
    case LUA_TSTRING:
    case LUA_TNUMBER:
      a->kind = RL_ANSWER_STRING;
      a->text = lua_tolstring(L, index, &a->text_len);
      return;
    case LUA_TFUNCTION: a->kind = RL_ANSWER_FUNCTION; return;
    case LUA_TTABLE:
    case LUA_TUSERDATA:
      if (lua_getfield(L, index, "read") == LUA_TFUNCTION) {
        lua_pop(L, 1);
        a->kind = RL_ANSWER_STREAM;
        return;
      }
      break;
  }
  luaL_error(L, "response: the body must be a string, an iterator or a stream, got %s",
             luaL_typename(L, index));
}

static void check_keys(lua_State *L, int index) {
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(key, "status") != 0 && strcmp(key, "headers") != 0 && strcmp(key, "body") != 0) {
      luaL_error(L, "response: unknown field '%s' (status, headers and body are known)",
                 luaL_tolstring(L, -2, NULL));
    }
  }
}

static void open_table(lua_State *L, int index, rl_http_answer *a) {
  check_keys(L, index);
  if (lua_getfield(L, index, "status") != LUA_TNIL) {
    int is_integer;
    lua_Integer status = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || status < 200 || status > 999) {
      luaL_error(L, "response: status must be an integer from 200 to 999, got %s",
                 luaL_tolstring(L, -1, NULL));
    }
    a->status = (int)status;
  }
  lua_pop(L, 1);
  int type = lua_getfield(L, index, "headers");
  if (type == LUA_TTABLE) {
    a->headers = lua_gettop(L);
    check_headers(L, a);
  } else if (type != LUA_TNIL) {
    luaL_error(L, "response: headers must be a table, got %s", luaL_typename(L, -1));
  }
  lua_getfield(L, index, "body");
  open_body(L, a, lua_gettop(L));
  if (a->kind == RL_ANSWER_STRING && a->has_length && (size_t)a->length != a->text_len) {
    luaL_error(L, "response: Content-Length is %I, but the body has %I bytes", a->length,
               (lua_Integer)a->text_len);
  }
}

void rl_http_answer_open(lua_State *L, int index, rl_http_answer *a) {
  *a = (rl_http_answer){.status = 200};
  luaL_checkstack(L, 12, "response");
  switch (lua_type(L, index)) {
    case LUA_TTABLE: open_table(L, index, a); return;
    case LUA_TSTRING:
    case LUA_TNUMBER: open_body(L, a, index); return;
    case LUA_TNIL: luaL_error(L, "the handler returned no response");
  }
  luaL_error(L, "a response is a string or a table, got %s", luaL_typename(L, index));
}
