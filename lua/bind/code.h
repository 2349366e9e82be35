// Files of Lua code.
#ifndef RL_BIND_CODE_H
#define RL_BIND_CODE_H

#include "lua/bind/state.h"

// As luaL_loadfilex; raises DENIED for a file whose code may not be loaded. Bytecode only where
// native code is permitted: malformed bytecode can do anything.
int rl_code_load(lua_State *L, const char *path, const char *mode);
// "t" if bytecode is refused, else `mode`.
const char *rl_code_mode(lua_State *L, const char *mode);

#endif
