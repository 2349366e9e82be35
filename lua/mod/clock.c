// The virtual clock, for tests: time stands still while tasks run and jumps to the next deadline
// when all wait.
#include "lua/bind/class.h"
#include "lua/bind/error.h"

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

// seed(n): the order of equally ready tasks from now on; 0: arrival order.
static int clock_seed(lua_State *L) {
  rl_loop *loop = &rl_state_of(L)->loop;
  loop->seed = loop->rng = (uint64_t)luaL_checkinteger(L, 1);
  return 0;
}

static const luaL_Reg functions[] = {{"clock", clock_new}, {"seed", clock_seed}, {NULL, NULL}};

int rl_open_clock(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
