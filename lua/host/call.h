// A call of the host, between lua/host/call.c, its entries, and lua/host/begin.c, which runs it.
#ifndef RL_HOST_CALL_H
#define RL_HOST_CALL_H

#include "lua/host/runtime.h"

struct rille_call {
  atomic_int refs;  // the runtime's until it has ended, the host's, and cancels' under way
  bool held;  // by the host, whose thread may be another: from malloc, and the port is counted
  bool cancelled, ended;
  rl_link link;  // in rt->pending, then in rt->calls, then in rt->ended
  rille_runtime *rt;
  rl_port *port;
  rl_scope *scope;  // its task's home, if it has one of its own
  rl_ltask *task;   // once it has begun
  rille_done_fn done;
  void *ud;
  uint64_t grace;
  int at, nargs;  // while it is pending: where its function stands on rt->line
};

void rl_call_unref(rille_call *call);
// A scope of its own, for what must be bounded before its task exists. False: memory is out.
bool rl_call_own_scope(rille_call *call);

// The function and its arguments at the top of L wait for a task that takes calls; pops them.
rille_status rl_call_put(rille_call *call, lua_State *L);
// They become a task of the call's own at once; pops them.
rille_status rl_call_start(rille_call *call, lua_State *L);
void rl_call_name(rille_call *call, const char *name);  // of its task; not if memory is out
// Gives a pending call a task of its own. False: memory is out, and the host has been told.
bool rl_call_pull(rille_call *call);

#endif
