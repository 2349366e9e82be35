// Turning the loop: rille_run, what a foreign loop polls, and the way to closed.
#include "lua/host/seeing.h"

#include <limits.h>
#include <string.h>

static bool has_tasks(const rille_runtime *rt) {
  return rt->st.main_scope->member_count > 0 || rt->st.detached->member_count > 0 ||
         rl_calls_any(rt);
}

static uint32_t posted(rille_runtime *rt) {
  uv_mutex_lock(&rt->port->lock);
  uint32_t count = rt->posted;
  uv_mutex_unlock(&rt->port->lock);
  return count;
}

static bool calls_alive(const rille_runtime *rt) {
  return rl_calls_any(rt) || rt->st.main_scope->member_count > 0;
}

static bool is_alive(rille_runtime *rt) {
  return rt->life != RL_LIFE_OPEN || calls_alive(rt) || posted(rt) > 0;
}

int rille_alive(rille_runtime *rt) {
  if (!rt || rl_runtime_check(rt) == RILLE_ETHREAD || rt->life == RL_LIFE_CLOSED) return 0;
  return is_alive(rt);
}

static void begin_drain(rille_runtime *rt) {
  rl_signals_leave(rt);
  rl_seeing_stop(rt);
  rl_limits_close(rt);
  rl_port_close(rt->port);
  rl_ops_orphan(rt);
  rl_state_close(&rt->st);
  rt->life = RL_LIFE_DRAINING;
}

// The host may free `rt` in `closed`.
static void finish_close(rille_runtime *rt) {
  if (rt->injected) rl_pump_stop(rt);
  rl_state_fini(&rt->st);
  rt->life = RL_LIFE_CLOSED;
  rt->running = false;
  if (rt->closed) rt->closed(rt->closed_ud);
}

// What follows every run of ready tasks. Nothing of `rt` may be touched after it once it is closed:
// the host may have freed it.
static bool after_run(rille_runtime *rt) {
  rl_orphans_report(&rt->st);
  rl_calls_reap(rt);
  if (rt->life != RL_LIFE_CLOSING || has_tasks(rt)) return true;
  begin_drain(rt);
  if (rt->injected) return true;
  finish_close(rt);
  return false;
}

static void report_deadlock(rille_runtime *rt) {
  if (rt->deadlocks++ == 0) rl_report_deadlock(&rt->st);
  rl_calls_deadlock(rt);
}

// A turn begins every call that was there at its beginning, also if each of them waits.
static void run_ready(rille_runtime *rt) {
  rille_runtime *outer = rl_limits_enter(rt);
  rl_loop *loop = &rt->st.loop;
  uint64_t last = rt->put_count;
  do {
    rl_loop_run(loop);
  } while (rt->put_count - rt->pending_count < last && loop->head != loop->fence);
  rl_limits_leave(rt, outer);
}

static bool wants_more(rille_runtime *rt) {
  if (rt->life == RL_LIFE_CLOSING) return true;
  return !atomic_load(&rt->stopping) && is_alive(rt);
}

static bool is_deadlocked(rille_runtime *rt) {
  bool watched = rt->options.flags & RILLE_DEADLOCKS;
  return watched && rl_loop_stuck(&rt->st.loop) && has_tasks(rt) && !posted(rt);
}

static rille_status run_to_end(rille_runtime *rt) {
  while (wants_more(rt)) {
    run_ready(rt);
    if (!after_run(rt)) return RILLE_OK;
    if (!wants_more(rt)) break;
    if (is_deadlocked(rt)) {
      if (rt->deadlocks == RL_DEADLOCKS_MAX) break;  // what is left is shielded, and lost
      report_deadlock(rt);
      continue;
    }
    rl_loop_poll(&rt->st.loop, true);
    rl_signals_look(rt);
  }
  rl_loop_do_chores(&rt->st.loop);
  rt->running = false;
  return RILLE_OK;
}

static rille_status run_once(rille_runtime *rt, bool block) {
  run_ready(rt);
  if (!after_run(rt)) return RILLE_OK;
  rl_loop_poll(&rt->st.loop, block && rille_alive(rt) && !rl_loop_stuck(&rt->st.loop));
  rl_signals_look(rt);
  run_ready(rt);
  rl_loop_do_chores(&rt->st.loop);
  if (after_run(rt)) rt->running = false;
  return RILLE_OK;
}

