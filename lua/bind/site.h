// Where things happened: places in scripts, interned.
#ifndef RL_BIND_SITE_H
#define RL_BIND_SITE_H

#include "lua/bind/state.h"

// The place in a script that called the running C function, as a small number; 0: unknown.
int rl_site_here(lua_State *L);
void rl_site_watch(rl_state *st);  // handles and streams remember where they were opened
// In debug mode: tells on stderr that `what`, opened at `place`, is collected unclosed.
void rl_site_unclosed(const rl_state *st, const char *what, int place);
const char *rl_site_text(const rl_state *st, int site);  // "FILE:LINE", or "?"
void rl_sites_free(rl_state *st);

#endif
