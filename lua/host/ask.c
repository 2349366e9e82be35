// What signal handlers ask of a runtime: done by the running coroutine at its next instruction, by
// a hook that lives until then, or by the loop once it has polled.
#include "lua/host/seeing.h"

#include <lauxlib.h>

static void do_asked(rille_runtime *rt, lua_State *L) {
  unsigned asked = atomic_exchange(&rt->asked, 0);
  if (asked & RL_ASK_SAMPLE && L) rl_profile_sample(rt, L);
  if (asked & RL_ASK_BLOCKED && L) rl_watch_report(rt);
  if (asked & RL_ASK_REPORT) rl_report_tasks(&rt->st);
  if (asked & RL_ASK_ANSWER) rl_watch_answer(rt);
  if (asked & RL_ASK_INTERRUPT) {
    if (L) luaL_error(L, "interrupted");
    if (rl_op_pending(&rt->interrupted)) rl_op_finish(&rt->interrupted, 0);
  }
}

static void on_hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  rille_runtime *rt = rl_runtime_of(L);
  lua_Hook function = rt->hook.function;
  int mask = rt->hook.mask, count = rt->hook.count;
  rt->hook.function = NULL;  // before the hook goes: a signal may come in between
  rt->hook.mask = 0;
  lua_sethook(L, function, mask, count);
  if (L == rt->st.running) do_asked(rt, L);
}

void rl_ask(rille_runtime *rt, unsigned what) {
  atomic_fetch_or(&rt->asked, what);
  lua_State *L = rt->st.current ? rt->st.running : NULL;
  if (L && lua_gethook(L) != on_hook) {
    rt->hook.function = lua_gethook(L);
    rt->hook.mask = lua_gethookmask(L);
    rt->hook.count = lua_gethookcount(L);
    lua_sethook(L, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
  }
  if (what & ~(unsigned)RL_ASK_SAMPLE) rl_loop_wake(&rt->st.loop);
}

void rl_asked(rille_runtime *rt) { do_asked(rt, NULL); }
