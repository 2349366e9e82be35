// rille.native.clock: the virtual clock, for tests: time stands still while tasks run and jumps to
// the next deadline when all wait.
#include "lua/bind/class.h"
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/scope.h"
#include "runtime/io/handle.h"

#include <stdlib.h>

typedef struct clock_box {
  rl_box box;
  bool open;
} clock_box;

static int clock_close(lua_State *L);
static int clock_advance(lua_State *L);

static const luaL_Reg clock_methods[] = {{"close", clock_close},
                                         {"advance", clock_advance},
                                         {"__close", clock_close},
                                         {"__gc", clock_close},
                                         {NULL, NULL}};

static const rl_class clock_class = {"rille.Clock", sizeof(clock_box), clock_methods};

static int clock_close(lua_State *L) {
  clock_box *c = rl_check_object(L, 1, &clock_class);
  if (c->open) rl_loop_set_virtual(&rl_state_of(L)->loop, false);
  c->open = false;
  return 0;
}

// advance(seconds): moves the time on by hand; timers that are due then fire at the next poll.
static int clock_advance(lua_State *L) {
  clock_box *c = rl_check_object(L, 1, &clock_class);
  uint64_t ns = rl_check_seconds(L, 2);
  if (!c->open) return rl_raise(L, "CLOSED", "clock:advance: the clock is closed");
  rl_state_of(L)->loop.now += ns;
  return 0;
}

static int clock_new(lua_State *L) {
  rl_loop *loop = &rl_state_of(L)->loop;
  if (loop->virtual_clock)
    return rl_raise(L, "DENIED", "clock: a virtual clock is in force already");
  clock_box *c = rl_object_new(L, &clock_class, 0);
  rl_loop_set_virtual(loop, true);
  c->open = true;
  return 1;
}

// A timeout by the real clock, whatever clock is in force: for whoever runs tests.

typedef struct watchdog {
  rl_uvhandle handle;
  uv_timer_t timer;
  rl_scope *scope;
} watchdog;

typedef struct watchdog_box {
  rl_box box;
  watchdog *dog;
} watchdog_box;

static void watchdog_closed(rl_uvhandle *h) { free(rl_container_of(h, watchdog, handle)); }

static void on_watchdog(uv_timer_t *timer) {
  watchdog *dog = rl_container_of(timer, watchdog, timer);
  rl_scope_cancel(dog->scope, RL_BECAUSE_DEADLINE, RL_GRACE_DEFAULT);
}

static int watchdog_close(lua_State *L) {
  watchdog_box *b = lua_touserdata(L, 1);
  watchdog *dog = b->dog;
  if (!dog) return 0;
  b->dog = NULL;
  dog->handle.loop->passive--;
  rl_scope_unref(dog->scope);
  rl_uvhandle_close(&dog->handle);
  return 0;
}

static const luaL_Reg watchdog_methods[] = {
    {"__close", watchdog_close}, {"__gc", watchdog_close}, {NULL, NULL}};

static const rl_class watchdog_class = {"rille.Watchdog", sizeof(watchdog_box), watchdog_methods};

// watchdog(seconds): cancels the scope around the caller, as its deadline would, unless it is
// closed before.
static int clock_watchdog(lua_State *L) {
  uint64_t ns = rl_check_seconds(L, 1);
  rl_checkpoint(L);
  rl_loop *loop = &rl_state_of(L)->loop;
  watchdog_box *b = rl_object_new(L, &watchdog_class, 0);
  watchdog *dog = calloc(1, sizeof *dog);
  if (!dog) return luaL_error(L, "not enough memory");
  int err = uv_timer_init(loop->uv, &dog->timer);
  if (err < 0) {
    free(dog);
    return rl_raise_sys(L, err, "watchdog", NULL, NULL);
  }
  rl_uvhandle_opened(&dog->handle, loop, &dog->timer, watchdog_closed);
  dog->scope = rl_current(L)->scope;
  rl_scope_ref(dog->scope);
  loop->passive++;  // nobody is stuck while it watches
  b->dog = dog;
  uv_update_time(loop->uv);
  uv_timer_start(&dog->timer, on_watchdog, ns / 1000000, 0);
  return 1;
}

// seconds of the real clock.
static int clock_real(lua_State *L) {
  lua_pushnumber(L, (lua_Number)uv_hrtime() / 1e9);
  return 1;
}

// seed(n): the order of equally ready tasks from now on; 0: arrival order.
static int clock_seed(lua_State *L) {
  rl_loop *loop = &rl_state_of(L)->loop;
  loop->seed = loop->rng = (uint64_t)luaL_checkinteger(L, 1);
  return 0;
}

static const luaL_Reg functions[] = {{"clock", clock_new},
                                     {"seed", clock_seed},
                                     {"watchdog", clock_watchdog},
                                     {"real", clock_real},
                                     {NULL, NULL}};

int rl_open_clock(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
