// The core in plain C: timers, ops, lots, scopes, on a loop whose jobs are small functions.
#include "runtime/core/task.h"
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

// A task whose body is a list of steps; each step either waits or is followed by the next at once.
typedef struct actor {
  rl_task task;
  void (*steps[8])(struct actor *);
  int at;
  int cancelled;  // how often a wait was aborted
  rl_scope *scope;
  char log[32];
} actor;

static void note(actor *a, char c) { a->log[strlen(a->log)] = c; }

static void run(rl_loop *loop, rl_job *job) {
  (void)loop;
  actor *a = (actor *)rl_container_of(job, rl_task, job);
  a->task.state = RL_TASK_RUNNING;
  if (a->task.aborted) {
    a->task.aborted = false;
    a->cancelled++;
    note(a, 'x');
  }
  while (a->steps[a->at]) {
    a->steps[a->at++](a);
    if (a->task.wait.state == RL_OP_PENDING) {
      a->task.op = &a->task.wait;
      a->task.state = RL_TASK_BLOCKED;
      return;
    }
    if (a->task.state != RL_TASK_RUNNING) return;
  }
  rl_task_end(&a->task);
}

static rl_loop loop;
static rl_scope *root;

static void open_all(void) {
  EXPECT(rl_loop_init(&loop, NULL, run, NULL) == 0);
  rl_loop_set_virtual(&loop, true);
  root = rl_scope_new(&loop, NULL);
}

static void close_all(void) {
  rl_scope_unref(root);
  rl_loop_close(&loop);
  while (!rl_loop_closed(&loop)) uv_run(loop.uv, UV_RUN_ONCE);
  rl_loop_fini(&loop);
}

static void run_all(void) {
  while (root->member_count > 0) {
    rl_loop_run(&loop);
    if (root->member_count == 0) return;
    EXPECT(!rl_loop_stuck(&loop));
    rl_loop_poll(&loop, true);
  }
}

static void sleep_1s(actor *a) {
  EXPECT(rl_task_sleep(&a->task, rl_loop_now(&loop) + 1000000000) == 0);
}
static void sleep_long(actor *a) {
  EXPECT(rl_task_sleep(&a->task, rl_loop_now(&loop) + 100000000000) == 0);
}
static void mark(actor *a) { note(a, '.'); }

// Timers.

static rl_timer *fired[64];
static int fired_count;
static void on_fire(rl_timer *t) { fired[fired_count++] = t; }

static void timers_fire_in_order(void) {
  rl_timers ts;
  rl_timer t[50];
  rl_timers_init(&ts);
  fired_count = 0;
  for (int i = 0; i < 50; i++) {
    rl_timer_init(&t[i], on_fire);
    EXPECT(rl_timer_start(&ts, &t[i], (uint64_t)((i * 37) % 10)) == 0);
  }
  for (int i = 0; i < 50; i += 5) rl_timer_stop(&ts, &t[i]);
  EXPECT(rl_timer_start(&ts, &t[7], 3) == 0);  // moves behind the others of 3
  uint64_t last = 0;
  uint32_t seq = 0;
  for (rl_timer *x; ts.count > 0;) {
    uint64_t due = rl_timers_next(&ts);
    EXPECT(rl_timers_pop(&ts, due - 1) == NULL || due == 0);
    x = rl_timers_pop(&ts, due);
    EXPECT(x && !rl_timer_armed(x) && due >= last);
    if (due == last) EXPECT(x->seq > seq);
    last = due;
    seq = x->seq;
    x->fire(x);
  }
  EXPECT(fired_count == 40);
  EXPECT(rl_timer_due(&ts, &t[0]) == RL_NEVER);
  rl_timers_fini(&ts);
}

// Ops and lots.

static rl_lot lot;
static const rl_op_kind parked_kind = {"parked", rl_lot_stop, NULL, RL_HOLD_NONE};
static void park(actor *a) { rl_task_park(&a->task, &lot, &parked_kind, NULL); }

static void waking_is_in_order_and_once(void) {
  open_all();
  rl_lot_init(&lot);
  actor a[3];
  for (int i = 0; i < 3; i++) {
    a[i] = (actor){.steps = {park}};
    rl_task_init(&a[i].task, &loop, root);
  }
  rl_loop_run(&loop);
  EXPECT(rl_loop_stuck(&loop));
  rl_op_abort(&a[1].task.wait);
  EXPECT(a[1].task.wait.state == RL_OP_ABORTED && a[1].task.state == RL_TASK_READY);
  EXPECT(rl_lot_wake(&lot, 7) == 1 && a[0].task.wait.status == 7);
  EXPECT(!rl_op_finish(&a[0].task.wait, 8) && a[0].task.wait.status == 7);
  EXPECT(rl_lot_wake_all(&lot, 9) == 1 && a[2].task.wait.status == 9 && rl_lot_empty(&lot));
  run_all();
  EXPECT(a[0].cancelled == 0 && a[1].cancelled == 1 && a[2].cancelled == 0);
  close_all();
}

static rl_stop stop_later(rl_op *op) {
  (void)op;
  return RL_STOP_LATER;
}

static rl_op late_op;
static const rl_op_kind late_kind = {"late", stop_later, NULL, RL_HOLD_REAL};
static void wait_late(actor *a) {
  rl_op_init(&late_op, &late_kind);
  rl_op_begin(&late_op, &a->task);
  a->task.op = &late_op;
  a->task.state = RL_TASK_BLOCKED;
}

