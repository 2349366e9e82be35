// The life of a runtime: options, birth, orderly close.
#include "lua/host/runtime.h"
#include "lua/host/bundle.h"
#include "lua/host/warm.h"
#include "runtime/io/permit.h"

#include <pthread.h>
#include <string.h>

enum { UNTRUSTED_REPORTS = 64 };  // a tick: a crowd that fails must not hold its host up

const char *rille_version(void) { return RILLE_VERSION; }

const char *rille_strerror(rille_status status) {
  static const char *const texts[] = {
      "success",
      "syntax error",
      "error in a script",
      "out of memory",
      "cancelled",
      "timed out",
      "over the CPU limit",
      "not allowed",
      "closed",
      "invalid argument",
      "busy",
      "wrong thread",
      "a struct of another version",
  };
  unsigned index = (unsigned)status;
  return index < sizeof texts / sizeof *texts ? texts[index] : "unknown status";
}

void rille_options_init(rille_options *options, size_t size) {
  if (!options || size < sizeof options->size) return;
  memset(options, 0, size);
  options->size = size;
}

rille_status rl_status_of_lua(int code) {
  switch (code) {
    case LUA_OK: return RILLE_OK;
    case LUA_ERRSYNTAX: return RILLE_ESYNTAX;
    case LUA_ERRMEM: return RILLE_ENOMEM;
    default: return RILLE_EERROR;
  }
}

rille_status rl_runtime_check(const rille_runtime *rt) {
  if (!rt) return RILLE_EINVAL;
  if (!pthread_equal(pthread_self(), rt->thread)) return RILLE_ETHREAD;
  return rt->life == RL_LIFE_OPEN ? RILLE_OK : RILLE_ECLOSED;
}

static void report_unhandled(rl_state *st, const char *text) {
  rille_runtime *rt = st->host;
  rt->options.on_unhandled(rt->options.ud, rt, text);
}

static int furnish(lua_State *L) {
  rl_runtime_furnish(L, lua_touserdata(L, 1));
  return 0;
}

// The host hears what no status can say.
static void log_error(const rille_options *o, const char *what, const char *why) {
  char message[RL_REFUSAL + 32];
  int length = snprintf(message, sizeof message, "%s: %s", what, why);
  if (o->log) o->log(o->ud, RILLE_LOG_ERROR, message, (size_t)length);
}

static rille_status open_state(rille_runtime *rt, rl_permit *permit) {
  const rille_options *o = &rt->options;
  rl_state_options so = {.uv = o->loop,
                         .alloc = o->alloc,
                         .alloc_ud = o->alloc_ud,
                         .memory_limit = o->memory_limit,
                         .pool_threads = o->pool_threads,
                         .no_env = o->flags & RILLE_NO_ENV,
                         .permit = permit};
  int err = rl_state_init(&rt->st, &so);
  if (err < 0) {
    log_error(o, "cannot make an event loop", uv_strerror(err));
    return err == UV_ENOMEM ? RILLE_ENOMEM : RILLE_EERROR;
  }
  rt->st.host = rt;
  rt->st.birth = &rl_host_birth;
  if (o->flags & RILLE_UNTRUSTED) rt->st.reports = UNTRUSTED_REPORTS;
  if (o->on_unhandled) rt->st.report = report_unhandled;
  lua_pushcfunction(rt->st.L, furnish);
  lua_pushlightuserdata(rt->st.L, rt);
  err = lua_pcall(rt->st.L, 1, 0, 0);
  rille_status status = rl_status_of_lua(err);
  if (status == RILLE_OK && rt->injected && rl_pump_start(rt) < 0) status = RILLE_ENOMEM;
  if (status == RILLE_OK && rl_limits_open(rt) < 0) status = RILLE_ENOMEM;
  if (status != RILLE_OK) rl_state_fini(&rt->st);
  return status;
}

