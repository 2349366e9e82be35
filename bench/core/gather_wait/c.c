// gather_wait, the floor: what the Lua calls cost without a scheduler. Coroutines are used again,
// and run under a protected call, without which a failed one could not wait in its `<close>`
// variables.
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WIDTH = 10000 };

static const char make[] =
    "local yield = ...\n"
    "local functions = {}\n"
    "for i = 1, 10000 do functions[i] = function() yield() return i end end\n"
    "return functions\n";

static lua_State *pool[WIDTH];

static int over(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  return status == LUA_OK || status == LUA_YIELD ? lua_gettop(L) - 1 : lua_error(L);
}

static int root(lua_State *L) {
  return over(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, over), 0);
}

static int handler(lua_State *L) {
  (void)L;
  return 1;
}

static int after(lua_State *L, int status, lua_KContext ctx) {
  (void)L, (void)status, (void)ctx;
  return 0;
}

static int yield(lua_State *L) { return lua_yieldk(L, 0, 0, after); }

static void begin(lua_State *L, int i) {
  int count;
  lua_State *co = pool[i];
  lua_pushcfunction(co, root);
  lua_pushcfunction(co, handler);
  lua_rawgeti(L, 1, i + 1);
  lua_xmove(L, co, 1);
  if (lua_resume(co, NULL, 2, &count) != LUA_YIELD) abort();
}

static void end(lua_State *L, int i) {
  int count;
  lua_State *co = pool[i];
  if (lua_resume(co, NULL, 0, &count) != LUA_OK || count != 1) abort();
  lua_xmove(co, L, 1);
  lua_rawseti(L, -2, i + 1);
}

int main(int argc, char **argv) {
  long n = argc > 1 ? atol(argv[1]) : 0;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_gc(L, LUA_GCINC, 200, 100, 0);
  if (luaL_loadstring(L, make) != LUA_OK) return 1;
  lua_pushcfunction(L, yield);
  lua_call(L, 1, 1);
  lua_newtable(L);
  for (int i = 0; i < WIDTH; i++) {
    pool[i] = lua_newthread(L);
    lua_rawseti(L, -2, i + 1);
  }
  clock_t began = clock();
  for (long done = 0; done < n; done += WIDTH) {
    lua_createtable(L, WIDTH, 0);
    for (int i = 0; i < WIDTH; i++) begin(L, i);
    for (int i = 0; i < WIDTH; i++) end(L, i);
    lua_pop(L, 1);
  }
  printf("ns %.2f\n", (double)(clock() - began) / CLOCKS_PER_SEC / (double)n * 1e9);
  lua_close(L);
  return 0;
}
