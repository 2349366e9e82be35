// Turns a runtime whose loop belongs to the host: whenever that loop has polled, ready tasks run.
#include "lua/host/runtime.h"

typedef struct rl_pump {
  rille_runtime *rt;     // NULL once stopped
  uv_prepare_t prepare;  // before the poll: runs what is ready
  uv_check_t check;      // after it: runs what it has woken
  uv_idle_t idle;        // active while something is ready, so that the poll does not sleep
  int open;
} rl_pump;

static void on_closed(uv_handle_t *h) {
  rl_pump *pump = h->data;
  if (--pump->open == 0) free(pump);
}

static void on_idle(uv_idle_t *idle) { (void)idle; }

// A referenced idle handle also keeps uv_run from returning; while tasks only wait, the alarm does.
static void settle(rl_pump *pump) {
  rl_loop *loop = &pump->rt->st.loop;
  uv_handle_t *alarm = (uv_handle_t *)&loop->alarm, *wakeup = (uv_handle_t *)&loop->wakeup;
  if (rl_runtime_busy(pump->rt)) {
    uv_idle_start(&pump->idle, on_idle);
  } else {
    uv_idle_stop(&pump->idle);
  }
  if (pump->rt->life == RL_LIFE_DRAINING) return;  // they close
  if (rille_alive(pump->rt)) {
    uv_ref(alarm);
    uv_ref(wakeup);
  } else {
    uv_unref(alarm);
    uv_unref(wakeup);
  }
}

static void turn(rl_pump *pump, bool polled) {
  if (!pump->rt) return;
  rl_runtime_turn(pump->rt, polled);  // may stop the pump
  if (pump->rt) settle(pump);
}

static void on_prepare(uv_prepare_t *prepare) { turn(prepare->data, false); }
static void on_check(uv_check_t *check) { turn(check->data, true); }

int rl_pump_start(rille_runtime *rt) {
  rl_pump *pump = calloc(1, sizeof *pump);
  if (!pump) return UV_ENOMEM;
  uv_loop_t *loop = rt->st.loop.uv;
  pump->rt = rt;
  pump->open = 3;
  pump->prepare.data = pump->check.data = pump->idle.data = pump;
  uv_prepare_init(loop, &pump->prepare);
  uv_check_init(loop, &pump->check);
  uv_idle_init(loop, &pump->idle);
  uv_prepare_start(&pump->prepare, on_prepare);
  uv_check_start(&pump->check, on_check);
  uv_unref((uv_handle_t *)&pump->prepare);
  uv_unref((uv_handle_t *)&pump->check);
  rt->pump = pump;
  return 0;
}

void rl_pump_stop(rille_runtime *rt) {
  rl_pump *pump = rt->pump;
  pump->rt = NULL;
  rt->pump = NULL;
  uv_close((uv_handle_t *)&pump->prepare, on_closed);
  uv_close((uv_handle_t *)&pump->check, on_closed);
  uv_close((uv_handle_t *)&pump->idle, on_closed);
}

void rl_pump_wake(rille_runtime *rt) {
  if (rt->pump && !rt->running) settle(rt->pump);
}
