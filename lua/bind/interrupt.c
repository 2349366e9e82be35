// Ends the Lua code that a state runs now.
#include "lua/bind/interrupt.h"

#include "lua/bind/state.h"

static void raise_now(lua_State *L, lua_Debug *ar) {
  (void)ar;
  luaL_error(L, "terminated");
}

void rl_interrupt(void *state) {
  const rl_state *st = state;
  lua_State *L = st->current ? st->running : NULL;
  if (L) lua_sethook(L, raise_now, LUA_MASKCOUNT, 1);
}
