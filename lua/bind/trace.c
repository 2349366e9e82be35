// The story of an error across coroutines and tasks.
#include "lua/bind/trace.h"

#include "lua/bind/error.h"
#include "lua/bind/stack.h"

enum {
  RECENT_STRINGS = 64,
  TRACE_MAX = 8192,
  STORY_MAX = 16 * 1024,
  SUPPRESSED_MAX = 20  // that a report names
};

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
    for (int i = 1; i <= count && i <= SUPPRESSED_MAX; i++) {
      lua_rawgeti(L, list, i);
      rl_push_message(L, -1);
      lua_remove(L, -2);
      lua_pushfstring(L, "\nsuppressed: %s", lua_tostring(L, -1));
      lua_remove(L, -2);
      lua_concat(L, 2);
    }
    if (count > SUPPRESSED_MAX) {
      lua_pushfstring(L, "\nsuppressed: %d more", count - SUPPRESSED_MAX);
      lua_concat(L, 2);
    }
    lua_remove(L, list);
  }
  lua_concat(L, lua_gettop(L) - base);
}
