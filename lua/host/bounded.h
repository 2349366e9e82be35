// Functions of the standard libraries whose C loops no hook can stop, with a bound on their work.
#ifndef RL_HOST_BOUNDED_H
#define RL_HOST_BOUNDED_H

#include <lua.h>

// Replaces them in the global libraries `string` and `table`, and xpcall. Raises when memory is
// out.
void rl_bounded_open(lua_State *L);

#endif
