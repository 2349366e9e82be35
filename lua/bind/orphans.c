// Detached tasks that have failed: what is reported of them at the end of the tick.
#include "lua/bind/error.h"
#include "lua/bind/scope.h"
#include "lua/bind/task.h"
#include "lua/bind/trace.h"

#include <stdio.h>

void rl_orphans_add(rl_state *st) {
  lua_State *L = st->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->orphans);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, st->orphan_count + 1);
  st->orphan_count++;
  lua_pop(L, 1);
}

static int push_report(lua_State *L) {  // handle -> the report of its failure
  rl_handle *h = lua_touserdata(L, 1);
  lua_getiuservalue(L, 1, 1);
  if (h->ended == RL_ENDED_CANCELLED && rl_promote_suppressed(L)) lua_replace(L, -2);
  rl_trace_spawned(L, -1, h->site);
  rl_push_report(L, -1);
  return 1;
}

static int new_orphans(lua_State *L) {
  lua_newtable(L);
  lua_rawseti(L, LUA_REGISTRYINDEX, rl_state_of(L)->orphans);
  return 0;
}

// The handle is at the top of st->L.
static void report_orphan(rl_state *st) {
  lua_State *L = st->L;
  lua_pushcfunction(L, push_report);
  lua_pushvalue(L, -2);
  bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  rl_report_text(st, ok ? lua_tostring(L, -1) : "not enough memory");
  lua_pop(L, 1);
}

void rl_orphans_report(rl_state *st) {
  if (!st->orphan_count) return;
  lua_State *L = st->L;
  if (!lua_checkstack(L, 8)) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->orphans);
  if (!rl_state_protect(st, new_orphans, NULL)) {  // the next tick may have the memory
    lua_pop(L, 1);
    return;
  }
  int list = lua_gettop(L), count = st->orphan_count;
  st->orphan_count = 0;
  int failed = 0;
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, list, i);
    rl_handle *h = lua_touserdata(L, -1);
    if (!h->claimed) {
      h->claimed = st->failed = true;
      if (++failed <= st->reports) report_orphan(st);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  if (failed <= st->reports) return;
  char text[64];
  snprintf(text, sizeof text, "%d more tasks have failed", failed - st->reports);
  rl_report_text(st, text);
}