rille_status rille_run(rille_runtime *rt, int mode) {
  rille_status status = rl_runtime_check(rt);
  if (status != RILLE_OK && (status != RILLE_ECLOSED || rt->life == RL_LIFE_CLOSED)) return status;
  if (mode < RILLE_RUN_DEFAULT || mode > RILLE_RUN_NOWAIT) return RILLE_EINVAL;
  if (rt->running) return RILLE_EBUSY;
  rt->running = true;
  atomic_store(&rt->stopping, false);
  if (mode == RILLE_RUN_DEFAULT) return run_to_end(rt);
  return run_once(rt, mode == RILLE_RUN_ONCE);
}

void rl_runtime_stir(rille_runtime *rt) {
  if (rt && rt->injected) rl_pump_wake(rt);
}

void rl_runtime_turn(rille_runtime *rt, bool polled) {
  if (rt->running) return;
  if (rt->life == RL_LIFE_DRAINING) {
    if (polled && rl_loop_closed(&rt->st.loop)) finish_close(rt);
    return;
  }
  rt->running = true;
  rille_runtime *outer = rl_limits_enter(rt);
  rl_loop_turn(&rt->st.loop, polled);
  rl_limits_leave(rt, outer);
  if (after_run(rt)) rt->running = false;
}

void rille_stop(rille_runtime *rt, int exit_code) {
  if (!rt) return;
  atomic_store(&rt->exit_code, exit_code);
  atomic_store(&rt->stopping, true);
  uv_mutex_lock(&rt->port->lock);
  if (rt->port->rt) rl_loop_wake(&rt->st.loop);
  uv_mutex_unlock(&rt->port->lock);
}

int rille_exit_code(rille_runtime *rt) {
  if (!rt) return 0;
  int code = atomic_load(&rt->exit_code);
  if (code >= 0) return code;
  return rt->deadlocks ? 13 : rt->st.failed ? 1 : 0;
}

// libuv puts a descriptor into its epoll set when it polls next, and does not poll for handles that
// are not referenced, as our wake-up is.
static void watch_wakeup(rille_runtime *rt) {
  uv_handle_t *wakeup = (uv_handle_t *)&rt->st.loop.wakeup;
  uv_ref(wakeup);
  uv_run(rt->st.loop.uv, UV_RUN_NOWAIT);
  uv_unref(wakeup);
}

int rille_backend_fd(rille_runtime *rt) {
  if (!rt || rl_runtime_check(rt) == RILLE_ETHREAD || rt->life == RL_LIFE_CLOSED) return -1;
  if (!rt->injected && !rt->running && rt->life == RL_LIFE_OPEN) {
    rl_loop_precise(&rt->st.loop);  // else the host's timeout has to do, in whole milliseconds
    watch_wakeup(rt);
  }
  return uv_backend_fd(rt->st.loop.uv);
}

bool rl_runtime_busy(const rille_runtime *rt) {
  if (rt->life == RL_LIFE_DRAINING) return true;
  return rt->st.loop.head || (rt->life == RL_LIFE_CLOSING && !has_tasks(rt));
}

int rille_backend_timeout(rille_runtime *rt) {
  if (!rt || rl_runtime_check(rt) == RILLE_ETHREAD || rt->life == RL_LIFE_CLOSED) return -1;
  rl_loop *loop = &rt->st.loop;
  if (rl_runtime_busy(rt)) return 0;
  uv_update_time(loop->uv);
  // libuv answers 0 when nothing referenced is left; our own two handles are not.
  int timeout = uv_loop_alive(loop->uv) ? uv_backend_timeout(loop->uv) : -1;
  uint64_t due = rl_timers_next(&loop->timers), now = rl_loop_now(loop);
  if (due == RL_NEVER || loop->virtual_clock) return timeout;
  if (due <= now) return 0;
  if (!rt->injected) rl_loop_arm(loop);
  uint64_t ms = (due - now + 999999) / 1000000;
  int ours = ms > INT_MAX ? INT_MAX : (int)ms;
  return timeout >= 0 && timeout < ours ? timeout : ours;
}
