// A thread with a loop of its own.
#include "runtime/thread/worker.h"

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/core/task.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

// Running code is interrupted by a signal to its thread: only that thread may touch its Lua state.
// SIGURG does nothing where nobody handles it, and no shell sends it.
enum { INTERRUPT_SIGNAL = SIGURG };

typedef struct answer {
  rl_post post;
  rl_worker *worker;
  uint64_t call;
  void *item;
} answer;

static _Thread_local struct {
  rl_interrupt_fn f;
  void *child;
} here;

static void on_interrupt(int number) {
  (void)number;
  if (here.f) here.f(here.child);
}

static void install(void) {
  struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(INTERRUPT_SIGNAL, &action, NULL);
}

void rl_interrupt_here(rl_interrupt_fn f, void *child) {
  here.f = NULL;
  atomic_signal_fence(memory_order_seq_cst);
  here.child = child;
  atomic_signal_fence(memory_order_seq_cst);
  here.f = f;
}

void rl_worker_unref(rl_worker *w) {
  if (atomic_fetch_sub(&w->refs, 1) != 1) return;
  if (w->result) w->body->drop(w->result);
  w->body->free(w->ud);
  uv_cond_destroy(&w->change);
  uv_mutex_destroy(&w->lock);
  free(w);
}

static void wake_all(rl_worker *w, int status) {
  for (rl_link *l; (l = rl_list_pop(&w->waiting));) {
    rl_worker_wait *wait = rl_container_of(l, rl_worker_wait, link);
    rl_op_finish(&wait->op, wait->call ? status : 1);
  }
}

static void join(rl_worker *w) {
  if (!w->joined) uv_thread_join(&w->thread);
  w->joined = true;
}

static void on_ended(rl_post *post) {
  rl_worker *w = rl_container_of(post, rl_worker, ended);
  join(w);
  wake_all(w, RL_CLOSED);
  rl_worker_unref(w);
}

static void on_ended_late(rl_post *post) {
  rl_worker_unref(rl_container_of(post, rl_worker, ended));
}

static void thread_main(void *arg) {
  rl_worker *w = arg;
  pthread_setname_np(pthread_self(), "rille-worker");
  w->body->run(w);
  rl_interrupt_here(NULL, NULL);
  uv_mutex_lock(&w->lock);
  w->over = true;
  bool told = w->parent && rl_loop_post(w->parent, &w->ended);  // takes the thread's reference
  uv_cond_broadcast(&w->change);
  uv_mutex_unlock(&w->lock);
  if (!told) rl_worker_unref(w);
}

// A worker's thread takes no signal but the one that interrupts it.
static int start_thread(rl_worker *w, size_t stack) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, install);
  sigset_t most, before;
  sigfillset(&most);
  sigdelset(&most, INTERRUPT_SIGNAL);
  pthread_sigmask(SIG_SETMASK, &most, &before);
  uv_thread_options_t options = {.flags = stack ? UV_THREAD_HAS_STACK_SIZE : 0,
                                 .stack_size = stack};
  int err = uv_thread_create_ex(&w->thread, &options, thread_main, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return err;
}

static rl_worker *worker_new(rl_loop *parent, const rl_worker_body *body, void *ud) {
  rl_worker *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  if (uv_mutex_init(&w->lock) < 0) goto no_lock;
  if (uv_cond_init(&w->change) < 0) goto no_cond;
  atomic_init(&w->refs, 2);
  w->parent = parent;
  w->body = body;
  w->ud = ud;
  w->ended = (rl_post){NULL, on_ended, on_ended_late};
  rl_link_init(&w->waiting);
  return w;
no_cond:
  uv_mutex_destroy(&w->lock);
no_lock:
  free(w);
  return NULL;
}

int rl_worker_start(rl_worker **out, rl_loop *parent, const rl_worker_body *body, void *ud,
                    size_t stack) {
  rl_worker *w = worker_new(parent, body, ud);
  if (!w) return UV_ENOMEM;
  *out = w;
  int err = start_thread(w, stack);
  if (err == 0) return 0;
  uv_cond_destroy(&w->change);
  uv_mutex_destroy(&w->lock);
  free(w);
  return err;
}

static rl_stop stop_wait(rl_op *op) {
  rl_link_remove(&rl_container_of(op, rl_worker_wait, op)->link);
  return RL_STOP_NOW;
}

// A worker that serves may never end: only its answers hold a virtual clock back.
static const rl_op_kind join_kind = {"worker:join", stop_wait, NULL, RL_HOLD_PASSIVE};
static const rl_op_kind call_kind = {"worker:call", stop_wait, NULL, RL_HOLD_REAL};

