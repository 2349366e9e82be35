// Stopping Lua code that does not wait: a hook on the innermost coroutine, armed by a signal on the
// loop's thread. Until then it costs nothing. The signal is SIGURG, which is ignored by default: a
// stray one harms nobody.
#include "lua/host/runtime.h"

#include "lua/bind/resume.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { AGAIN_NS = 2000000 };  // a stop that found no coroutine to hook is tried again

// CPU time of the calls that are alive together.
typedef struct rl_meter {
  timer_t timer;
  uint64_t used, began;
} rl_meter;

static _Thread_local rille_runtime *volatile ticking;  // whose tasks run on this thread now

static void stop_hook(lua_State *L, lua_Debug *ar);

static void arm(lua_State *L) { lua_sethook(L, stop_hook, LUA_MASKCOUNT | LUA_MASKCALL, 1); }

// The coroutines below get it too: what one raises, pcall and resume in another would swallow.
static void arm_chain(rl_state *st) {
  const rl_ltask *t = st->current;
  if (!t) return;
  for (int i = 0; i < t->depth; i++) arm(t->chain[i]);
  if (t->L) arm(t->L);
}

static void stop_hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  rille_runtime *rt = rl_runtime_of(L);
  int why = atomic_load(&rt->interrupt);
  if (!why) {
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  arm(L);
  arm_chain(&rt->st);
  if (why == RILLE_ENOMEM) {
    luaL_error(L, "not enough memory");
  } else {
    luaL_error(L, "stopped: %s", rille_strerror((rille_status)why));
  }
}

// Once the time is used up, whatever still runs is stopped at its first instruction.
static void exhaust(rille_runtime *rt) {
  int none = 0;
  atomic_compare_exchange_strong(&rt->interrupt, &none, RILLE_EBUDGET);
  rt->st.before_resume = arm;
}

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  rille_runtime *rt = ticking;
  if (!rt) return;
  if (info->si_code == SI_TIMER) exhaust(rt);
  lua_State *running = rt->st.running;
  if (running && atomic_load(&rt->interrupt)) arm(running);
}

static void install(void) {
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGURG, &action, NULL);
}

static void install_once(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
}

void rille_interrupt(rille_runtime *rt, rille_status why) {
  if (!rt || why == RILLE_OK) return;
  atomic_store(&rt->interrupt, why);
  int saved = errno;
  if (rt->interruptible) pthread_kill(rt->thread, SIGURG);
  errno = saved;
}

static void on_memory_limit(rl_state *st) {
  rille_runtime *rt = st->host;
  int none = 0;
  if (!st->running) return;
  atomic_compare_exchange_strong(&rt->interrupt, &none, RILLE_ENOMEM);
  arm(st->running);
  if (rt->options.flags & RILLE_UNTRUSTED) st->before_resume = arm;
}

static uint64_t cpu_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void set_timer(rl_meter *m, uint64_t ns) {
  struct itimerspec when = {{0, ns ? AGAIN_NS : 0},
                            {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)}};
  timer_settime(m->timer, 0, &when, NULL);
}

int rl_limits_open(rille_runtime *rt) {
  if (rt->options.memory_limit) rt->st.limit_hit = on_memory_limit;
  if (!(rt->options.flags & RILLE_NO_SIGNALS) || rt->options.cpu_limit_ns) {
    install_once();
    rt->interruptible = true;
  }
  if (!rt->options.cpu_limit_ns) return 0;
  rl_meter *m = calloc(1, sizeof *m);
  if (!m) return UV_ENOMEM;
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG};
  event.sigev_notify_thread_id = gettid();
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &m->timer) != 0) {
    free(m);
    return -errno;
  }
  rt->meter = m;
  return 0;
}

void rl_limits_close(rille_runtime *rt) {
  if (!rt->meter) return;
  timer_delete(rt->meter->timer);
  free(rt->meter);
  rt->meter = NULL;
}

rille_runtime *rl_limits_enter(rille_runtime *rt) {
  rille_runtime *outer = ticking;
  ticking = rt;
  rl_meter *m = rt->meter;
  if (!rl_calls_any(rt)) {
    atomic_store(&rt->interrupt, 0);
    rt->st.before_resume = NULL;
    if (m) m->used = 0;
  }
  int why = atomic_load(&rt->interrupt);  // of memory, whoever asks for more hears by itself
  if (why && why != RILLE_ENOMEM) rt->st.before_resume = arm;
  if (!m) return outer;
  uint64_t limit = rt->options.cpu_limit_ns;
  if (m->used >= limit) exhaust(rt);
  m->began = cpu_now();
  set_timer(m, m->used < limit ? limit - m->used : 1000);
  return outer;
}

void rl_limits_leave(rille_runtime *rt, rille_runtime *outer) {
  ticking = outer;
  rl_meter *m = rt->meter;
  if (!m) return;
  set_timer(m, 0);
  m->used += cpu_now() - m->began;
}

int rl_limits_take(rille_runtime *rt) {
  const rl_meter *m = rt->meter;
  int why = atomic_exchange(&rt->interrupt, 0);
  if (!m || m->used < rt->options.cpu_limit_ns) rt->st.before_resume = NULL;
  return why;
}
