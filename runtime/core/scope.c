// The scope tree, and how a cancellation reaches the tasks inside.
#include "runtime/core/scope.h"

#include "runtime/base/check.h"
#include "runtime/core/task.h"

static void on_timer(rl_timer *timer);

rl_scope *rl_scope_new(rl_loop *loop, rl_scope *parent) {
  rl_scope *s = rl_slab_alloc(&loop->slab, sizeof *s);
  if (!s) return NULL;
  *s = (rl_scope){.loop = loop, .parent = parent, .refs = 1, .grace = RL_GRACE_DEFAULT};
  rl_link_init(&s->members);
  rl_link_init(&s->scopes);
  rl_link_init(&s->sibling);
  rl_timer_init(&s->timer, on_timer);
  return s;
}

void rl_scope_ref(rl_scope *s) { s->refs++; }

void rl_scope_unref(rl_scope *s) {
  if (--s->refs > 0) return;
  rl_loop_timer_stop(s->loop, &s->timer);
  rl_slab_free(&s->loop->slab, s, sizeof *s);
}

void rl_scope_enter(rl_scope *s, rl_task *t) {
  s->owner = t;
  s->parent = t->scope;
  s->doomed = s->parent->doomed;
  s->outer_unwinding = t->unwinding;
  s->outer_until = t->shield_until;
  t->unwinding = NULL;
  t->scope = s;
  rl_list_push(&s->parent->scopes, &s->sibling);
}

// The scope after `s` in a walk of the tree under `root`, outer ones first; `deeper`: also what is
// inside `s`.
static rl_scope *walk(const rl_scope *root, rl_scope *s, bool deeper) {
  if (deeper && !rl_list_empty(&s->scopes))
    return rl_container_of(s->scopes.next, rl_scope, sibling);
  while (s != root) {
    if (s->sibling.next != &s->parent->scopes)
      return rl_container_of(s->sibling.next, rl_scope, sibling);
    s = s->parent;
  }
  return NULL;
}

#define EACH_MEMBER(t, s)                                                   \
  for (rl_link *l_ = (s)->members.next, *n_ = l_->next;                     \
       l_ != &(s)->members && ((t) = rl_container_of(l_, rl_task, member)); \
       l_ = n_, n_ = l_->next)

// A scope left before the ones inside it (a deadline in a generator, say): they move outwards.
static void hand_inner_scopes_out(rl_scope *s) {
  while (!rl_list_empty(&s->scopes)) {
    rl_scope *inner = rl_container_of(s->scopes.next, rl_scope, sibling);
    rl_link_remove(&inner->sibling);
    inner->parent = s->parent;
    rl_list_push(&s->parent->scopes, &inner->sibling);
  }
}

// The same for what the task was unwinding towards when it entered them.
static void hand_unwinding_in(const rl_scope *s) {
  rl_scope *inner = s->owner->scope;
  for (; inner->parent != s; inner = inner->parent) {
    if (inner->outer_unwinding == s) inner->outer_unwinding = NULL;
  }
  if (inner->outer_unwinding && inner->outer_unwinding != s) return;
  inner->outer_unwinding = s->outer_unwinding;
  inner->outer_until = s->outer_until;
}

// Tasks inside that outlive it and unwind towards it now unwind towards the scope around it.
static void retarget_outwards(const rl_scope *left) {
  rl_scope *root = left->parent;
  for (rl_scope *s = root; s; s = walk(root, s, true)) {
    rl_task *t;
    if (s->outer_unwinding == left) s->outer_unwinding = root;
    if (s->owner && s->owner->unwinding == left) s->owner->unwinding = root;
    EACH_MEMBER(t, s) {
      if (t->unwinding == left) t->unwinding = root;
    }
  }
}

rl_leaving rl_scope_leave(rl_scope *s) {
  rl_task *t = s->owner;
  RL_CHECK(s->member_count == 0 && !s->left);
  bool innermost = t->scope == s;
  rl_leaving how = !t->unwinding ? RL_LEAVES : t->unwinding == s ? RL_ABSORBS : RL_PASSES;
  if (how == RL_ABSORBS) t->unwinding = NULL;
  if (!innermost) {
    hand_unwinding_in(s);
  } else {
    t->scope = s->parent;
    if (!t->unwinding) {
      t->unwinding = s->outer_unwinding;
      t->shield_until = s->outer_until;
    }
  }
  bool outlived = s->scattered || !rl_list_empty(&s->scopes);
  hand_inner_scopes_out(s);
  rl_link_remove(&s->sibling);
  if (outlived) retarget_outwards(s);
  rl_loop_timer_stop(s->loop, &s->timer);
  s->left = true;
  return how;
}

void rl_scope_disown(rl_scope *s) {
  rl_scope *outer = s->parent;
  s->scattered = true;
  while (!rl_list_empty(&s->members)) {
    rl_task *t = rl_container_of(s->members.next, rl_task, member);
    rl_link_remove(&t->member);
    rl_list_push(&outer->members, &t->member);
    if (t->scope == s) t->scope = outer;
    s->member_count--;
    outer->member_count++;
  }
}

static void mark(rl_scope *root) {
  for (rl_scope *s = root; s; s = walk(root, s, true)) {
    rl_task *t;
    s->doomed = true;
    if (s->owner) s->owner->doomed = true;
    EACH_MEMBER(t, s) t->doomed = true;
  }
}

