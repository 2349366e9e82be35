// The basic functions of Lua that rille replaces, and two of its own that belong to them.
#ifndef RL_BIND_BASE_H
#define RL_BIND_BASE_H

#include "lua/bind/state.h"

void rl_base_open(lua_State *L);
int rl_base_pcall(lua_State *L);
int rl_base_try(lua_State *L);
int rl_base_catch_cancel(lua_State *L);

#endif
