// Lua's own doors under permissions: they are replaced, and what they were is reachable for nobody.
#ifndef RL_HOST_GUARD_H
#define RL_HOST_GUARD_H

#include <lua.h>

// Changes nothing in a state without permissions. Once, before anything else touches the libraries.
// Raises when memory is out.
void rl_guard_apply(lua_State *L);

// Its parts.
void rl_guard_files(lua_State *L);  // io, os
void rl_guard_code(lua_State *L);   // package, load, dofile

#endif