static void a_late_callback_keeps_the_task_until_it_comes(void) {
  open_all();
  actor a = {.steps = {wait_late}};
  rl_task_init(&a.task, &loop, root);
  rl_loop_run(&loop);
  EXPECT(loop.real == 1 && !rl_loop_stuck(&loop));
  rl_op_abort(&late_op);
  EXPECT(rl_op_busy(&late_op) && a.task.state == RL_TASK_BLOCKED && loop.real == 1);
  EXPECT(!rl_op_finish(&late_op, 0));
  EXPECT(!rl_op_busy(&late_op) && a.task.state == RL_TASK_READY && loop.real == 0);
  run_all();
  EXPECT(a.cancelled == 1);
  close_all();
}

// Scopes.

static void enter_scope(actor *a) {
  a->scope = rl_scope_new(&loop, NULL);
  rl_scope_enter(a->scope, &a->task);
}
static void set_deadline(actor *a) { rl_scope_deadline(a->scope, rl_loop_now(&loop) + 500000000); }
static void leave_scope(actor *a) {
  note(a, "lap"[rl_scope_leave(a->scope)]);  // leaves, absorbs, passes
  rl_scope_unref(a->scope);
}

static void a_deadline_is_absorbed_by_its_scope(void) {
  open_all();
  actor a = {.steps = {enter_scope, set_deadline, sleep_1s, mark, leave_scope}};
  rl_task_init(&a.task, &loop, root);
  uint64_t start = rl_loop_now(&loop);
  run_all();
  EXPECT(strcmp(a.log, "x.a") == 0);
  EXPECT(rl_loop_now(&loop) - start == 500000000);
  close_all();
}

static void cleanup_is_shielded_until_grace_is_over(void) {
  open_all();
  actor a = {.steps = {sleep_long, sleep_long, sleep_1s, mark}};
  rl_task_init(&a.task, &loop, root);
  rl_loop_run(&loop);
  uint64_t start = rl_loop_now(&loop);
  rl_scope_cancel(root, RL_BECAUSE_CALL, 2000000000);
  run_all();
  EXPECT(a.cancelled >= 2);  // at once, and when the grace period was over
  EXPECT(rl_loop_now(&loop) - start <= UINT64_C(3000000000));
  close_all();
}

static void leave_own(actor *a) {
  rl_scope *own = rl_task_own_scope(&a->task);
  note(a, "lap"[rl_scope_leave(own)]);
  rl_scope_unref(own);
}

static void an_own_scope_slips_in_under_those_entered(void) {
  open_all();
  actor a = {.steps = {enter_scope, sleep_long, leave_scope, mark, leave_own}};
  rl_task_init(&a.task, &loop, root);
  rl_loop_run(&loop);
  rl_scope *own = rl_task_own_scope(&a.task);
  EXPECT(own && own == rl_task_own_scope(&a.task) && own->parent == root && a.scope->parent == own);
  rl_scope_cancel(own, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
  EXPECT(a.task.unwinding == own);
  rl_loop_run(&loop);
  EXPECT(strcmp(a.log, "xp.a") == 0);
  close_all();
}

static void a_shield_keeps_outer_cancellation_out(void) {
  open_all();
  actor a = {.steps = {enter_scope, sleep_1s, leave_scope, mark}};
  rl_task_init(&a.task, &loop, root);
  rl_loop_run(&loop);
  a.scope->shield = true;
  rl_scope_cancel(root, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
  EXPECT(a.cancelled == 0 && a.task.doomed);
  run_all();
  EXPECT(strcmp(a.log, "l.") == 0);
  close_all();
}

static void deep_trees_are_walked_without_recursion(void) {
  open_all();
  enum { DEPTH = 100000 };
  actor a = {.steps = {sleep_long}};
  rl_task_init(&a.task, &loop, root);
  rl_scope **scopes = malloc(DEPTH * sizeof *scopes);
  for (int i = 0; i < DEPTH; i++) {
    scopes[i] = rl_scope_new(&loop, NULL);
    rl_scope_enter(scopes[i], &a.task);
  }
  EXPECT(sleep_long != NULL && a.task.scope == scopes[DEPTH - 1]);
  rl_scope_cancel(root, RL_BECAUSE_CALL, RL_GRACE_DEFAULT);
  EXPECT(scopes[DEPTH - 1]->doomed);
  for (int i = DEPTH - 1; i >= 0; i--) {
    rl_scope_leave(scopes[i]);
    rl_scope_unref(scopes[i]);
  }
  free(scopes);
  run_all();
  close_all();
}

// The loop.

static int posts_run, posts_dropped;
static void count_run(rl_post *p) {
  posts_run++;
  free(p);
}
static void count_dropped(rl_post *p) {
  posts_dropped++;
  free(p);
}

enum { POSTS = 1000 };

static void post_many(void *unused) {
  (void)unused;
  for (int i = 0; i < POSTS; i++) {
    rl_post *p = malloc(sizeof *p);
    *p = (rl_post){.run = count_run, .drop = count_dropped};
    if (!rl_loop_post(&loop, p)) free(p);
  }
}

static void posts_from_another_thread_run_here(void) {
  open_all();
  EXPECT(rl_loop_stuck(&loop));
  uv_thread_t thread;
  EXPECT(uv_thread_create(&thread, post_many, NULL) == 0);
  while (posts_run < POSTS) rl_loop_poll(&loop, true);
  uv_thread_join(&thread);
  post_many(NULL);
  close_all();
  EXPECT(posts_run == POSTS && posts_dropped == POSTS);
}

int main(void) {
  timers_fire_in_order();
  waking_is_in_order_and_once();
  a_late_callback_keeps_the_task_until_it_comes();
  a_deadline_is_absorbed_by_its_scope();
  cleanup_is_shielded_until_grace_is_over();
  an_own_scope_slips_in_under_those_entered();
  a_shield_keeps_outer_cancellation_out();
  deep_trees_are_walked_without_recursion();
  posts_from_another_thread_run_here();
  return test_result();
}
