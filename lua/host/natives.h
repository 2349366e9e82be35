// Native modules: those in the binary (natives.def), and those that are shared objects for the sake
// of a heavy library.
#ifndef RL_HOST_NATIVES_H
#define RL_HOST_NATIVES_H

#include <lua.h>

// For a searcher: pushes the loader and where it was found (2), or a sentence that says what is
// missing (1).
int rl_native_push(lua_State *L, const char *name, int c_modules);

#endif
