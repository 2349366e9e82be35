// Stacks as text.
#ifndef RL_BIND_STACK_H
#define RL_BIND_STACK_H

#include "lua/bind/state.h"

// Pushes the stack of `co` from `level`, a line a frame, without the runtime's own frame at the
// bottom. `full`: with the names of library functions, which takes a search.
void rl_push_stack(lua_State *L, lua_State *co, int level, bool full);

// Pushes "table.sort" if the function of `ar`, a frame of `at`, is a field of a loaded module.
bool rl_push_function_name(lua_State *L, lua_State *at, lua_Debug *ar);

#endif
