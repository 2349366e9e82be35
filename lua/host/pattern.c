// Lua's patterns with a count of steps. The standard functions do the work, once a dry run has
// shown that it ends soon.
#include "lua/host/pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

enum { STEPS_MAX = 4000000, CAPTURES = 32, DEPTH_MAX = 200 };
enum { CAPTURE_OPEN = -1, CAPTURE_PLACE = -2 };

typedef struct dry {
  const char *begin, *end, *pattern_end;
  long steps;
  int depth, level;
  bool over;  // too many steps
  bool bad;   // malformed or too complex: the standard function says how
  struct {
    const char *at;
    ptrdiff_t length;
  } captures[CAPTURES];
} dry;

static const char *match(dry *d, const char *s, const char *p);

static bool step(dry *d, long by) {
  d->steps += by;
  if (d->steps > STEPS_MAX) d->over = true;
  return !d->over && !d->bad;
}

static const char *malformed(dry *d) {
  d->bad = true;
  return NULL;
}

// The end of the single-character item at p, or NULL if it is malformed.
static const char *item_end(dry *d, const char *p) {
  if (*p == '%') return p + 1 < d->pattern_end ? p + 2 : malformed(d);
  if (*p != '[') return p + 1;
  p += p[1] == '^' ? 2 : 1;
  for (bool first = true;; first = false) {
    if (p >= d->pattern_end) return malformed(d);
    if (*p == ']' && !first) return p + 1;
    p += *p == '%' ? 2 : 1;
  }
}

static bool in_class(int c, int class) {
  bool yes;
  switch (tolower(class)) {
    case 'a': yes = isalpha(c); break;
    case 'c': yes = iscntrl(c); break;
    case 'd': yes = isdigit(c); break;
    case 'g': yes = isgraph(c); break;
    case 'l': yes = islower(c); break;
    case 'p': yes = ispunct(c); break;
    case 's': yes = isspace(c); break;
    case 'u': yes = isupper(c); break;
    case 'w': yes = isalnum(c); break;
    case 'x': yes = isxdigit(c); break;
    default: return class == c;
  }
  return isupper(class) ? !yes : yes;
}

// `p` is at '[' and `end` past its ']'.
static bool in_set(int c, const char *p, const char *end) {
  const char *last = end - 1;
  bool inverted = *++p == '^';
  if (inverted) p++;
  for (bool first = true; p < last || (first && p == last); first = false) {
    if (*p == '%') {
      if (in_class(c, (unsigned char)p[1])) return !inverted;
      p += 2;
    } else if (p[1] == '-' && p + 2 < last) {
      if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2]) return !inverted;
      p += 3;
    } else {
      if ((unsigned char)*p == c) return !inverted;
      p++;
    }
  }
  return inverted;
}

static bool single(dry *d, const char *s, const char *p, const char *end) {
  if (s >= d->end) return false;
  int c = (unsigned char)*s;
  switch (*p) {
    case '.': return true;
    case '%': return in_class(c, (unsigned char)p[1]);
    case '[': d->steps += (end - p) / 4; return in_set(c, p, end);
    default: return (unsigned char)*p == c;
  }
}

static const char *expand_most(dry *d, const char *s, const char *p, const char *end) {
  ptrdiff_t count = 0;
  while (single(d, s + count, p, end)) count++;
  step(d, count);
  for (; count >= 0 && step(d, 1); count--) {
    const char *found = match(d, s + count, end + 1);
    if (found) return found;
  }
  return NULL;
}

static const char *expand_least(dry *d, const char *s, const char *p, const char *end) {
  while (step(d, 1)) {
    const char *found = match(d, s, end + 1);
    if (found) return found;
    if (!single(d, s, p, end)) return NULL;
    s++;
  }
  return NULL;
}

static const char *open_capture(dry *d, const char *s, const char *p, ptrdiff_t what) {
  if (d->level >= CAPTURES) return malformed(d);
  d->captures[d->level].at = s;
  d->captures[d->level].length = what;
  d->level++;
  const char *found = match(d, s, p);
  if (!found) d->level--;
  return found;
}

