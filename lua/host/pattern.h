// Lua's patterns with a count of steps: find, match, gmatch and gsub that give up.
#ifndef RL_HOST_PATTERN_H
#define RL_HOST_PATTERN_H

#include <lua.h>

// Replaces the four in the global library `string`.
void rl_pattern_open(lua_State *L);

#endif
