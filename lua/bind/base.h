// The basic functions of Lua that rille replaces, and two of its own that belong to them.
#ifndef RL_BIND_BASE_H
#define RL_BIND_BASE_H

#include "lua/bind/state.h"

void rl_base_open(lua_State *L);
// Puts `f` in place of a function of a library; the former one is its upvalue.
void rl_base_replace(lua_State *L, const char *library, const char *name, lua_CFunction f);
int rl_base_pcall(lua_State *L);
int rl_base_try(lua_State *L);
int rl_base_catch_cancel(lua_State *L);

#endif
