// What a new state is given: where modules come from, `arg`, os.exit, and what its flags take away.
#include "lua/host/seeing.h"

#include "lua/bind/await.h"
#include "lua/bind/site.h"
#include "lua/host/guard.h"
#include "lua/host/sandbox.h"
#include "lua/host/stdlib.h"
#include "lua/bind/base.h"

#include <stdlib.h>

static void set_arg(lua_State *L, const rille_options *o) {
  lua_createtable(L, o->argc, 1);
  for (int i = 0; i < o->argc && o->argv && o->argv[i]; i++) {
    lua_pushstring(L, o->argv[i]);
    lua_rawseti(L, -2, i);
  }
  lua_setglobal(L, "arg");
}

// The host's own searcher, asked before every other but package.preload.
int rl_host_search(lua_State *L) {
  const rille_options *o = &rl_runtime_of(L)->options;
  const char *name = luaL_checkstring(L, 1);
  if (!o->load_module(L, name, o->ud)) {
    lua_pushfstring(L, "no module '%s' of the host", name);
    return 1;
  }
  lua_pushliteral(L, "(of the host)");
  return 2;
}

static void add_host_searcher(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
    lua_geti(L, -1, i);
    lua_seti(L, -2, i + 1);
  }
  lua_pushcfunction(L, rl_host_search);
  lua_seti(L, -2, 2);
  lua_pop(L, 2);
}

static int exit_code_of(lua_State *L) {
  if (lua_isboolean(L, 1)) return lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
  return (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
}

static int exit_again(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_raise_cancelled_if_due(L);
  return 0;
}

// Log lines that their task has not written yet.
static int flush_log(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "rille.log") != LUA_TTABLE) return 0;
  lua_getfield(L, -1, "_flush");
  lua_call(L, 0, 0);
  return 0;
}

// os.exit(code, true) cancels the main scope, so that cleanup runs; os.exit(code) ends the process
// as it stands.
static int os_exit(lua_State *L) {
  int code = exit_code_of(L);
  rille_runtime *rt = rl_runtime_of(L);
  if (!lua_toboolean(L, 2)) {
    lua_pushcfunction(L, flush_log);
    lua_pcall(L, 0, 0, 0);
    rl_seeing_stop(rt);  // what was seen so far is kept
    exit(code);
  }
  rl_checkpoint(L);
  atomic_store(&rt->exit_code, code);
  rl_scope_cancel(rt->st.main_scope, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
  return rl_no_wait(L, exit_again, 0);
}

void rl_runtime_furnish(lua_State *L, rille_runtime *rt) {
  const rille_options *o = &rt->options;
  bool no_env = o->flags & RILLE_NO_ENV;
  rl_guard_apply(L);
  rl_stdlib_open(L, no_env ? NULL : getenv("RILLE_STDLIB"), !(o->flags & RILLE_NO_CMODULES));
  rl_compat_open(L, no_env ? NULL : getenv("RILLE_COMPAT"));
  rt->st.load = rl_stdlib_load;
  rt->st.debug = !no_env && getenv("RILLE_DEBUG");
  if (rt->st.debug) rl_site_watch(&rt->st);
  rl_base_open(L);
  rl_output_open(L);
  if (o->load_module) add_host_searcher(L);
  if (o->argv) set_arg(L, o);
  lua_getglobal(L, "os");
  lua_pushcfunction(L, os_exit);
  lua_setfield(L, -2, "exit");
  lua_pop(L, 1);
  rl_sandbox_apply(L, o->flags);
}
