// What watches a runtime: one observer of its steps in front of all that want to know of them.
#include "lua/host/seeing.h"

#include <string.h>
#include <time.h>

static uint64_t thread_time(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static void begin(rl_probe *probe, rl_ltask *t, bool fresh) {
  rille_runtime *rt = rl_container_of(probe, rille_runtime, probe);
  rt->step_began = uv_hrtime();
  rt->step_cpu = thread_time();
  if (rt->watch) rl_watch_step(rt);
  if (rt->tracing) rl_tracing_begin(rt, t, fresh);
}

static void note_slow(rille_runtime *rt, const rl_ltask *t, uint64_t lasted) {
  int at = RL_SLOWEST - 1;
  if (lasted <= rt->slowest[at].lasted) return;
  for (; at > 0 && rt->slowest[at - 1].lasted < lasted; at--) rt->slowest[at] = rt->slowest[at - 1];
  rt->slowest[at].lasted = lasted;
  rt->slowest[at].task = t->id;
  rt->slowest[at].site = t->site;
}

static void count(rille_runtime *rt, rl_ltask *t) {
  uint64_t lasted = uv_hrtime() - rt->step_began;
  int bucket = 0;
  while (bucket < RL_LAG_BUCKETS - 1 && lasted >= UINT64_C(1000) << bucket) bucket++;
  rt->lag[bucket]++;
  if (lasted > rt->lag_max) rt->lag_max = lasted;
  if (lasted > rt->lag_recent) rt->lag_recent = lasted;
  note_slow(rt, t, lasted);
  rt->steps++;
  rt->busy += lasted;
  t->cpu += thread_time() - rt->step_cpu;
}

static void end(rl_probe *probe, rl_ltask *t, bool over) {
  rille_runtime *rt = rl_container_of(probe, rille_runtime, probe);
  if (rt->step_began) count(rt, t);  // not if it was switched on within this step
  rt->step_began = 0;
  if (rt->watch) rl_watch_step(rt);
  if (rt->tracing) rl_tracing_end(rt, t, over);
}

void rl_seeing_measure(rille_runtime *rt) {
  rt->probe = (rl_probe){begin, end};
  rt->st.probe = &rt->probe;
}

int rl_seeing_start(rille_runtime *rt, const rl_seeing_options *o, const char **subject) {
  int err = 0;
  if (o->trace) {
    *subject = o->trace;
    err = rl_tracing_start(rt, o->trace);
  }
  if (err == 0 && o->profile) {
    *subject = o->profile;
    err = rl_profile_start(rt, o->profile);
  }
  if (err == 0 && (o->warn_blocking || o->ps)) {
    *subject = "watch thread";
    err = rl_watch_start(rt, o->warn_blocking, o->ps);
  }
  if (rt->tracing || (rt->watch && o->warn_blocking)) rl_seeing_measure(rt);
  return err;
}

void rl_seeing_stop(rille_runtime *rt) {
  if (rt->watch) rl_watch_stop(rt);
  if (rt->profile) rl_profile_stop(rt);
  if (rt->tracing) rl_tracing_stop(rt);
}
