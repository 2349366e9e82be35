// Signals by name: "SIGTERM", or "TERM" where one is given.
#ifndef RL_BIND_SIGNAME_H
#define RL_BIND_SIGNAME_H

#include "lua/bind/state.h"

int rl_check_signal(lua_State *L, int index);  // a name or a number; an argument error names it
void rl_push_signal_name(lua_State *L, int number);  // "SIG35" for those without a name

#endif