// True if nothing between `inner` and `outer` keeps an outer cancellation out.
static bool open_path(const rl_scope *inner, const rl_scope *outer) {
  for (const rl_scope *s = inner; s != outer; s = s->parent) {
    if (!s || s->shield || s->outer_unwinding) return false;
  }
  return true;
}

// Who unwinds towards a scope inside `root` now unwinds towards `root`, and no longer than its
// grace period allows.
static void retarget(rl_scope **unwinding, uint64_t *until, rl_scope *root, uint64_t limit) {
  if (!*unwinding || !open_path(*unwinding, root)) return;
  *unwinding = root;
  if (*until > limit) *until = limit;
}

static void retarget_all(rl_scope *root, uint64_t limit) {
  for (rl_scope *s = root; s; s = walk(root, s, true)) {
    rl_task *t;
    if (s != root) retarget(&s->outer_unwinding, &s->outer_until, root, limit);
    if (s->owner) retarget(&s->owner->unwinding, &s->owner->shield_until, root, limit);
    EACH_MEMBER(t, s) retarget(&t->unwinding, &t->shield_until, root, limit);
  }
}

// The scope whose cancellation is to be raised in `t` now, the outermost such, or NULL. `*forced`:
// its grace is over.
static rl_scope *due(const rl_task *t, uint64_t now, bool *forced) {
  *forced = false;
  rl_scope *target = NULL, *s = t->scope;
  if (t->unwinding) {
    if (now < t->shield_until) return NULL;
    *forced = true;
    target = s = t->unwinding;
  }
  for (; s && s->doomed; s = s->parent) {
    if (rl_scope_cancelled(s)) target = s;
    if (s->shield) break;
    if (!s->outer_unwinding) continue;
    if (now < s->outer_until) break;
    *forced = true;
  }
  return target;
}

static uint64_t plus(uint64_t now, uint64_t ns) {
  return ns > RL_NEVER - now ? RL_NEVER : now + ns;
}

static bool deliver(rl_task *t, uint64_t now) {
  bool forced;
  rl_scope *target = due(t, now, &forced);
  if (!target) return false;
  t->unwinding = target;
  t->shield_until = forced ? now : plus(now, target->grace);
  t->forced += forced;
  if (!forced && t->shield_until < rl_timer_due(&target->loop->timers, &target->timer))
    rl_loop_timer(target->loop, &target->timer, t->shield_until);
  return true;
}

static void interrupt(rl_task *t, uint64_t now) {
  if (t->state != RL_TASK_BLOCKED || !rl_op_pending(t->op) || !t->op->kind->stop) return;
  const rl_op_kind *kind = t->op->kind;
  bool forced;
  if (kind->completed && (!due(t, now, &forced) || kind->completed(t->op))) return;
  if (deliver(t, now)) rl_op_abort(t->op);
}

void rl_task_interrupt(rl_task *t) { interrupt(t, rl_loop_now(rl_task_loop(t))); }

static void interrupt_all(rl_scope *root) {
  uint64_t now = rl_loop_now(root->loop);
  for (rl_scope *s = root; s; s = walk(root, s, !s->shield || s == root)) {
    rl_task *t;
    if (s->owner) interrupt(s->owner, now);
    EACH_MEMBER(t, s) interrupt(t, now);
  }
}

static uint64_t sooner(uint64_t a, uint64_t until, uint64_t now) {
  return until > now && until < a ? until : a;
}

// The next end of a grace period among the tasks inside.
static void arm_grace(rl_scope *root) {
  uint64_t now = rl_loop_now(root->loop), next = RL_NEVER;
  for (rl_scope *s = root; s; s = walk(root, s, true)) {
    rl_task *t;
    if (s->outer_unwinding == root) next = sooner(next, s->outer_until, now);
    if (s->owner && s->owner->unwinding == root) next = sooner(next, s->owner->shield_until, now);
    EACH_MEMBER(t, s) {
      if (t->unwinding == root) next = sooner(next, t->shield_until, now);
    }
  }
  rl_loop_timer(root->loop, &root->timer, next);
}

void rl_scope_cancel(rl_scope *s, rl_because because, uint64_t grace) {
  if (s->left) return;
  uint64_t limit = plus(rl_loop_now(s->loop), grace);
  if (rl_scope_cancelled(s)) {
    if (grace >= s->grace) return;
    s->grace = grace;
  } else {
    s->because = (uint8_t)because;
    s->grace = grace;
    rl_loop_timer_stop(s->loop, &s->timer);
    if (!s->doomed) mark(s);
  }
  retarget_all(s, limit);
  interrupt_all(s);
  arm_grace(s);
}

int rl_scope_deadline(rl_scope *s, uint64_t when) {
  if (rl_scope_cancelled(s) || s->left) return 0;
  return rl_loop_timer(s->loop, &s->timer, when);
}

static void on_timer(rl_timer *timer) {
  rl_scope *s = rl_container_of(timer, rl_scope, timer);
  if (!rl_scope_cancelled(s)) {
    rl_scope_cancel(s, RL_BECAUSE_DEADLINE, s->grace);
  } else {
    interrupt_all(s);
    arm_grace(s);
  }
}

bool rl_task_deliver_slow(rl_task *t) {
  if (!t->scope->doomed && !t->unwinding) {
    t->doomed = false;  // it has left what was cancelled
    return false;
  }
  return deliver(t, rl_loop_now(rl_task_loop(t)));
}
