// A thread with a loop of its own, as seen by the loop that started it: its end, the answers it
// sends, and how it is stopped. Counted: the one who started it and the thread hold it.
#ifndef RL_THREAD_WORKER_H
#define RL_THREAD_WORKER_H

#include "runtime/core/loop.h"
#include "runtime/core/op.h"

typedef struct rl_worker rl_worker;

typedef struct rl_worker_body {
  void (*run)(rl_worker *);   // on the new thread; ends when the worker has
  void (*stop)(void *child);  // on the worker's loop: end what can be ended
  void (*free)(void *ud);     // any thread, last
  void (*drop)(void *item);   // of an answer nobody awaits, or of a result
} rl_worker_body;

struct rl_worker {
  atomic_uint refs;
  const rl_worker_body *body;
  void *ud;
  uv_mutex_t lock;
  uv_cond_t change;
  rl_loop *parent;  // who is told; NULL: nobody any more
  rl_loop *loop;    // its own, while it may be posted to
  void *child;      // whose loop it is
  uv_thread_t thread;
  bool over, stopping, joined;
  void *result;  // set by the thread before it is over
  int status;
  rl_post ended;
  rl_list waiting;  // rl_worker_wait of joiners and callers: the parent's thread only
};

// One wait of the parent's: for the end, or for the answer to a call.
typedef struct rl_worker_wait {
  rl_op op;
  rl_link link;
  uint64_t call;  // 0: the end
  void *answer;   // of a call whose status is 1
} rl_worker_wait;

// `stack` bytes for the thread; 0: the system's default. Negative: no thread was started, and `ud`
// is the caller's.
int rl_worker_start(rl_worker **out, rl_loop *parent, const rl_worker_body *body, void *ud,
                    size_t stack);
void rl_worker_unref(rl_worker *w);

// The parent's side.
// Begins to wait; done at once if it is over. The status of a joiner is 1, of a caller 1 or
// RL_CLOSED.
void rl_worker_await(rl_worker *w, rl_worker_wait *wait, struct rl_task *task, uint64_t call);
// Tells it to end, also while it runs code. Again and again, until it is over.
void rl_worker_stop(rl_worker *w);
// The parent goes: stops it and blocks until it is over, for `ns` at most. False: it runs on alone.
bool rl_worker_leave(rl_worker *w, uint64_t ns);

// The worker's side.
void rl_worker_born(rl_worker *w, rl_loop *loop, void *child);  // may be stopped from now on
void rl_worker_dying(rl_worker *w);                             // its loop is about to close
void rl_worker_answer(rl_worker *w, uint64_t call, void *item);
bool rl_worker_stopping(rl_worker *w);

// What the signal that interrupts a thread's running code does there; `child` as given to
// rl_worker_born.
typedef void (*rl_interrupt_fn)(void *child);
void rl_interrupt_here(rl_interrupt_fn f, void *child);  // NULL: nothing

#endif
