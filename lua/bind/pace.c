// The collector's pace.
#include "lua/bind/pace.h"

enum {
  ROOM = 3 * 512 * 1024,  // bytes that may be allocated before the next cycle begins
  USUAL = 200,            // percent: a pause, as LUA_GCSETPAUSE has it
  MOST = 1000,            // what a cycle that finds the heap grown may overshoot by
};

// The finalizer of an object that nobody holds. No collector call works in here: the next
// allocation makes it.
static int cycle_ended(lua_State *L) {
  rl_state *st = rl_state_of(L);
  st->live = st->memory;
  st->cycle_ended = true;
  st->watermark = 0;
  lua_getmetatable(L, 1);
  lua_setmetatable(L, 1);  // once more, when the next cycle ends
  return 0;
}

void rl_pace_open(lua_State *L) {
  rl_state_of(L)->pause = USUAL;
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, cycle_ended);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}

void rl_pace_set(rl_state *st) {
  size_t room = st->memory_limit && st->memory_limit / 4 < ROOM ? st->memory_limit / 4 : ROOM;
  size_t pause = 100 + room / (st->live / 100 + 1);
  if (pause < USUAL) pause = USUAL;
  if (pause > MOST) pause = MOST;
  int before = lua_gc(st->L, LUA_GCSETPAUSE, (int)pause);
  st->cycle_ended = before < 0;  // still in a finalizer: the next allocation tries again
  if (before == st->pause) {
    st->pause = (int)pause / 4 * 4;  // Lua keeps a quarter of it
  } else if (before >= 0) {
    lua_gc(st->L, LUA_GCSETPAUSE, before);
  }
}
