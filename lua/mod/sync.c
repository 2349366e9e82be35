// Locks, semaphores, and the parking lot that stdlib/sync.lua builds the others on.
// Hand-off: a release chooses the next owner at once, in arrival order.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/select.h"
#include "lua/bind/sync.h"
#include "lua/bind/task.h"

// Locks.

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

static int sync_reacquire(lua_State *L) {
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

// Semaphores: weighted. The head of the queue is served first; nobody behind it overtakes.

typedef struct semaphore {
  rl_box box;
  lua_Integer free, size;
  rl_lot waiting;  // a parked op's status is the count it wants
} semaphore;

static void grant(semaphore *s) {
  for (rl_op *op; (op = rl_lot_first(&s->waiting)) && op->status <= s->free;) {
    s->free -= op->status;
    rl_op_finish(op, op->status);
  }
}

static void semaphore_left(rl_op *op) {
  semaphore *s = op->on;
  if (op->state == RL_OP_ABORTED) grant(s);
}

static const rl_op_kind semaphore_kind = {"semaphore", rl_lot_stop, semaphore_left, RL_HOLD_NONE};

static int semaphore_acquire(lua_State *L);
static int semaphore_try_acquire(lua_State *L);
static int semaphore_release(lua_State *L);
static int semaphore_resize(lua_State *L);
static int semaphore_free(lua_State *L);
static int semaphore_acquiring(lua_State *L);

static const luaL_Reg semaphore_methods[] = {{"acquire", semaphore_acquire},
                                             {"try_acquire", semaphore_try_acquire},
                                             {"release", semaphore_release},
                                             {"resize", semaphore_resize},
                                             {"available", semaphore_free},
                                             {"acquiring", semaphore_acquiring},
                                             {NULL, NULL}};

static const rl_class semaphore_class = {"rille.Semaphore", sizeof(semaphore), semaphore_methods};

// What acquire returns: gives back what was taken at the end of its block.
typedef struct permit {
  rl_box box;
  lua_Integer count;
} permit;

static int permit_close(lua_State *L);
static const luaL_Reg permit_methods[] = {
    {"release", permit_close}, {"__close", permit_close}, {NULL, NULL}};
static const rl_class permit_class = {"rille.Permit", sizeof(permit), permit_methods};

static semaphore *check_semaphore(lua_State *L) { return rl_check_object(L, 1, &semaphore_class); }

static int semaphore_new(lua_State *L) {
  lua_Integer size = luaL_checkinteger(L, 1);
  luaL_argcheck(L, size >= 0 && size <= INT32_MAX, 1, "count out of range");
  semaphore *s = rl_object_new(L, &semaphore_class, 0);
  s->free = s->size = size;
  rl_lot_init(&s->waiting);
  return 1;
}

static lua_Integer check_count(lua_State *L, const semaphore *s) {
  lua_Integer count = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, count >= 1, 2, "count must be positive");
  if (s && count > s->size) luaL_argerror(L, 2, "more than the semaphore has");
  return count;
}