void rl_worker_await(rl_worker *w, rl_worker_wait *wait, rl_task *task, uint64_t call) {
  rl_op_init(&wait->op, call ? &call_kind : &join_kind);
  rl_link_init(&wait->link);
  wait->call = call;
  wait->answer = NULL;
  rl_op_begin(&wait->op, task);
  if (w->joined) {
    rl_op_finish(&wait->op, call ? RL_CLOSED : 1);
  } else {
    rl_list_push(&w->waiting, &wait->link);
  }
}

typedef struct stop_post {
  rl_post post;
  rl_worker *worker;
} stop_post;

static void free_stop(rl_post *post) {
  stop_post *p = rl_container_of(post, stop_post, post);
  rl_worker_unref(p->worker);
  free(p);
}

static void on_stop(rl_post *post) {
  stop_post *p = rl_container_of(post, stop_post, post);
  p->worker->body->stop(p->worker->child);
  free_stop(post);
}

static void post_stop(rl_worker *w) {
  stop_post *p = malloc(sizeof *p);
  if (!p) return;
  p->post = (rl_post){NULL, on_stop, free_stop};
  p->worker = w;
  atomic_fetch_add(&w->refs, 1);
  if (rl_loop_post(w->loop, &p->post)) return;
  atomic_fetch_sub(&w->refs, 1);
  free(p);
}

void rl_worker_stop(rl_worker *w) {
  uv_mutex_lock(&w->lock);
  bool first = !w->stopping;
  w->stopping = true;
  if (first && w->loop) post_stop(w);
  if (!w->over) pthread_kill(w->thread, INTERRUPT_SIGNAL);
  uv_mutex_unlock(&w->lock);
}

bool rl_worker_leave(rl_worker *w, uint64_t ns) {
  const uint64_t step = 5000000;
  for (uint64_t waited = 0; waited <= ns; waited += step) {
    rl_worker_stop(w);
    uv_mutex_lock(&w->lock);
    if (!w->over) uv_cond_timedwait(&w->change, &w->lock, step);
    bool over = w->over;
    uv_mutex_unlock(&w->lock);
    if (over) break;
  }
  uv_mutex_lock(&w->lock);
  w->parent = NULL;
  bool over = w->over;
  uv_mutex_unlock(&w->lock);
  if (over) {
    join(w);
  } else {
    pthread_detach(w->thread);
    w->joined = true;
  }
  wake_all(w, RL_CLOSED);
  return over;
}

void rl_worker_born(rl_worker *w, rl_loop *loop, void *child) {
  uv_mutex_lock(&w->lock);
  w->loop = loop;
  w->child = child;
  if (w->stopping) post_stop(w);
  uv_mutex_unlock(&w->lock);
}

void rl_worker_dying(rl_worker *w) {
  uv_mutex_lock(&w->lock);
  w->loop = NULL;
  uv_mutex_unlock(&w->lock);
}

static void free_answer(rl_post *post) {
  answer *a = rl_container_of(post, answer, post);
  if (a->item) a->worker->body->drop(a->item);
  rl_worker_unref(a->worker);
  free(a);
}

static void on_answer(rl_post *post) {
  answer *a = rl_container_of(post, answer, post);
  rl_list *waiting = &a->worker->waiting;
  for (rl_link *l = waiting->next; l != waiting; l = l->next) {
    rl_worker_wait *wait = rl_container_of(l, rl_worker_wait, link);
    if (wait->call != a->call) continue;
    rl_link_remove(l);
    wait->answer = a->item;
    a->item = NULL;
    rl_op_finish(&wait->op, 1);
    break;
  }
  free_answer(post);
}

void rl_worker_answer(rl_worker *w, uint64_t call, void *item) {
  answer *a = malloc(sizeof *a);
  if (!a) {
    w->body->drop(item);
    return;
  }
  *a = (answer){{NULL, on_answer, free_answer}, w, call, item};
  atomic_fetch_add(&w->refs, 1);
  uv_mutex_lock(&w->lock);
  bool posted = w->parent && rl_loop_post(w->parent, &a->post);
  uv_mutex_unlock(&w->lock);
  if (!posted) free_answer(&a->post);
}

bool rl_worker_stopping(rl_worker *w) {
  uv_mutex_lock(&w->lock);
  bool stopping = w->stopping;
  uv_mutex_unlock(&w->lock);
  return stopping;
}
