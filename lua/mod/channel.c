// rille.channel: values from task to task, in order, with a bounded buffer between. Senders and
// receivers hand over directly: a waiting receiver's value goes onto its stack, a waiting sender's
// value is taken from its stack.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/resume.h"
#include "lua/bind/select.h"

#include <math.h>

typedef struct channel {
  rl_box box;
  lua_Integer capacity;  // of the ring; unbounded: grows
  lua_Integer first, count;
  lua_Integer room;  // slots of the ring
  bool unbounded, closed;
  rl_lot senders;  // a parked op's status is the index of its value on the task's stack
  rl_lot receivers;
} channel;

enum { RING_FIRST = 16, HANDED = 1, CLOSED_NOW = 2 };

static const rl_op_kind send_kind = {"channel:send", rl_lot_stop, NULL, RL_HOLD_NONE};
static const rl_op_kind recv_kind = {"channel:recv", rl_lot_stop, NULL, RL_HOLD_NONE};

static int channel_send(lua_State *L);
static int channel_recv(lua_State *L);
static int channel_try_send(lua_State *L);
static int channel_try_recv(lua_State *L);
static int channel_close(lua_State *L);
static int channel_closing(lua_State *L);
static int channel_is_closed(lua_State *L);
static int channel_len(lua_State *L);
static int channel_sending(lua_State *L);
static int channel_receiving(lua_State *L);

static const luaL_Reg channel_methods[] = {
    {"send", channel_send},         {"recv", channel_recv},
    {"try_send", channel_try_send}, {"try_recv", channel_try_recv},
    {"close", channel_close},       {"is_closed", channel_is_closed},
    {"sending", channel_sending},   {"receiving", channel_receiving},
    {"__len", channel_len},         {"__call", channel_recv},
    {"__close", channel_closing},   {NULL, NULL}};

static const rl_class channel_class = {"rille.Channel", sizeof(channel), channel_methods};

static channel *check_channel(lua_State *L) { return rl_check_object(L, 1, &channel_class); }

static int channel_new(lua_State *L) {
  bool unbounded = lua_type(L, 1) == LUA_TNUMBER && lua_tonumber(L, 1) == (lua_Number)HUGE_VAL;
  lua_Integer capacity = unbounded ? 0 : luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, capacity >= 0, 1, "capacity must not be negative");
  channel *c = rl_object_new(L, &channel_class, 1);
  c->capacity = capacity;
  c->unbounded = unbounded;
  rl_lot_init(&c->senders);
  rl_lot_init(&c->receivers);
  if (capacity > 0 || unbounded) {
    c->room = capacity > 0 && capacity < RING_FIRST ? capacity : RING_FIRST;
    lua_createtable(L, (int)c->room, 0);
    lua_setiuservalue(L, -2, 1);
  }
  return 1;
}

// The ring: a table of `room` slots as the user value of the channel at index 1.

static void grow_ring(lua_State *L, channel *c, int object) {
  lua_Integer room = c->room * 2;
  if (!c->unbounded && room > c->capacity) room = c->capacity;
  lua_createtable(L, room < INT32_MAX / 4 ? (int)room : 0, 0);
  lua_getiuservalue(L, object, 1);
  for (lua_Integer i = 0; i < c->count; i++) {
    lua_rawgeti(L, -1, (c->first + i) % c->room + 1);
    lua_rawseti(L, -3, i + 1);
  }
  lua_pop(L, 1);
  lua_setiuservalue(L, object, 1);
  c->first = 0;
  c->room = room;
}

static bool has_room(const channel *c) { return c->unbounded || c->count < c->capacity; }

// Leaves the ring on the stack.
static void put(lua_State *L, channel *c, int object, int value) {
  if (c->count == c->room) grow_ring(L, c, object);
  lua_Integer at = c->first + c->count;
  if (at >= c->room) at -= c->room;
  lua_getiuservalue(L, object, 1);
  lua_pushvalue(L, value);
  lua_rawseti(L, -2, at + 1);
  c->count++;
}

// Pushes the value, above the ring.
static void take(lua_State *L, channel *c, int object) {
  lua_getiuservalue(L, object, 1);
  lua_rawgeti(L, -1, c->first + 1);
  lua_pushnil(L);
  lua_rawseti(L, -3, c->first + 1);
  if (++c->first == c->room) c->first = 0;
  c->count--;
}

static lua_State *stack_of(const rl_op *op) { return rl_innermost(rl_ltask_of(op->task)); }

static bool hand_to_receiver(lua_State *L, channel *c, int value) {
  rl_op *op = rl_lot_first(&c->receivers);
  if (!op) return false;
  lua_State *to = stack_of(op);
  luaL_checkstack(to, 2, "channel");
  lua_pushvalue(L, value);
  lua_xmove(L, to, 1);
  rl_op_finish(op, HANDED);
  return true;
}

// Pushes the value of the first waiting sender, which goes on.
static bool take_from_sender(lua_State *L, channel *c) {
  rl_op *op = rl_lot_first(&c->senders);
  if (!op) return false;
  lua_State *from = stack_of(op);
  luaL_checkstack(from, 1, "channel");
  lua_pushvalue(from, op->status);
  lua_xmove(from, L, 1);
  rl_op_finish(op, HANDED);
  return true;
}

static int raise_closed(lua_State *L) { return rl_raise(L, "CLOSED", "channel: closed"); }

