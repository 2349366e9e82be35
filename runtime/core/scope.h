// Scopes: the tree along which cancellation travels. A scope is the body of a group, of a timeout,
// of a shield, or of a task itself. It owns its members: it is left only when they have ended.
//
// Delivery. Cancelling marks the scope and everything below, and aborts the wait of each task
// inside. Who gets it unwinds towards its target, the outermost cancelled scope around it, shielded
// from there outwards until `shield_until`. The target absorbs it when it is left.
#ifndef RL_CORE_SCOPE_H
#define RL_CORE_SCOPE_H

#include "runtime/base/list.h"
#include "runtime/core/op.h"
#include "runtime/core/timer.h"

struct rl_task;
typedef struct rl_scope rl_scope;

#define RL_GRACE_DEFAULT UINT64_C(5000000000)  // ns

typedef enum {
  RL_BECAUSE_NONE,
  RL_BECAUSE_CALL,
  RL_BECAUSE_DEADLINE,
  RL_BECAUSE_FAILURE
} rl_because;

struct rl_scope {
  rl_scope *parent;
  struct rl_loop *loop;
  struct rl_task *owner;      // who runs its body; NULL for a runtime's root scopes
  rl_list members;            // tasks spawned into it
  rl_list scopes;             // scopes directly inside it
  rl_link sibling;            // in parent->scopes
  rl_op *joiner;              // the owner's wait for the members, or NULL
  rl_timer timer;             // the deadline; once cancelled, the end of the grace period
  uint64_t grace;             // ns that cleanup may take
  rl_scope *outer_unwinding;  // the owner's unwinding when it entered: restored when it leaves
  uint64_t outer_until;
  uint32_t refs;  // 1 for the body, 1 for each handle of the floor above
  uint32_t member_count;
  int32_t failure, reason;  // values of the floor above; 0: none
  int32_t base;             // its too, as are these
  void (*then)(void);
  uint8_t body;
  bool ok, waited, unclaimed, own_failure;
  uint8_t because;  // rl_because: why it was cancelled
  bool of_task;     // the body of its owner, a task
  bool shield;      // outer cancellation stops here
  bool doomed;      // it or one around it is cancelled
  bool scattered;   // its members have moved to the scope around it
  bool left;        // the body is over and the members are gone: nothing may be spawned into it
};

// NULL when memory is out; no owner yet.
rl_scope *rl_scope_new(struct rl_loop *loop, rl_scope *parent);
void rl_scope_ref(rl_scope *s);
void rl_scope_unref(rl_scope *s);

static inline bool rl_scope_cancelled(const rl_scope *s) { return s->because != RL_BECAUSE_NONE; }

// The task enters a new scope, or leaves one whose members are gone (in any order; usually the
// innermost).
void rl_scope_enter(rl_scope *s, struct rl_task *task);
// What leaving means for the task: nothing unwinds; its cancellation ends here; it goes on to a
// scope further out.
typedef enum { RL_LEAVES, RL_ABSORBS, RL_PASSES } rl_leaving;
rl_leaving rl_scope_leave(rl_scope *s);

// Moves the members to the scope around it: for a body that cannot wait for them.
void rl_scope_disown(rl_scope *s);

// Cancels once; a later call can only shorten the grace period.
void rl_scope_cancel(rl_scope *s, rl_because because, uint64_t grace);
int rl_scope_deadline(rl_scope *s, uint64_t due);  // RL_NEVER: none. Ignored once cancelled

#endif
