// Interned places, and the story of an error across coroutines and tasks.
#include "lua/bind/trace.h"

#include "lua/bind/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SITES_CACHED = 64,
  FIRST_LEVELS = 10,
  LAST_LEVELS = 11,
  RECENT_STRINGS = 64,
  TRACE_MAX = 8192,
  STORY_MAX = 16 * 1024
};

typedef struct site {
  char *text;  // "FILE:LINE"
  int line;
  char file[LUA_IDSIZE];
} site;

struct rl_sites {
  site *all;
  int count, cap;
  int cache[SITES_CACHED];
};

static struct rl_sites *sites_of(rl_state *st) {
  if (!st->sites) st->sites = calloc(1, sizeof *st->sites);
  return st->sites;
}

void rl_sites_free(rl_state *st) {
  if (!st->sites) return;
  for (int i = 0; i < st->sites->count; i++) free(st->sites->all[i].text);
  free(st->sites->all);
  free(st->sites);
  st->sites = NULL;
}

static bool same_place(const site *s, const lua_Debug *ar) {
  return s->line == ar->currentline && strcmp(s->file, ar->short_src) == 0;
}

static int add_site(struct rl_sites *sites, const lua_Debug *ar) {
  if (sites->count == sites->cap) {
    int cap = sites->cap ? sites->cap * 2 : 32;
    site *all = realloc(sites->all, (size_t)cap * sizeof *all);
    if (!all) return 0;
    sites->all = all;
    sites->cap = cap;
  }
  size_t size = strlen(ar->short_src) + 16;
  char *text = malloc(size);
  if (!text) return 0;
  snprintf(text, size, "%s:%d", ar->short_src, ar->currentline);
  site *s = &sites->all[sites->count++];
  *s = (site){.text = text, .line = ar->currentline};
  memcpy(s->file, ar->short_src, LUA_IDSIZE);
  return sites->count;
}

static int site_of(lua_State *L, const lua_Debug *ar) {
  if (ar->currentline < 0) return 0;
  struct rl_sites *sites = sites_of(rl_state_of(L));
  if (!sites) return 0;
  // A function's source text may move or be freed: the pointer is only a hint, the text decides.
  size_t hash = ((uintptr_t)ar->source / 16 * 31 + (size_t)ar->currentline) % SITES_CACHED;
  int cached = sites->cache[hash];
  if (cached && same_place(&sites->all[cached - 1], ar)) return cached;
  for (int i = 0; i < sites->count; i++) {
    if (same_place(&sites->all[i], ar)) return sites->cache[hash] = i + 1;
  }
  int added = add_site(sites, ar);
  return sites->cache[hash] = added;
}

int rl_site_here(lua_State *L) {
  lua_Debug ar;
  if (!lua_getstack(L, 1, &ar)) return 0;
  lua_getinfo(L, "Sl", &ar);
  return site_of(L, &ar);
}

// The innermost place in the script itself, not in the standard library.
static int place_now(rl_loop *loop) {
  rl_state *st = loop->owner;
  int site = 0;
  lua_Debug ar;
  for (int level = 0; st->running && lua_getstack(st->running, level, &ar); level++) {
    lua_getinfo(st->running, "Sl", &ar);
    if (ar.currentline < 0) continue;
    site = site_of(st->running, &ar);
    if (strncmp(ar.source, "@rille/", 7) != 0) break;
  }
  return site;
}

const char *rl_site_text(const rl_state *st, int number) {
  return number && st->sites ? st->sites->all[number - 1].text : "?";
}

// The key under which the table at the top has the value at `index`, pushed; or nothing.
static bool push_key_of(lua_State *L, int index) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || !lua_rawequal(L, -1, index)) continue;
    lua_pop(L, 1);
    return true;
  }
  return false;
}

// The module `name` has the function at `index` as a field: its qualified name, pushed.
static bool push_name_in(lua_State *L, int loaded, const char *name, int function) {
  int top = lua_gettop(L);
  if (lua_getfield(L, loaded, name) == LUA_TTABLE && push_key_of(L, function)) {
    if (strcmp(name, LUA_GNAME) != 0) lua_pushfstring(L, "%s.%s", name, lua_tostring(L, -1));
    return true;
  }
  lua_settop(L, top);
  return false;
}