static void check_value(lua_State *L, int value) {
  if (lua_isnoneornil(L, value)) luaL_argerror(L, value, "a channel cannot carry nil");
}

// The value passes now: true.
static bool send_now(lua_State *L, channel *c, int object, int value) {
  if (c->closed) raise_closed(L);
  if (hand_to_receiver(L, c, value)) return true;
  if (!has_room(c)) return false;
  put(L, c, object, value);
  return true;
}

// Pushes the next value (or nil, at the end): true.
static bool recv_now(lua_State *L, channel *c, int object) {
  if (c->count > 0) {
    take(L, c, object);
    rl_op *op = rl_lot_first(&c->senders);
    if (op && has_room(c)) {
      int value = lua_gettop(L);
      take_from_sender(L, c);
      put(L, c, object, value + 1);
      lua_settop(L, value);
    }
    return true;
  }
  if (take_from_sender(L, c)) return true;
  if (c->closed) lua_pushnil(L);
  return c->closed;
}

static int sent(lua_State *L, int status, lua_KContext op) {
  (void)status;
  if (op && rl_awaited(L, (rl_op *)op) != HANDED) return raise_closed(L);
  return 0;
}

static int channel_send(lua_State *L) {
  channel *c = check_channel(L);
  check_value(L, 2);
  rl_checkpoint(L);
  if (send_now(L, c, 1, 2)) return rl_no_wait(L, sent, 0);
  rl_task *t = rl_current(L);
  rl_task_park(t, &c->senders, &send_kind, c);
  t->wait.status = 2;
  return rl_await(L, &t->wait, sent, (lua_KContext)&t->wait);
}

static int received(lua_State *L, int status, lua_KContext op) {
  (void)status;
  if (op && rl_awaited(L, (rl_op *)op) != HANDED) lua_pushnil(L);
  return 1;
}

static int channel_recv(lua_State *L) {
  channel *c = check_channel(L);
  rl_checkpoint(L);
  if (recv_now(L, c, 1)) return rl_no_wait(L, received, 0);
  rl_task *t = rl_current(L);
  rl_task_park(t, &c->receivers, &recv_kind, c);
  return rl_await(L, &t->wait, received, (lua_KContext)&t->wait);
}

static int channel_try_send(lua_State *L) {
  channel *c = check_channel(L);
  check_value(L, 2);
  lua_pushboolean(L, send_now(L, c, 1, 2));
  return 1;
}

// try_recv() -> true, value; or false when there is none now; or nil at the end.
static int channel_try_recv(lua_State *L) {
  channel *c = check_channel(L);
  bool ended = c->closed && c->count == 0 && rl_lot_empty(&c->senders);
  if (ended) return 0;
  if (!recv_now(L, c, 1)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_pushboolean(L, 1);
  lua_insert(L, -2);
  return 2;
}

// The end of its block: an error on its way there is no table of options.
static int channel_closing(lua_State *L) {
  lua_settop(L, 1);
  return channel_close(L);
}

static int channel_close(lua_State *L) {
  static const char *const names[] = {"discard", NULL};
  channel *c = check_channel(L);
  bool discard =
      lua_istable(L, 2) && rl_check_options(L, 2, names) && rl_option_bool(L, 2, "discard", false);
  c->closed = true;
  if (discard) {
    while (c->count > 0) {
      take(L, c, 1);
      lua_pop(L, 2);
    }
  }
  rl_lot_wake_all(&c->senders, CLOSED_NOW);
  rl_lot_wake_all(&c->receivers, CLOSED_NOW);
  return 0;
}

static int channel_is_closed(lua_State *L) {
  lua_pushboolean(L, check_channel(L)->closed);
  return 1;
}

static int channel_len(lua_State *L) {
  lua_pushinteger(L, check_channel(L)->count);
  return 1;
}

// Cases of select.

static int recv_try(lua_State *L, int object, int value, lua_Integer argument) {
  (void)value, (void)argument;
  return recv_now(L, lua_touserdata(L, object), object) ? 1 : -1;
}

static void recv_park(rl_op *op, int value, lua_Integer argument) {
  (void)value, (void)argument;
  rl_lot_park(&((channel *)op->on)->receivers, op);
}

static int recv_done(lua_State *L, int object, int status, int handed) {
  (void)object;
  if (status == HANDED) {
    lua_pushvalue(L, handed);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

static int send_try(lua_State *L, int object, int value, lua_Integer argument) {
  (void)argument;
  return send_now(L, lua_touserdata(L, object), object, value) ? 0 : -1;
}

static void send_park(rl_op *op, int value, lua_Integer argument) {
  (void)argument;
  op->status = value;
  rl_lot_park(&((channel *)op->on)->senders, op);
}

static int send_done(lua_State *L, int object, int status, int handed) {
  (void)object, (void)handed;
  return status == HANDED ? 0 : raise_closed(L);
}

static const rl_case_kind recv_case = {recv_try, recv_park, recv_done, NULL};
static const rl_case_kind send_case = {send_try, send_park, send_done, NULL};

static int channel_receiving(lua_State *L) {
  check_channel(L);
  rl_push_case(L, &recv_case, 1, 0);
  return 1;
}

static int channel_sending(lua_State *L) {
  check_channel(L);
  check_value(L, 2);
  rl_push_case(L, &send_case, 1, 2);
  return 1;
}

static const luaL_Reg functions[] = {{"channel", channel_new}, {NULL, NULL}};

int rl_open_channel(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
