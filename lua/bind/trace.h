// The story of an error across coroutines and tasks: where it was raised, spawned and awaited.
#ifndef RL_BIND_TRACE_H
#define RL_BIND_TRACE_H

#include "lua/bind/site.h"

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

// Pushes the error's message, whatever its type; never raises but for memory.
void rl_push_message(lua_State *L, int index);

#endif
