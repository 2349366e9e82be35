// Ctrl-C and SIGTERM: the first cancels the main scope, so that cleanup runs; a second ends the
// process at once. The one mutable static of the library: a signal handler has no other way to find
// its runtime.
#include "lua/host/seeing.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { LATE_NS = 500000000 };  // what a step may take beyond the program's timeout

static struct {
  _Atomic(rille_runtime *) watcher;
  volatile sig_atomic_t seen;     // the signal that came first; 0: none
  volatile sig_atomic_t overdue;  // since when the loop has not looked, in alarms
  bool timed;
  timer_t timer;
  struct sigaction before_int, before_term, before_pipe, before_quit;
} signals;

static void on_quit(int number) {
  (void)number;
  rille_runtime *rt = atomic_load(&signals.watcher);
  if (rt) rl_ask(rt, RL_ASK_REPORT);
}

static void on_signal(int number) {
  rille_runtime *claimer = atomic_load(&signals.watcher);
  if (number == SIGINT && claimer && atomic_load(&claimer->claimed)) {
    rl_ask(claimer, RL_ASK_INTERRUPT);
    return;
  }
  if (signals.seen) _exit(128 + number);
  signals.seen = number;
  rille_runtime *rt = atomic_load(&signals.watcher);
  if (rt) rl_loop_wake(&rt->st.loop);
}

static void (*handler_of(int number))(int) {
  return number == SIGPIPE ? SIG_IGN : number == SIGQUIT ? on_quit : on_signal;
}

// A signal that is ignored, as under nohup, stays ignored.
static void take(int number, struct sigaction *before) {
  sigaction(number, NULL, before);
  if (before->sa_handler != SIG_DFL) return;
  struct sigaction action = {.sa_handler = handler_of(number), .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

static void give_back(int number, const struct sigaction *before) {
  struct sigaction now;
  sigaction(number, NULL, &now);
  if (now.sa_handler == handler_of(number)) sigaction(number, before, NULL);
}

void rl_signals_watch(rille_runtime *rt) {
  rille_runtime *none = NULL;
  if (!atomic_compare_exchange_strong(&signals.watcher, &none, rt)) return;
  rt->watches_signals = true;
  signals.seen = 0;
  take(SIGINT, &signals.before_int);
  take(SIGTERM, &signals.before_term);
  take(SIGPIPE, &signals.before_pipe);
  take(SIGQUIT, &signals.before_quit);
}

static void stop_timer(void) {
  signals.overdue = 0;
  if (signals.timed) timer_delete(signals.timer);
  signals.timed = false;
}

void rl_signals_leave(rille_runtime *rt) {
  if (!rt->watches_signals) return;
  rt->watches_signals = false;
  stop_timer();
  give_back(SIGINT, &signals.before_int);
  give_back(SIGTERM, &signals.before_term);
  give_back(SIGPIPE, &signals.before_pipe);
  give_back(SIGQUIT, &signals.before_quit);
  atomic_store(&signals.watcher, NULL);
}

// A deadline cancels what waits. A step that is still at it half a second later does not wait.
static void on_alarm(int number) {
  (void)number;
  rille_runtime *rt = atomic_load(&signals.watcher);
  if (rt && signals.overdue++ > 0) rille_interrupt(rt, RILLE_ETIMEOUT);
}

void rl_signals_timeout(rille_runtime *rt, uint64_t ns) {
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
  struct itimerspec when = {{0, LATE_NS}, {(time_t)(ns / 1000000000), (long)(ns % 1000000000)}};
  if (!rt->watches_signals) return;
  sigemptyset(&action.sa_mask);
  sigaction(SIGALRM, &action, NULL);
  if (!signals.timed) signals.timed = timer_create(CLOCK_MONOTONIC, &event, &signals.timer) == 0;
  signals.overdue = 0;
  if (signals.timed) timer_settime(signals.timer, 0, &when, NULL);
}

void rl_signals_claim(rille_runtime *rt, bool on) { atomic_store(&rt->claimed, on); }

void rl_signals_look(rille_runtime *rt) {
  if (rt->profile) rl_profile_polled(rt);
  if (signals.overdue && rt->watches_signals) stop_timer();
  if (atomic_load_explicit(&rt->asked, memory_order_relaxed)) rl_asked(rt);
  if (!rt->watches_signals || !signals.seen) return;
  int unset = -1;
  if (!atomic_compare_exchange_strong(&rt->exit_code, &unset, 128 + signals.seen)) return;
  rl_scope_cancel(rt->st.main_scope, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
}