static int push_permit(lua_State *L, int owner, lua_Integer count) {
  permit *p = rl_object_new(L, &permit_class, 1);
  p->count = count;
  lua_pushvalue(L, owner);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

static void give_back(lua_State *L, semaphore *s, lua_Integer count) {
  if (count > s->size - s->free)
    rl_raise(L, "LIMIT", "semaphore: released %I more than were acquired",
             (LUAI_UACINT)(count - (s->size - s->free)));
  s->free += count;
  grant(s);
}

static int permit_close(lua_State *L) {
  permit *p = rl_check_object(L, 1, &permit_class);
  lua_Integer count = p->count;
  p->count = 0;
  lua_getiuservalue(L, 1, 1);
  semaphore *s = lua_touserdata(L, -1);
  if (count == 0 || s->free + count > s->size) return 0;  // released by hand inside the block
  give_back(L, s, count);
  return 0;
}

static int semaphore_acquired(lua_State *L, int status, lua_KContext op) {
  (void)status;
  lua_Integer count = op ? rl_awaited(L, (rl_op *)op) : lua_tointeger(L, 2);
  return push_permit(L, 1, count);
}

static int semaphore_acquire(lua_State *L) {
  semaphore *s = check_semaphore(L);
  lua_Integer count = check_count(L, s);
  rl_checkpoint(L);
  rl_task *t = rl_current(L);
  if (count <= s->free && rl_lot_empty(&s->waiting)) {
    s->free -= count;
    lua_settop(L, 1);
    lua_pushinteger(L, count);
    return rl_no_wait(L, semaphore_acquired, 0);
  }
  rl_task_park(t, &s->waiting, &semaphore_kind, s);
  t->wait.status = (int32_t)count;
  return rl_await(L, &t->wait, semaphore_acquired, (lua_KContext)&t->wait);
}

static int semaphore_try_acquire(lua_State *L) {
  semaphore *s = check_semaphore(L);
  lua_Integer count = check_count(L, NULL);
  if (count > s->free || !rl_lot_empty(&s->waiting)) return 0;
  push_permit(L, 1, count);
  s->free -= count;
  return 1;
}

static int semaphore_release(lua_State *L) {
  semaphore *s = check_semaphore(L);
  give_back(L, s, check_count(L, NULL));
  return 0;
}

static int semaphore_resize(lua_State *L) {
  semaphore *s = check_semaphore(L);
  lua_Integer size = luaL_checkinteger(L, 2);
  luaL_argcheck(L, size >= 0 && size <= INT32_MAX, 2, "count out of range");
  s->free += size - s->size;  // below zero: so many are still to come back
  s->size = size;
  grant(s);
  return 0;
}

static int semaphore_free(lua_State *L) {
  semaphore *s = check_semaphore(L);
  lua_pushinteger(L, s->free < 0 ? 0 : s->free);
  return 1;
}

static int semaphore_case_try(lua_State *L, int object, int value, lua_Integer count) {
  (void)value;
  semaphore *s = lua_touserdata(L, object);
  if (count > s->free || !rl_lot_empty(&s->waiting)) return -1;
  push_permit(L, object, count);
  s->free -= count;
  return 1;
}

static void semaphore_case_park(rl_op *op, int value, lua_Integer count) {
  (void)value;
  op->status = (int32_t)count;
  rl_lot_park(&((semaphore *)op->on)->waiting, op);
}

static int semaphore_case_done(lua_State *L, int object, int status, int handed) {
  (void)handed;
  return push_permit(L, object, status);
}

static void semaphore_case_left(void *object) { grant(object); }

static const rl_case_kind semaphore_case = {semaphore_case_try, semaphore_case_park,
                                            semaphore_case_done, semaphore_case_left};

static int semaphore_acquiring(lua_State *L) {
  semaphore *s = check_semaphore(L);
  lua_Integer count = check_count(L, s);
  rl_push_case(L, &semaphore_case, 1, 0)->argument = count;
  return 1;
}

// The parking lot, for stdlib/sync.lua.

typedef struct lot {
  rl_box box;
  rl_lot parked;
  lua_Integer count;  // of those parked
  const rl_op_kind *kind;
} lot;

static void lot_left(rl_op *op) { ((lot *)op->on)->count--; }

enum { LOT_KINDS = 6 };
static const rl_op_kind lot_kinds[LOT_KINDS] = {
    {"event", rl_lot_stop, lot_left, RL_HOLD_NONE},
    {"condition", rl_lot_stop, lot_left, RL_HOLD_NONE},
    {"barrier", rl_lot_stop, lot_left, RL_HOLD_NONE},
    {"future", rl_lot_stop, lot_left, RL_HOLD_NONE},
    {"rwlock:read", rl_lot_stop, lot_left, RL_HOLD_NONE},
    {"rwlock:write", rl_lot_stop, lot_left, RL_HOLD_NONE},
};

static int lot_park(lua_State *L);
static int lot_wake(lua_State *L);
static int lot_wake_all(lua_State *L);
static int lot_count(lua_State *L);

static const luaL_Reg lot_methods[] = {{"park", lot_park},
                                       {"wake", lot_wake},
                                       {"wake_all", lot_wake_all},
                                       {"count", lot_count},
                                       {NULL, NULL}};
static const rl_class lot_class = {"rille.Lot", sizeof(lot), lot_methods};

static lot *check_lot(lua_State *L) { return rl_check_object(L, 1, &lot_class); }

static int lot_new(lua_State *L) {
  const char *names[LOT_KINDS + 1] = {0};
  for (int i = 0; i < LOT_KINDS; i++) names[i] = lot_kinds[i].name;
  int kind = luaL_checkoption(L, 1, NULL, names);
  lot *l = rl_object_new(L, &lot_class, 0);
  rl_lot_init(&l->parked);
  l->kind = &lot_kinds[kind];
  return 1;
}

static int lot_woken(lua_State *L, int status, lua_KContext op) {
  (void)status;
  lua_pushinteger(L, rl_awaited(L, (rl_op *)op));
  return 1;
}

// park() -> the number its waker gave. Waits.
static int lot_park(lua_State *L) {
  lot *l = check_lot(L);
  rl_checkpoint(L);
  rl_task *t = rl_current(L);
  rl_task_park(t, &l->parked, l->kind, l);
  l->count++;
  return rl_await(L, &t->wait, lot_woken, (lua_KContext)&t->wait);
}

// wake([status]) -> true if one was parked.
static int lot_wake(lua_State *L) {
  lot *l = check_lot(L);
  lua_pushboolean(L, rl_lot_wake(&l->parked, (int)luaL_optinteger(L, 2, 0)));
  return 1;
}

static int lot_wake_all(lua_State *L) {
  lot *l = check_lot(L);
  lua_pushinteger(L, rl_lot_wake_all(&l->parked, (int)luaL_optinteger(L, 2, 0)));
  return 1;
}

static int lot_count(lua_State *L) {
  lua_pushinteger(L, check_lot(L)->count);
  return 1;
}

static const luaL_Reg functions[] = {{"lock", lock_new},
                                     {"semaphore", semaphore_new},
                                     {"lot", lot_new},
                                     {"reacquire", sync_reacquire},
                                     {NULL, NULL}};

int rl_open_sync(lua_State *L) {
  rl_class_open(L, &lock_class);
  luaL_newlib(L, functions);
  luaL_getmetatable(L, lock_class.name);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "Lock");
  lua_pop(L, 1);
  return 1;
}