static const char *close_capture(dry *d, const char *s, const char *p) {
  int i = d->level - 1;
  while (i >= 0 && d->captures[i].length != CAPTURE_OPEN) i--;
  if (i < 0) return malformed(d);
  d->captures[i].length = s - d->captures[i].at;
  const char *found = match(d, s, p);
  if (!found) d->captures[i].length = CAPTURE_OPEN;
  return found;
}

static const char *balanced(dry *d, const char *s, const char *p) {
  if (p + 1 >= d->pattern_end) return malformed(d);
  if (s >= d->end || *s != *p) return NULL;
  int open = 1;
  for (const char *at = s + 1; at < d->end; at++) {
    if (!step(d, 1)) return NULL;
    if (*at == p[1]) {
      if (--open == 0) return at + 1;
    } else if (*at == p[0]) {
      open++;
    }
  }
  return NULL;
}

static const char *repeat_capture(dry *d, const char *s, int digit) {
  int i = digit - '1';
  if (i < 0 || i >= d->level || d->captures[i].length == CAPTURE_OPEN) return malformed(d);
  ptrdiff_t length = d->captures[i].length > 0 ? d->captures[i].length : 0;
  step(d, length / 16);
  bool same = d->end - s >= length && memcmp(d->captures[i].at, s, (size_t)length) == 0;
  return same ? s + length : NULL;
}

// "%f[set]" at p: the end of the set if s is at its frontier.
static const char *frontier(dry *d, const char *s, const char *p) {
  if (p >= d->pattern_end || *p != '[') return malformed(d);
  const char *end = item_end(d, p);
  if (!end) return NULL;
  int before = s == d->begin ? 0 : (unsigned char)s[-1], here = s < d->end ? (unsigned char)*s : 0;
  return !in_set(before, p, end) && in_set(here, p, end) ? end : NULL;
}

// Items that are no single character. True: handled, and *s is the result or where to go on, at *p.
static bool special(dry *d, const char **s, const char **p, bool *over) {
  const char *at = *p;
  *over = true;
  switch (*at) {
    case '(':
      *s = at + 1 < d->pattern_end && at[1] == ')' ? open_capture(d, *s, at + 2, CAPTURE_PLACE)
                                                   : open_capture(d, *s, at + 1, CAPTURE_OPEN);
      return true;
    case ')': *s = close_capture(d, *s, at + 1); return true;
    case '$':
      if (at + 1 != d->pattern_end) return false;
      *s = *s == d->end ? *s : NULL;
      return true;
    case '%': break;
    default: return false;
  }
  if (at + 1 >= d->pattern_end) return false;
  if (at[1] == 'b') {
    *s = balanced(d, *s, at + 2);
    *p = at + 4;
  } else if (at[1] == 'f') {
    const char *end = frontier(d, *s, at + 2);
    if (!end) *s = NULL;
    *p = end;
  } else if (isdigit((unsigned char)at[1])) {
    *s = repeat_capture(d, *s, at[1]);
    *p = at + 2;
  } else {
    return false;
  }
  *over = !*s;
  return true;
}

// One item with its suffix. True: *s is the result; false: go on at *s, *p.
static bool plain(dry *d, const char **s, const char **p) {
  const char *end = item_end(d, *p);
  if (!end) return *s = NULL, true;
  char suffix = end < d->pattern_end ? *end : '\0';
  bool fits = suffix != '*' && suffix != '-' && single(d, *s, *p, end);
  switch (suffix) {
    case '*': return *s = expand_most(d, *s, *p, end), true;
    case '-': return *s = expand_least(d, *s, *p, end), true;
    case '+': return *s = fits ? expand_most(d, *s + 1, *p, end) : NULL, true;
    case '?': {
      const char *found = fits ? match(d, *s + 1, end + 1) : NULL;
      if (found) return *s = found, true;
      *p = end + 1;
      return false;
    }
    default:
      if (!fits) return *s = NULL, true;
      *s += 1;
      *p = end;
      return false;
  }
}

