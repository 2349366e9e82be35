// Where things happened: interned places in scripts, and the story of an error across coroutines
// and tasks.
#ifndef RL_BIND_TRACE_H
#define RL_BIND_TRACE_H

#include "lua/bind/state.h"

// The place in a script that called the running C function, as a small number; 0: unknown.
int rl_site_here(lua_State *L);
void rl_site_watch(rl_state *st);  // handles and streams remember where they were opened
// In debug mode: tells on stderr that `what`, opened at `place`, is collected unclosed.
void rl_site_unclosed(const rl_state *st, const char *what, int place);
const char *rl_site_text(const rl_state *st, int site);  // "FILE:LINE", or "?"
void rl_sites_free(rl_state *st);

// Message handler at the root of a task and of a wrap: writes down the stack of the error before it
// unwinds.
int rl_trace_handler(lua_State *L);

// The same for the error at `index` that has ended `co`, a coroutine whose stack still stands.
void rl_trace_coroutine(lua_State *L, lua_State *co, int index);

// The error at `index` of a task that was spawned at `site` is about to be raised again where the
// caller waited.
void rl_trace_transit(lua_State *L, int index, int site);
// The same for who has awaited that task; and whether this is how the error at `index` came here.
void rl_trace_awaited(lua_State *L, int index, int site);
bool rl_trace_is_awaited(lua_State *L, int index);
// True if the task that runs has just raised the error at `index` by itself.
bool rl_trace_is_new(lua_State *L, int index);
// The same for the end of a task nobody waits for by name: only where it was spawned.
void rl_trace_spawned(lua_State *L, int index, int site);

// The error at the top stands for the one below it from now on; removes that.
void rl_trace_rename(lua_State *L);
// The error at `index`, which this task raised before it waited, is about to be raised again.
void rl_trace_keep(lua_State *L, int index);
// Another task runs: an equal error from now on is a new one.
void rl_trace_forget_transit(rl_state *st);

// Pushes the whole report of the uncaught error at `index`: message, traceback, spawned and awaited
// places, suppressed.
void rl_push_report(lua_State *L, int index);

// Pushes the stack of `co` from `level`, a line a frame, without the runtime's own frame at the
// bottom. `full`: with the names of library functions, which takes a search.
void rl_push_stack(lua_State *L, lua_State *co, int level, bool full);

// Pushes "table.sort" if the function of `ar`, a frame of `at`, is a field of a loaded module.
bool rl_push_function_name(lua_State *L, lua_State *at, lua_Debug *ar);

// Pushes the error's message, whatever its type; never raises but for memory.
void rl_push_message(lua_State *L, int index);

#endif