// Globals first, then Lua's libraries and what scripts know as rille's, then any loaded module.
static bool push_name_of(lua_State *L, int function) {
  static const char *const known[] = {LUA_GNAME, "string", "table", "coroutine", "rille", NULL};
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  int loaded = lua_gettop(L);
  for (int i = 0; known[i]; i++) {
    if (push_name_in(L, loaded, known[i], function)) return true;
  }
  for (lua_pushnil(L); lua_next(L, loaded); lua_settop(L, loaded + 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || strncmp(lua_tostring(L, -2), "rille.native.", 13) == 0)
      continue;
    if (push_name_in(L, loaded, lua_tostring(L, -2), function)) return true;
  }
  return false;
}

bool rl_push_function_name(lua_State *L, lua_State *at, lua_Debug *ar) {
  int top = lua_gettop(L);
  lua_getinfo(at, "f", ar);
  if (at != L) lua_xmove(at, L, 1);
  bool found = push_name_of(L, top + 1);
  if (found) lua_replace(L, top + 1);
  lua_settop(L, top + found);
  return found;
}

static void push_frame_name(lua_State *L, lua_State *co, lua_Debug *ar, bool full) {
  if (full && rl_push_function_name(L, co, ar)) {
    lua_pushfstring(L, "function '%s'", lua_tostring(L, -1));
    lua_remove(L, -2);
  } else if (*ar->namewhat) {
    lua_pushfstring(L, "%s '%s'", ar->namewhat, ar->name);
  } else if (*ar->what == 'm') {
    lua_pushliteral(L, "main chunk");
  } else if (*ar->what == 'C') {
    lua_pushliteral(L, "?");
  } else {
    lua_pushfstring(L, "function <%s:%d>", ar->short_src, ar->linedefined);
  }
}

static void push_frame(lua_State *L, lua_State *co, lua_Debug *ar, bool full) {
  push_frame_name(L, co, ar, full);
  const char *tail = ar->istailcall ? "\n\t(...tail calls...)" : "";
  if (ar->currentline > 0) {
    lua_pushfstring(L, "\n\t%s:%d: in %s%s", ar->short_src, ar->currentline, lua_tostring(L, -1),
                    tail);
  } else {
    lua_pushfstring(L, "\n\t%s: in %s%s", ar->short_src, lua_tostring(L, -1), tail);
  }
  lua_remove(L, -2);
}

static bool is_root(const rl_state *st, lua_CFunction f) {
  return f && (f == st->roots[0] || f == st->roots[1] || f == st->roots[2]);
}

// By halves: reaching a level takes as many steps as it is deep.
static int count_all_levels(lua_State *co) {
  lua_Debug ar;
  int some = 0, none = 1;
  while (lua_getstack(co, none, &ar)) {
    some = none;
    none *= 2;
  }
  while (some < none) {
    int middle = some + (none - some) / 2;
    if (lua_getstack(co, middle, &ar)) {
      some = middle + 1;
    } else {
      none = middle;
    }
  }
  return none;
}

// How many levels `co` has, less the runtime's own at the bottom.
static int count_levels(rl_state *st, lua_State *co) {
  lua_Debug ar;
  int count = count_all_levels(co);
  if (!lua_checkstack(co, 1)) return count;
  while (count > 0 && lua_getstack(co, count - 1, &ar)) {
    lua_getinfo(co, "f", &ar);
    lua_CFunction f = lua_tocfunction(co, -1);
    lua_pop(co, 1);
    if (!is_root(st, f)) break;
    count--;
  }
  return count;
}

void rl_push_stack(lua_State *L, lua_State *co, int level, bool full) {
  luaL_Buffer b;
  lua_Debug ar;
  int last = count_levels(rl_state_of(L), co);
  int skip =
      last - level > FIRST_LEVELS + LAST_LEVELS ? last - level - FIRST_LEVELS - LAST_LEVELS : 0;
  luaL_buffinit(L, &b);
  for (int at = level; at < last; at++) {
    if (skip && at - level == FIRST_LEVELS) {
      lua_pushfstring(L, "\n\t...\t(skipping %d levels)", skip);
      luaL_addvalue(&b);
      at += skip;
    }
    if (!lua_getstack(co, at, &ar)) break;
    lua_getinfo(co, "Slnt", &ar);
    push_frame(L, co, &ar, full);
    luaL_addvalue(&b);
  }
  luaL_pushresult(&b);
}

