// rille.native.semaphore: weighted semaphores. The head of the queue is served first; nobody behind
// it overtakes.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/select.h"

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

int rl_open_semaphore(lua_State *L) {
  static const luaL_Reg functions[] = {{"semaphore", semaphore_new}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
