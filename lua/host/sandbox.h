// What flags take away from a state.
#ifndef RL_HOST_SANDBOX_H
#define RL_HOST_SANDBOX_H

#include <lua.h>

// Once, before any script runs. Raises when memory is out.
void rl_sandbox_apply(lua_State *L, unsigned flags);

// `load` takes text alone, whatever its mode says.
void rl_sandbox_text_only(lua_State *L);

#endif
