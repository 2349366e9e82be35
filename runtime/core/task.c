// Tasks: birth, the waits that need nothing from outside, and the end.
#include "runtime/core/task.h"

#include "runtime/base/check.h"

static rl_stop stop_sleep(rl_op *op);
static void left_sleep(rl_op *op);

const rl_op_kind rl_sleep_kind = {"sleep", stop_sleep, left_sleep, RL_HOLD_NONE};
const rl_op_kind rl_join_kind = {"children", NULL, NULL, RL_HOLD_NONE};
const rl_op_kind rl_await_kind = {"task", rl_lot_stop, NULL, RL_HOLD_NONE};
const rl_op_kind rl_watch_kind = {"task", rl_lot_stop, NULL, RL_HOLD_NONE};

void rl_task_end(rl_task *t) {
  rl_scope *home = t->scope;
  RL_CHECK(home->owner != t);
  t->state = RL_TASK_DONE;
  rl_link_remove(&t->member);
  if (--home->member_count == 0 && home->joiner) {
    rl_op *joiner = home->joiner;
    home->joiner = NULL;
    rl_op_finish(joiner, 0);
  }
}

// The outermost scope that the task owns, and the one around it.
static rl_scope *outermost_owned(const rl_task *t, rl_scope **home) {
  rl_scope *owned = NULL, *s = t->scope;
  for (; s->owner == t; s = s->parent) owned = s;
  *home = s;
  return owned;
}

rl_scope *rl_task_home(const rl_task *t) {
  rl_scope *home;
  outermost_owned(t, &home);
  return home;
}

rl_scope *rl_task_own_scope(rl_task *t) {
  rl_scope *home, *owned = outermost_owned(t, &home);
  if (owned && owned->of_task) return owned;
  rl_scope *s = rl_scope_new(rl_task_loop(t), home);
  if (!s) return NULL;
  s->of_task = true;
  if (!owned) {
    rl_scope_enter(s, t);
    t->unwinding = s->outer_unwinding;  // the task's own body is no cleanup of its own
    s->outer_unwinding = NULL;
    return s;
  }
  s->owner = t;  // slips in between home and what the task has entered since
  s->doomed = home->doomed;
  rl_list_push(&home->scopes, &s->sibling);
  rl_link_remove(&owned->sibling);
  owned->parent = s;
  rl_list_push(&s->scopes, &owned->sibling);
  return s;
}

static void block(rl_task *t, const rl_op_kind *kind, void *on) {
  t->wait.kind = kind;
  t->wait.on = on;
  rl_op_begin(&t->wait, t);
}

static void on_sleep_over(rl_timer *timer) {
  rl_op_finish(&rl_container_of(timer, rl_task, timer)->wait, 0);
}

static rl_stop stop_sleep(rl_op *op) {
  (void)op;
  return RL_STOP_NOW;
}

static void left_sleep(rl_op *op) { rl_loop_timer_stop(rl_task_loop(op->task), &op->task->timer); }

int rl_task_sleep(rl_task *t, uint64_t due) {
  rl_timer_init(&t->timer, on_sleep_over);
  int err = rl_loop_timer(rl_task_loop(t), &t->timer, due);
  if (err < 0) return err;
  block(t, &rl_sleep_kind, NULL);
  return 0;
}

bool rl_task_join(rl_task *t, rl_scope *s) {
  if (s->member_count == 0) return false;
  block(t, &rl_join_kind, s);
  s->joiner = &t->wait;
  return true;
}

void rl_task_await(rl_task *t, rl_task *other) {
  block(t, &rl_await_kind, other);
  rl_lot_park(&other->waiters, &t->wait);
}

void rl_task_watch(rl_task *t, rl_task *other) {
  block(t, &rl_watch_kind, other);
  rl_lot_park(&other->waiters, &t->wait);
}

void rl_task_park(rl_task *t, rl_lot *lot, const rl_op_kind *kind, void *on) {
  block(t, kind, on);
  rl_lot_park(lot, &t->wait);
}

void rl_task_yield(rl_task *t, bool after_poll) {
  t->state = RL_TASK_READY;
  rl_loop *loop = rl_task_loop(t);
  if (after_poll) {
    rl_loop_ready_after_poll(loop, &t->job);
  } else {
    rl_loop_ready(loop, &t->job);
  }
}

static bool owns_scope_around(const rl_task *owner, const rl_task *t) {
  for (const rl_scope *s = t->scope; s; s = s->parent) {
    if (s->owner == owner) return true;
  }
  return false;
}

bool rl_task_would_deadlock(const rl_task *t, const rl_task *other) {
  for (const rl_task *o = other; o; o = o->wait.on) {
    if (o == t || owns_scope_around(o, t)) return true;
    const rl_op_kind *kind = o->wait.kind;
    bool waits = o->state == RL_TASK_BLOCKED && o->op == &o->wait;
    if (!waits || (kind != &rl_await_kind && kind != &rl_watch_kind)) return false;
  }
  return false;
}
