// rille.native.lot: the parking lot that stdlib/sync.lua builds on. Whoever wakes a task has
// already given it what it waited for.
#include "lua/bind/await.h"
#include "lua/bind/class.h"

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

int rl_open_lot(lua_State *L) {
  static const luaL_Reg functions[] = {{"lot", lot_new}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
