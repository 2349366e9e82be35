// The files of the standard library that every worker needs, compiled once for all of a runtime's
// workers.
#ifndef RL_HOST_WARM_H
#define RL_HOST_WARM_H

#include <lua.h>

typedef struct rl_warm rl_warm;

rl_warm *rl_warm_new(lua_State *L);  // NULL when memory is out; does not raise
rl_warm *rl_warm_ref(rl_warm *w);    // any thread
void rl_warm_unref(rl_warm *w);      // any thread; NULL is nothing

// Pushes the chunk of a file of stdlib/: from its runtime's warm ones if it is there. Raises.
int rl_warm_load(lua_State *L, const char *file);

#endif
