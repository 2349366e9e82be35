// rille.native.lock: locks. A release chooses the next owner at once, in arrival order.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/select.h"
#include "lua/bind/sync.h"
#include "lua/bind/task.h"

static const rl_op_kind lock_kind = {"lock", rl_lot_stop, NULL, RL_HOLD_NONE};

static int lock_acquire(lua_State *L);
static int lock_try_acquire(lua_State *L);
static int lock_release(lua_State *L);
static int lock_close(lua_State *L);
static int lock_owner(lua_State *L);
static int lock_acquiring(lua_State *L);
static int lock_gc(lua_State *L);

static const luaL_Reg lock_methods[] = {{"acquire", lock_acquire},
                                        {"try_acquire", lock_try_acquire},
                                        {"release", lock_release},
                                        {"owner", lock_owner},
                                        {"acquiring", lock_acquiring},
                                        {"__close", lock_close},
                                        {"__gc", lock_gc},
                                        {NULL, NULL}};

static const rl_class lock_class = {"rille.Lock", sizeof(rl_lock), lock_methods};

static rl_lock *check_lock(lua_State *L) { return rl_check_object(L, 1, &lock_class); }

static int lock_new(lua_State *L) {
  rl_lot_init(&((rl_lock *)rl_object_new(L, &lock_class, 0))->waiting);
  return 1;
}

static int lock_gc(lua_State *L) {
  rl_lock *l = lua_touserdata(L, 1);
  if (l->owner) rl_lock_disown(l);
  return 0;
}

static void not_again(lua_State *L, const rl_lock *l) {
  if (l->owner == rl_state_of(L)->current)
    rl_raise(L, "DEADLOCK", "lock: this task holds it already, and would wait for itself");
}

static int lock_acquired(lua_State *L, int status, lua_KContext op) {
  (void)status;
  if (op && rl_awaited(L, (rl_op *)op) < 0)
    return rl_raise(L, "BROKEN", "lock: the task that held it ended without releasing it");
  lua_settop(L, 1);
  return 1;
}

static int lock_acquire(lua_State *L) {
  rl_lock *l = check_lock(L);
  rl_checkpoint(L);
  rl_ltask *t = rl_state_of(L)->current;
  if (!l->owner) {
    rl_lock_own(l, t);
    return rl_no_wait(L, lock_acquired, 0);
  }
  not_again(L, l);
  rl_task_park(&t->core, &l->waiting, &lock_kind, l);
  return rl_await(L, &t->core.wait, lock_acquired, (lua_KContext)&t->core.wait);
}

// reacquire(lock): for whoever must go on as its owner. No checkpoint, and no cancellation ends the
// wait. If the owner ends meanwhile, the lock is this task's, and BROKEN is raised.

static const rl_op_kind relock_kind = {"lock", NULL, NULL, RL_HOLD_NONE};

static int lock_reacquired(lua_State *L, int status, lua_KContext op) {
  (void)status;
  rl_lock *l = check_lock(L);
  rl_ltask *t = rl_state_of(L)->current;
  if (rl_awaited(L, (rl_op *)op) >= 0) return 0;
  if (!l->owner) {
    rl_lock_own(l, t);
    return rl_raise(L, "BROKEN", "lock: the task that held it ended without releasing it");
  }
  rl_task_park(&t->core, &l->waiting, &relock_kind, l);
  return rl_await(L, &t->core.wait, lock_reacquired, op);
}

static int lock_reacquire(lua_State *L) {
  rl_lock *l = check_lock(L);
  rl_ltask *t = rl_state_of(L)->current;
  if (!l->owner) {
    rl_lock_own(l, t);
    return 0;
  }
  rl_task_park(&t->core, &l->waiting, &relock_kind, l);
  return rl_await(L, &t->core.wait, lock_reacquired, (lua_KContext)&t->core.wait);
}

static int lock_try_acquire(lua_State *L) {
  rl_lock *l = check_lock(L);
  rl_ltask *t = rl_state_of(L)->current;
  if (!t) return luaL_error(L, "lock: not in a task");
  if (!l->owner)
    rl_lock_own(l, t);
  else if (l->owner == t)
    not_again(L, l);
  else
    return 0;
  lua_settop(L, 1);
  return 1;
}

static int lock_release(lua_State *L) {
  rl_lock *l = check_lock(L);
  rl_ltask *t = rl_state_of(L)->current;
  if (!l->owner || l->owner != t)
    return rl_raise(L, "DENIED", "lock: release by a task that does not hold it");
  rl_lock_release(l);
  return 0;
}

static int lock_close(lua_State *L) {
  rl_lock *l = check_lock(L);
  if (l->owner && l->owner == rl_state_of(L)->current) rl_lock_release(l);  // not released by hand
  return 0;
}

static int lock_owner(lua_State *L) {
  rl_lock *l = check_lock(L);
  if (!l->owner) return 0;
  rl_push_handle(L, l->owner);
  return 1;
}

static int lock_case_try(lua_State *L, int object, int value, lua_Integer argument) {
  (void)value, (void)argument;
  rl_lock *l = lua_touserdata(L, object);
  if (l->owner) {
    not_again(L, l);
    return -1;
  }
  rl_lock_own(l, rl_state_of(L)->current);
  lua_pushvalue(L, object);
  return 1;
}

static void lock_case_park(rl_op *op, int value, lua_Integer argument) {
  (void)value, (void)argument;
  rl_lot_park(&((rl_lock *)op->on)->waiting, op);
}

static int lock_case_done(lua_State *L, int object, int status, int handed) {
  (void)handed;
  if (status < 0)
    return rl_raise(L, "BROKEN", "lock: the task that held it ended without releasing it");
  lua_pushvalue(L, object);
  return 1;
}

static const rl_case_kind lock_case = {lock_case_try, lock_case_park, lock_case_done, NULL};

static int lock_acquiring(lua_State *L) {
  check_lock(L);
  rl_push_case(L, &lock_case, 1, 0);
  return 1;
}

int rl_open_lock(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"lock", lock_new}, {"reacquire", lock_reacquire}, {NULL, NULL}};
  rl_class_open(L, &lock_class);
  luaL_newlib(L, functions);
  luaL_getmetatable(L, lock_class.name);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "Lock");
  lua_pop(L, 1);
  return 1;
}
