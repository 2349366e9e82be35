// rille.select: one effect of several.
//
// Each case parks an op of its own; the task waits on its master op. The first case to be woken
// takes the others off.
#include "lua/bind/select.h"

#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"

typedef struct selection selection;

typedef struct branch {
  rl_op op;
  rl_timer timer;
  selection *of;
  const rl_case_kind *kind;
  void *object;
} branch;

struct selection {
  rl_op *master;
  int count, begun;
  bool over;
  branch branches[];
};

static void branch_left(rl_op *op);
static void master_left(rl_op *op);

static const rl_op_kind branch_kind = {"select", rl_lot_stop, branch_left, RL_HOLD_NONE};
static const rl_op_kind master_kind = {"select", rl_lot_stop, master_left, RL_HOLD_NONE};

// Takes every branch off its queue; the one that was woken, if any, has left it already.
static void withdraw(selection *s) {
  s->over = true;
  for (int i = 0; i < s->begun; i++) {
    branch *b = &s->branches[i];
    rl_loop_timer_stop(rl_task_loop(s->master->task), &b->timer);
    if (!rl_op_pending(&b->op)) continue;
    b->op.state = RL_OP_IDLE;
    if (rl_link_linked(&b->op.link)) rl_link_remove(&b->op.link);
    if (b->kind && b->kind->left) b->kind->left(b->object);
  }
}

static void branch_left(rl_op *op) {
  branch *b = rl_container_of(op, branch, op);
  selection *s = b->of;
  if (s->over) return;
  withdraw(s);
  rl_op_finish(s->master, (int)(b - s->branches));
}

static void master_left(rl_op *op) {
  selection *s = op->on;
  if (!s->over) withdraw(s);
}

static void on_after(rl_timer *timer) {
  rl_op_finish(&rl_container_of(timer, branch, timer)->op, 0);
}

enum { CASES = 1, SELECTION = 2, FIRST_VALUE = 3, CASES_MAX = 60000 };

// Pushes case i and its object; the value is at FIRST_VALUE + i. The selection holds the cases: the
// list is the script's, and may change meanwhile.
static rl_case *push_case(lua_State *L, int i, void **object) {
  lua_getiuservalue(L, SELECTION, i + 1);
  rl_case *c = lua_touserdata(L, -1);
  lua_getiuservalue(L, -1, 1);
  *object = lua_touserdata(L, -1);
  return c;
}

static int finish(lua_State *L, int i, int values) {
  lua_pushinteger(L, i + 1);
  lua_insert(L, -values - 1);
  return values + 1;
}

static int try_case(lua_State *L, int i) {
  void *object;
  const rl_case *c = push_case(L, i, &object);
  int values = c->kind         ? c->kind->try(L, lua_gettop(L), FIRST_VALUE + i, c->argument)
               : c->after == 0 ? 0
                               : -1;
  if (values < 0) lua_pop(L, 2);
  return values;
}

static int selected(lua_State *L, int status, lua_KContext op) {
  (void)status;
  selection *s = lua_touserdata(L, SELECTION);
  int i = rl_awaited(L, (rl_op *)op);
  branch *b = &s->branches[i];
  if (!b->kind) return finish(L, i, 0);
  int handed = lua_gettop(L);
  void *object;
  push_case(L, i, &object);
  return finish(L, i, b->kind->done(L, handed + 2, b->op.status, handed));
}

static int tried(lua_State *L, int status, lua_KContext count) {
  (void)L, (void)status;
  return (int)count;
}

static void begin(lua_State *L, selection *s, int i) {
  rl_state *st = rl_state_of(L);
  void *object;
  rl_case *c = push_case(L, i, &object);
  branch *b = &s->branches[i];
  rl_op_init(&b->op, &branch_kind);
  rl_timer_init(&b->timer, on_after);
  b->of = s;
  b->kind = c->kind;
  b->object = object;
  rl_op_begin(&b->op, rl_current(L));
  b->op.on = object;
  s->begun++;
  if (c->kind) {
    c->kind->park(&b->op, FIRST_VALUE + i, c->argument);
  } else {
    rl_loop_timer(&st->loop, &b->timer, rl_loop_after(&st->loop, c->after));
  }
  lua_pop(L, 2);
}

static int select_one(lua_State *L) {
  luaL_checktype(L, CASES, LUA_TTABLE);
  lua_settop(L, CASES);
  int count = (int)luaL_len(L, CASES);
  luaL_argcheck(L, count > 0, CASES, "at least one case expected");
  luaL_argcheck(L, count <= CASES_MAX, CASES, "too many cases");
  luaL_checkstack(L, count + 12, "too many cases");
  rl_checkpoint(L);
  selection *s = lua_newuserdatauv(L, sizeof *s + (size_t)count * sizeof(branch), count);
  *s = (selection){.count = count, .master = &rl_current(L)->wait};
  for (int i = 0; i < count; i++) {
    lua_rawgeti(L, CASES, i + 1);
    if (!rl_test_case(L, -1))
      return luaL_error(L, "select: item %d is not a case (such as ch:receiving())", i + 1);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, SELECTION, i + 1);
    lua_getiuservalue(L, -1, 2);
    lua_remove(L, -2);
  }
  int start = (int)(rl_loop_random(&rl_state_of(L)->loop) % (uint64_t)count);
  for (int n = 0; n < count; n++) {
    int i = (start + n) % count;
    int values = try_case(L, i);
    if (values >= 0) {
      return rl_no_wait(L, tried, finish(L, i, values));
    }
  }
  rl_task *t = rl_current(L);
  t->wait.kind = &master_kind;
  t->wait.on = s;
  rl_op_begin(&t->wait, t);
  for (int n = 0; n < count; n++) begin(L, s, (start + n) % count);
  return rl_await(L, &t->wait, selected, (lua_KContext)&t->wait);
}

static int select_after(lua_State *L) {
  uint64_t ns = rl_check_seconds(L, 1);
  rl_push_case(L, NULL, 0, 0)->after = ns;
  return 1;
}

static const luaL_Reg functions[] = {{"select", select_one}, {"after", select_after}, {NULL, NULL}};

int rl_open_select(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