static bool in_transit(lua_State *L, int index) {
  rl_state *st = rl_state_of(L);
  if (!st->transit) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->transit);
  bool same = lua_rawequal(L, -1, index);
  lua_pop(L, 1);
  return same;
}

static void set_transit(lua_State *L, int index, bool from_task) {
  rl_state *st = rl_state_of(L);
  if (st->transit) luaL_unref(L, LUA_REGISTRYINDEX, st->transit);
  lua_pushvalue(L, index);
  st->transit = luaL_ref(L, LUA_REGISTRYINDEX);
  if (st->transit == LUA_REFNIL) st->transit = 0;
  st->transit_task = from_task;
  st->transit_awaited = false;
  st->transit_from = L;
}

// nil is no key: something else stands for it.
static void push_key(lua_State *L, int index) {
  static const char stands_for_nil;
  if (lua_isnil(L, index)) {
    lua_pushlightuserdata(L, (void *)&stands_for_nil);
  } else {
    lua_pushvalue(L, index);
  }
}

// traces[error at index] = the string at the top; pops it. Keys that are plain values never go by
// themselves: the table starts anew after some.
static void set_trace(lua_State *L, int index) {
  rl_state *st = rl_state_of(L);
  bool plain = rl_error_is_plain(L, index);
  if (plain && ++st->plain_traces > RECENT_STRINGS) {
    st->plain_traces = 0;
    rl_error_forget_traces(L);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->traces);
  push_key(L, index);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 2);
}

static bool push_trace(lua_State *L, int index) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rl_state_of(L)->traces);
  push_key(L, index);
  int type = lua_rawget(L, -2);
  lua_remove(L, -2);
  if (type == LUA_TSTRING) return true;
  lua_pop(L, 1);
  return false;
}

int rl_trace_handler(lua_State *L) {
  if (!lua_checkstack(L, 12)) return 1;
  bool again = in_transit(L, 1);
  if (again && rl_state_of(L)->transit_task)
    return 1;  // its trace is whole: this task only waited for it
  if (!again || !push_trace(L, 1)) lua_pushliteral(L, "");
  if (lua_rawlen(L, -1) < TRACE_MAX) {
    rl_push_stack(L, L, 1, false);
    lua_concat(L, 2);
  }
  set_trace(L, 1);
  set_transit(L, 1, false);
  return 1;
}

void rl_trace_coroutine(lua_State *L, lua_State *co, int index) {
  lua_Debug ar;
  if (!lua_getstack(co, 0, &ar) || !lua_checkstack(L, 12)) return;
  bool caught = rl_state_of(L)->transit_from == L;  // an equal error, some coroutine before
  if (caught || !in_transit(L, index) || !push_trace(L, index)) lua_pushliteral(L, "");
  if (lua_rawlen(L, -1) < TRACE_MAX) {
    rl_push_stack(L, co, 0, false);
    lua_concat(L, 2);
  }
  set_trace(L, index);
  set_transit(L, index, false);
}

static void add_story(lua_State *L, int index, const char *what, const char *where) {
  index = lua_absindex(L, index);
  if (!lua_checkstack(L, 10)) return;
  if (!push_trace(L, index)) lua_pushliteral(L, "");
  if (lua_rawlen(L, -1) >= STORY_MAX) {  // an error of thousands of tasks
    lua_pop(L, 1);
    return;
  }
  lua_pushfstring(L, "\n%s at %s", what, where);
  lua_concat(L, 2);
  if (lua_rawlen(L, -1) >= STORY_MAX) {
    lua_pushliteral(L, "\n...");
    lua_concat(L, 2);
  }
  set_trace(L, index);
}

void rl_trace_spawned(lua_State *L, int index, int site) {
  if (!site) return;
  add_story(L, index, "spawned", rl_site_text(rl_state_of(L), site));
}

