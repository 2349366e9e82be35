// A stack as text: its frames, and the names that functions go by.
#include "lua/bind/stack.h"

#include <string.h>

enum { FIRST_LEVELS = 10, LAST_LEVELS = 11 };

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
