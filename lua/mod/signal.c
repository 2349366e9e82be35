// rille.native.signal: watching for signals.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/signame.h"
#include "runtime/io/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef struct signals_box {
  rl_box box;
  bool open;
  rl_signals signals;
} signals_box;

static int signals_gc(lua_State *L) {
  signals_box *b = lua_touserdata(L, 1);
  if (b->open) rl_signals_close(&b->signals);
  b->open = false;
  return 0;
}

static const luaL_Reg signals_methods[] = {{"__gc", signals_gc}, {NULL, NULL}};
static const rl_class signals_class = {"rille.Signals", sizeof(signals_box), signals_methods};

// The runtime's one, in the registry.
static rl_signals *push_signals(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, "rille.signals") == LUA_TNIL) {
    lua_pop(L, 1);
    signals_box *b = rl_object_new(L, &signals_class, 0);
    rl_signals_init(&b->signals, &rl_state_of(L)->loop);
    b->open = true;
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "rille.signals");
  }
  return &((signals_box *)lua_touserdata(L, -1))->signals;
}

// Its user values: the runtime's signals, and a table from numbers to the names as they were asked
// for.
typedef struct watch_box {
  rl_box box;
  bool open;
  rl_signal_watch watch;
} watch_box;

static const rl_class watch_class;

static int watch_close(lua_State *L) {
  watch_box *b = rl_check_object(L, 1, &watch_class);
  if (b->open) rl_signal_watch_close(&b->watch);
  b->open = false;
  return 0;
}

static int push_taken(lua_State *L, watch_box *b) {
  int number = rl_signal_watch_take(&b->watch);
  lua_getiuservalue(L, 1, 2);
  lua_rawgeti(L, -1, number);
  return 1;
}

static int watch_at_hand(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return push_taken(L, (watch_box *)ctx);
}

// A closed watch ends its loop, unless something was pending.
static int watch_waited(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  watch_box *b = (watch_box *)ctx;
  rl_awaited(L, &b->watch.op);
  return b->watch.count ? push_taken(L, b) : 0;
}

// (): the name of the next signal; nil when it is closed
static int watch_next(lua_State *L);

static const luaL_Reg watch_methods[] = {
    {"next", watch_next},     {"close", watch_close}, {"__call", watch_next},
    {"__close", watch_close}, {"__gc", watch_close},  {NULL, NULL},
};
static const rl_class watch_class = {"rille.SignalWatch", sizeof(watch_box), watch_methods};

static int watch_next(lua_State *L) {
  watch_box *b = rl_check_object(L, 1, &watch_class);
  if (rl_op_pending(&b->watch.op))
    rl_raise_op(L, "EBUSY", "wait", "another task waits for these signals");
  rl_checkpoint(L);
  if (b->watch.count) return rl_no_wait(L, watch_at_hand, (lua_KContext)b);
  if (!b->open) return 0;
  rl_signal_watch_wait(&b->watch, rl_current(L));
  return rl_await(L, &b->watch.op, watch_waited, (lua_KContext)b);
}

static void add_signal(lua_State *L, watch_box *b, int index, int names) {
  int number = rl_check_signal(L, index);
  if (lua_isinteger(L, index)) {
    rl_push_signal_name(L, number);
  } else {
    lua_pushvalue(L, index);
  }
  const char *name = lua_tostring(L, -1);
  int err =
      number == SIGKILL || number == SIGSTOP ? UV_EINVAL : rl_signal_watch_add(&b->watch, number);
  if (err < 0) rl_raise_sys(L, err, "signal", NULL, name);
  lua_rawseti(L, names, number);
}

// (name...): a watch; signals are kept for it from now on
static int signal_watch(lua_State *L) {
  int count = lua_gettop(L);
  luaL_argcheck(L, count > 0, 1, "the name of a signal expected");
  for (int i = 1; i <= count; i++) rl_check_signal(L, i);
  rl_signals *all = push_signals(L);
  watch_box *b = rl_object_new(L, &watch_class, 2);
  int watch = lua_gettop(L);
  lua_pushvalue(L, watch - 1);
  lua_setiuservalue(L, watch, 1);
  lua_newtable(L);
  rl_signal_watch_init(&b->watch, all);
  b->open = true;
  for (int i = 1; i <= count; i++) add_signal(L, b, i, watch + 1);
  lua_setiuservalue(L, watch, 2);
  return 1;
}

// (pid, name): to another process, or our own
static int signal_send(lua_State *L) {
  lua_Integer pid = luaL_checkinteger(L, 1);
  int number = lua_isinteger(L, 2) && lua_tointeger(L, 2) == 0 ? 0 : rl_check_signal(L, 2);
  if (kill((pid_t)pid, number) == 0) return 0;
  return rl_raise_sys(L, -errno, "kill", NULL, lua_tostring(L, 1));
}

int rl_open_signal(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"watch", signal_watch}, {"send", signal_send}, {NULL, NULL}};
  rl_class_open(L, &watch_class);
  luaL_newlib(L, functions);
  return 1;
}
