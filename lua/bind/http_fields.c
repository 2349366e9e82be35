// Header fields as Lua tables.
#include "lua/bind/http_fields.h"

#include <stdbool.h>
#include <string.h>

void rl_http_push_lower(lua_State *L, const char *s, size_t len) {
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, len);
  for (size_t i = 0; i < len; i++) out[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] | 0x20) : s[i];
  luaL_pushresultsize(&b, len);
}

static bool is_lower(const char *s, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (s[i] >= 'A' && s[i] <= 'Z') return false;
  }
  return true;
}

// fields[name] in any case. In lower case it would have been found.
static int fields_index(lua_State *L) {
  size_t len;
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tolstring(L, 2, &len);
  if (is_lower(name, len)) return 0;
  rl_http_push_lower(L, name, len);
  lua_rawget(L, 1);
  return 1;
}

void rl_http_seal_fields(lua_State *L) {
  if (luaL_newmetatable(L, "rille.http.Headers")) {
    lua_pushcfunction(L, fields_index);
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void push_trimmed(lua_State *L, const char *s, const char *end) {
  while (s < end && is_blank(*s)) s++;
  while (end > s && is_blank(end[-1])) end--;
  lua_pushlstring(L, s, (size_t)(end - s));
}

// The list of a name's values is made for its second one, and for a cookie's first.
static void add_field(lua_State *L, int fields, int lists) {  // name, value: popped
  bool cookie = strcmp(lua_tostring(L, -2), "set-cookie") == 0;
  lua_pushvalue(L, -2);
  bool first = lua_rawget(L, fields) == LUA_TNIL;
  if (!first || cookie) {
    lua_pushvalue(L, -3);
    if (lua_rawget(L, lists) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_newtable(L);
      if (!first) {
        lua_pushvalue(L, -2);
        lua_rawseti(L, -2, 1);
      }
      lua_pushvalue(L, -4);
      lua_pushvalue(L, -2);
      lua_rawset(L, lists);
    }
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  lua_rawset(L, fields);
}

static void push_joined(lua_State *L) {  // the list at the top, replaced
  luaL_Buffer b;
  int list = lua_gettop(L);
  luaL_buffinit(L, &b);
  for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, list); i <= n; i++) {
    if (i > 1) luaL_addlstring(&b, ", ", 2);
    lua_rawgeti(L, list, i);
    luaL_addvalue(&b);
  }
  luaL_pushresult(&b);
  lua_replace(L, list);
}

void rl_http_push_fields(lua_State *L, const char *head, size_t len) {
  const char *end = head + len, *line = memchr(head, '\n', len);
  luaL_checkstack(L, 12, "fields");
  lua_createtable(L, 0, 8);
  lua_newtable(L);
  int fields = lua_gettop(L) - 1, lists = fields + 1;
  while (line && ++line < end) {
    const char *next = memchr(line, '\n', (size_t)(end - line)), *stop = next ? next : end;
    const char *colon = memchr(line, ':', (size_t)(stop - line));
    if (colon && colon > line) {
      rl_http_push_lower(L, line, (size_t)(colon - line));
      push_trimmed(L, colon + 1, stop);
      add_field(L, fields, lists);
    }
    line = next;
  }
  for (lua_pushnil(L); lua_next(L, lists);) {
    push_joined(L);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, fields);
  }
  if (lua_getfield(L, lists, "set-cookie") == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  lua_replace(L, lists);
  lua_pushvalue(L, fields);
  rl_http_seal_fields(L);
  lua_pop(L, 1);
}