static rille_runtime *runtime_new(const rille_options *options) {
  rille_runtime *rt = calloc(1, sizeof *rt);
  if (!rt) return NULL;
  rt->port = rl_port_new(rt);
  if (!rt->port) {
    free(rt);
    return NULL;
  }
  rt->options = *options;
  if (rt->options.flags & RILLE_UNTRUSTED) {
    rt->options.flags |= RILLE_NO_CMODULES | RILLE_NO_ENV | RILLE_NO_STDIO;
  }
  rt->injected = options->loop;
  rt->thread = uv_thread_self();
  rl_link_init(&rt->pending);
  rl_link_init(&rt->calls);
  rl_link_init(&rt->ended);
  rl_link_init(&rt->ops);
  atomic_init(&rt->exit_code, -1);
  atomic_init(&rt->stopping, false);
  atomic_init(&rt->interrupt, 0);
  return rt;
}

rille_status rl_runtime_new(const rille_options *options, rl_permit *permit, rille_runtime **out) {
  rille_runtime *rt = runtime_new(options);
  if (!rt) {
    rl_permit_unref(permit);
    return RILLE_ENOMEM;
  }
  rille_status status = open_state(rt, permit);
  if (status != RILLE_OK) {
    rl_port_unref(rt->port);
    free(rt);
    return status;
  }
  if (!(rt->options.flags & RILLE_NO_SIGNALS)) rl_signals_watch(rt);
  *out = rt;
  return RILLE_OK;
}

// A host that was compiled with an older header has a shorter struct.
rille_status rille_new(const rille_options *given, rille_runtime **out) {
  if (!out) return RILLE_EINVAL;
  *out = NULL;
  rille_options o;
  rille_options_init(&o, sizeof o);
  size_t size = given ? given->size : sizeof o;
  if (size < offsetof(rille_options, permissions) || size > sizeof o) return RILLE_EVERSION;
  if (given) memcpy(&o, given, size);
  if (o.pool_threads < 0 || o.argc < 0) return RILLE_EINVAL;
  rl_permit *permit;
  char why[RL_REFUSAL];
  int err = rl_host_permit(&o, &permit, why);
  if (err == UV_ENOMEM) return RILLE_ENOMEM;
  if (err < 0) {
    log_error(&o, "permission", why);
    return RILLE_EINVAL;
  }
  o.permissions = NULL;  // the host's list may go
  return rl_runtime_new(&o, permit, out);
}

lua_State *rille_lua(rille_runtime *rt) {
  return rl_runtime_check(rt) == RILLE_OK ? rt->st.L : NULL;
}

rille_runtime *rille_of(lua_State *L) { return L ? rl_runtime_of(L) : NULL; }

rille_status rille_close(rille_runtime *rt, uint64_t grace_ns, void (*closed)(void *), void *ud) {
  rille_status status = rl_runtime_check(rt);
  if (status != RILLE_OK) return status;
  rt->life = RL_LIFE_CLOSING;
  uv_mutex_lock(&rt->port->lock);
  rt->port->closing = true;
  uv_mutex_unlock(&rt->port->lock);
  rt->closed = closed;
  rt->closed_ud = ud;
  rl_scope_cancel(rt->st.main_scope, RL_BECAUSE_CALL, grace_ns);
  rl_scope_cancel(rt->st.detached, RL_BECAUSE_CALL, grace_ns);
  rl_runtime_stir(rt);
  return RILLE_OK;
}

rille_status rille_free(rille_runtime *rt) {
  if (!rt) return RILLE_OK;
  rille_status status = rl_runtime_check(rt);
  if (status == RILLE_OK) return RILLE_EBUSY;
  if (status != RILLE_ECLOSED) return status;
  if (rt->life != RL_LIFE_CLOSED) return RILLE_EBUSY;
  rl_port_unref(rt->port);
  rl_warm_unref(rt->warm);
  rl_bundle_unref(rt->bundle);
  free(rt);
  return RILLE_OK;
}