static const char *match(dry *d, const char *s, const char *p) {
  if (++d->depth > DEPTH_MAX) d->bad = true;
  while (p < d->pattern_end && s) {
    bool over;
    if (!step(d, 1)) {
      s = NULL;
    } else if (special(d, &s, &p, &over)) {
      if (over) break;
    } else if (plain(d, &s, &p)) {
      break;
    }
  }
  d->depth--;
  return s;
}

// True if finding `p` in `s` from `init` on, once or `all` the way, takes too many steps.
static bool takes_too_long(const char *s, size_t length, const char *p, size_t plength, size_t init,
                           bool all) {
  dry d = {.begin = s, .end = s + length, .pattern_end = p + plength};
  bool anchored = plength > 0 && *p == '^';
  if (anchored) p++;
  for (const char *at = s + init; at <= d.end && !d.over && !d.bad;) {
    d.level = d.depth = 0;
    const char *found = match(&d, at, p);
    if (anchored || (found && !all)) break;
    at = found && found > at ? found : at + 1;
    d.steps++;
  }
  return d.over;
}

static size_t start_of(lua_State *L, int index, size_t length) {
  lua_Integer init = luaL_optinteger(L, index, 1);
  if (init < 0) init = -init > (lua_Integer)length ? 1 : (lua_Integer)length + init + 1;
  if (init < 1) init = 1;
  return (size_t)init - 1;
}

static int pass_on(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int refuse(lua_State *L, const char *name) {
  return luaL_error(L, "%s: the pattern takes more steps than are allowed here", name);
}

static bool is_plain(const char *p, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (strchr("^$*+?.([%-", p[i]) && p[i]) return false;
  }
  return true;
}

// A plain search takes time in proportion to both lengths together; the standard one, to their
// product.
static int find_plain(lua_State *L, const char *s, size_t length, size_t init, const char *p,
                      size_t plength) {
  const char *found = init <= length ? memmem(s + init, length - init, p, plength) : NULL;
  if (!found) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, found - s + 1);
  lua_pushinteger(L, found - s + (lua_Integer)plength);
  return 2;
}

static int bounded_find(lua_State *L) {
  size_t length, plength;
  const char *s = luaL_checklstring(L, 1, &length), *p = luaL_checklstring(L, 2, &plength);
  size_t init = start_of(L, 3, length);
  if (lua_toboolean(L, 4) || is_plain(p, plength))
    return find_plain(L, s, length, init, p, plength);
  if (takes_too_long(s, length, p, plength, init, false)) return refuse(L, "find");
  return pass_on(L);
}

static int bounded_match(lua_State *L) {
  size_t length, plength;
  const char *s = luaL_checklstring(L, 1, &length), *p = luaL_checklstring(L, 2, &plength);
  if (takes_too_long(s, length, p, plength, start_of(L, 3, length), false))
    return refuse(L, "match");
  return pass_on(L);
}

static int bounded_all(lua_State *L, const char *name) {
  size_t length, plength;
  const char *s = luaL_checklstring(L, 1, &length), *p = luaL_checklstring(L, 2, &plength);
  if (takes_too_long(s, length, p, plength, 0, true)) return refuse(L, name);
  return 0;
}

static int bounded_gmatch(lua_State *L) {
  bounded_all(L, "gmatch");
  return pass_on(L);
}

static int call_k(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lua_gettop(L);
}

static int bounded_gsub(lua_State *L) {
  bounded_all(L, "gsub");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, call_k);
  return lua_gettop(L);
}

void rl_pattern_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"find", bounded_find},
                                       {"match", bounded_match},
                                       {"gmatch", bounded_gmatch},
                                       {"gsub", bounded_gsub},
                                       {NULL, NULL}};
  lua_getglobal(L, "string");
  for (const luaL_Reg *f = functions; f->name; f++) {
    lua_getfield(L, -1, f->name);
    lua_pushcclosure(L, f->func, 1);
    lua_setfield(L, -2, f->name);
  }
  lua_pop(L, 1);
}
