// Runtimes on other threads, for workers: the same kind as their parent's, without the process-wide
// parts.
#include "lua/bind/birth.h"

#include "lua/host/bundle.h"
#include "lua/host/runtime.h"
#include "lua/host/warm.h"
#include "runtime/io/permit.h"

#include <string.h>

typedef struct birth_call {
  rl_life_plan *plan;
  rille_runtime *rt;
} birth_call;

typedef struct inheritance {
  rille_options options;
  rl_permit *permit;
  rl_warm *warm;
  rl_bundle *bundle;
} inheritance;

static void *inherit(rl_state *parent) {
  rille_runtime *rt = parent->host;
  if (!rt->warm) rt->warm = rl_warm_new(parent->L);
  inheritance *in = malloc(sizeof *in);
  if (!in || !rt->warm) {
    free(in);
    return NULL;
  }
  in->warm = rl_warm_ref(rt->warm);
  in->bundle = rl_bundle_ref(rt->bundle);
  in->permit = rl_permit_ref(parent->loop.permit);
  rille_options *o = &in->options;
  *o = rt->options;
  o->loop = NULL;
  o->alloc = NULL;
  o->alloc_ud = NULL;
  o->argc = 0;
  o->argv = NULL;
  o->flags |= RILLE_NO_SIGNALS;
  o->load_module = NULL;
  o->on_unhandled = NULL;
  return in;
}

static void disinherit(void *inherited) {
  inheritance *in = inherited;
  rl_warm_unref(in->warm);
  rl_bundle_unref(in->bundle);
  rl_permit_unref(in->permit);
  free(in);
}

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results,
                    int count) {
  (void)call;
  birth_call *b = ud;
  int code = atomic_load(&b->rt->exit_code);
  b->plan->exit_code = status == RILLE_ECANCELED ? code : -1;
  b->plan->ended(b->plan, results, count, status == RILLE_OK, status == RILLE_ECANCELED);
}

static int start(rille_runtime *rt, birth_call *b) {
  lua_State *L = rille_lua(rt);
  lua_pushcfunction(L, b->plan->main);
  lua_pushlightuserdata(L, b->plan);
  rille_call_options co = {.size = sizeof co, .name = "worker"};
  rille_status status = rille_call_async(rt, 1, &co, on_done, b, NULL);
  return status == RILLE_OK ? 0 : UV_ENOMEM;
}

static int live(void *inherited, rl_life_plan *plan) {
  inheritance in = *(inheritance *)inherited;
  free(inherited);
  rille_options o = in.options;
  if (plan->memory_limit) o.memory_limit = plan->memory_limit;
  rille_runtime *rt;
  if (rl_runtime_new(&o, in.permit, &rt) != RILLE_OK) {
    rl_warm_unref(in.warm);
    rl_bundle_unref(in.bundle);
    return UV_ENOMEM;
  }
  rt->warm = in.warm;
  rt->st.load = rl_warm_load;
  birth_call b = {plan, rt};
  plan->exit_code = -1;
  plan->born(plan, &rt->st);
  int err = in.bundle && !rl_bundle_open(rt, in.bundle) ? UV_ENOMEM : start(rt, &b);
  rl_bundle_unref(in.bundle);
  if (err == 0) rille_run(rt, RILLE_RUN_DEFAULT);
  rille_close(rt, plan->dying(plan), NULL, NULL);
  rille_run(rt, RILLE_RUN_DEFAULT);
  plan->gone(plan);
  rille_free(rt);
  return err;
}

const rl_birth rl_host_birth = {inherit, live, disinherit};
