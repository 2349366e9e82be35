// The collector's pace. Lua begins a cycle when the heap has doubled; a small heap doubles at once,
// and marking it for every few strings costs more than the strings. Here it may always grow by some
// room first.
#ifndef RL_BIND_PACE_H
#define RL_BIND_PACE_H

#include "lua/bind/state.h"

void rl_pace_open(lua_State *L);
// A cycle has ended: sets what the next is paced by. A script that sets the pause itself keeps it.
void rl_pace_set(rl_state *st);

#endif
