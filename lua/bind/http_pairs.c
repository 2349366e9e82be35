// Escapes, queries and cookies of HTTP as Lua strings and tables.
#include "lua/bind/http_request.h"

#include <string.h>

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Decodes into `out`, which has room for `len` bytes. The count written, or -1.
static long decode(char *out, const char *s, size_t len, bool path) {
  char *p = out;
  for (size_t i = 0; i < len; i++) {
    char c = s[i];
    if (c == '%') {
      if (len - i < 3) return -1;
      int high = hex(s[i + 1]), low = hex(s[i + 2]);
      if (high < 0 || low < 0) return -1;
      c = (char)(high << 4 | low);
      if (path && c == '\0') return -1;
      i += 2;
    } else if (c == '+' && !path) {
      c = ' ';
    }
    *p++ = c;
  }
  return p - out;
}

bool rl_http_push_decoded(lua_State *L, const char *s, size_t len, bool path) {
  if (!memchr(s, '%', len) && (path || !memchr(s, '+', len))) {
    lua_pushlstring(L, s, len);
    return true;
  }
  luaL_Buffer b;
  long n = decode(luaL_buffinitsize(L, &b, len), s, len, path);
  luaL_pushresultsize(&b, n < 0 ? 0 : (size_t)n);
  if (n < 0) lua_pop(L, 1);
  return n >= 0;
}

static bool add_pair(lua_State *L, const char *s, const char *end) {
  const char *eq = memchr(s, '=', (size_t)(end - s));
  if (!rl_http_push_decoded(L, s, (size_t)((eq ? eq : end) - s), false)) return false;
  const char *value = eq ? eq + 1 : end;
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) != LUA_TNIL) {  // the first one stands
    lua_pop(L, 2);
    return true;
  }
  lua_pop(L, 1);
  if (!rl_http_push_decoded(L, value, (size_t)(end - value), false)) {
    lua_pop(L, 1);
    return false;
  }
  lua_rawset(L, -3);
  return true;
}

bool rl_http_push_pairs(lua_State *L, const char *s, size_t len, size_t limit) {
  const char *end = s + len;
  lua_newtable(L);
  for (size_t count = 0; s < end; count++) {
    const char *amp = memchr(s, '&', (size_t)(end - s)), *stop = amp ? amp : end;
    if (count >= limit || (stop > s && !add_pair(L, s, stop))) {
      lua_pop(L, 1);
      return false;
    }
    s = stop + 1;
  }
  return true;
}
