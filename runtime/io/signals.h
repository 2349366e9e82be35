// Signals as they come, to any number of watchers. One libuv handle a signal, while anyone watches
// it; what handled the signal before, such as the program's own Ctrl-C, does so again afterwards.
#ifndef RL_IO_SIGNALS_H
#define RL_IO_SIGNALS_H

#include "runtime/core/op.h"
#include "runtime/io/handle.h"

enum { RL_SIGNALS = 65 };

typedef struct rl_signal_source rl_signal_source;

// One a runtime.
typedef struct rl_signals {
  rl_loop *loop;
  rl_signal_source *sources[RL_SIGNALS];  // by number; NULL: not watched
  rl_list watchers;
} rl_signals;

typedef struct rl_signal_watch {
  rl_link link;  // in `watchers`, while open
  rl_signals *signals;
  bool wanted[RL_SIGNALS];
  bool pending[RL_SIGNALS];  // like the kernel, a signal that has come and was not taken comes once
  uint8_t queue[RL_SIGNALS];  // the pending ones in order of arrival
  int count;
  rl_op op;  // of the one task that waits
} rl_signal_watch;

void rl_signals_init(rl_signals *s, rl_loop *loop);
void rl_signals_close(rl_signals *s);  // with every watch

// Embedded by its owner. Negative: that signal cannot be watched, and the watch is as it was.
void rl_signal_watch_init(rl_signal_watch *w, rl_signals *s);
int rl_signal_watch_add(rl_signal_watch *w, int number);
void rl_signal_watch_close(rl_signal_watch *w);

int rl_signal_watch_take(rl_signal_watch *w);  // the first that came, or 0
// Nothing is pending. `task` begins to wait for the next, or RL_CLOSED.
void rl_signal_watch_wait(rl_signal_watch *w, struct rl_task *task);

#endif