void rl_trace_transit(lua_State *L, int index, int site) {
  index = lua_absindex(L, index);
  rl_trace_spawned(L, index, site);
  int here = rl_site_here(L);  // none where a task's body is over
  if (here) add_story(L, index, "awaited", rl_site_text(rl_state_of(L), here));
  set_transit(L, index, true);
}

void rl_trace_rename(lua_State *L) {
  if (in_transit(L, lua_gettop(L) - 1) && push_trace(L, lua_gettop(L) - 1)) {
    set_trace(L, lua_gettop(L) - 1);
    set_transit(L, lua_gettop(L), false);
  }
  lua_remove(L, -2);
}

void rl_trace_awaited(lua_State *L, int index, int site) {
  rl_trace_transit(L, index, site);
  rl_state_of(L)->transit_awaited = true;
}

bool rl_trace_is_awaited(lua_State *L, int index) {
  return rl_state_of(L)->transit_awaited && in_transit(L, lua_absindex(L, index));
}

bool rl_trace_is_new(lua_State *L, int index) {
  return !rl_state_of(L)->transit_task && in_transit(L, lua_absindex(L, index));
}

void rl_trace_keep(lua_State *L, int index) {
  bool awaited = rl_trace_is_awaited(L, index);
  set_transit(L, lua_absindex(L, index), true);
  rl_state_of(L)->transit_awaited = awaited;
}

void rl_trace_forget_transit(rl_state *st) {
  luaL_unref(st->L, LUA_REGISTRYINDEX, st->transit);
  st->transit = 0;
}

static int call_tostring(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

void rl_push_message(lua_State *L, int index) {
  index = lua_absindex(L, index);
  if (lua_isstring(L, index)) {
    lua_pushvalue(L, index);
    lua_tostring(L, -1);
    return;
  }
  if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL) {
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
    return;
  }
  lua_pop(L, 1);
  lua_pushcfunction(L, call_tostring);
  lua_pushvalue(L, index);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lua_pushfstring(L, "(error object is a %s value whose __tostring failed)",
                  luaL_typename(L, index));
}

// What an error object names as its cause.
static void push_cause(lua_State *L, int index) {
  if (!lua_istable(L, index)) return;
  lua_pushliteral(L, "cause");
  if (lua_rawget(L, index) == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  rl_push_message(L, -1);
  lua_pushfstring(L, "\ncause: %s", lua_tostring(L, -1));
  lua_replace(L, -3);
  lua_pop(L, 1);
}

// An error of a worker's brings its traceback along.
static void push_remote(lua_State *L, int index) {
  if (!lua_istable(L, index)) return;
  lua_pushliteral(L, "traceback");
  if (lua_rawget(L, index) == LUA_TSTRING) {
    lua_pushfstring(L, "\nraised in a worker: %s", lua_tostring(L, -1));
    lua_remove(L, -2);
  } else {
    lua_pop(L, 1);
  }
}

void rl_push_report(lua_State *L, int index) {
  index = lua_absindex(L, index);
  int base = lua_gettop(L);
  rl_push_message(L, index);
  if (push_trace(L, index)) {
    const char *trace = lua_tostring(L, -1);
    if (trace[0] && trace[1] == '\t') {
      lua_pushliteral(L, "\nstack traceback:");
      lua_insert(L, -2);
    }
  }
  push_remote(L, index);
  push_cause(L, index);
  if (rl_push_suppressed(L, index)) {
    int list = lua_gettop(L), count = (int)lua_rawlen(L, list);
    lua_pushliteral(L, "");
    for (int i = 1; i <= count && i <= 2 * FIRST_LEVELS; i++) {
      lua_rawgeti(L, list, i);
      rl_push_message(L, -1);
      lua_remove(L, -2);
      lua_pushfstring(L, "\nsuppressed: %s", lua_tostring(L, -1));
      lua_remove(L, -2);
      lua_concat(L, 2);
    }
    lua_remove(L, list);
  }
  lua_concat(L, lua_gettop(L) - base);
}

void rl_site_unclosed(const rl_state *st, const char *what, int place) {
  if (!st->debug || !place) return;
  fprintf(stderr, "rille: a %s opened at %s was not closed\n", what, rl_site_text(st, place));
}

void rl_site_watch(rl_state *st) { st->loop.place = place_now; }
