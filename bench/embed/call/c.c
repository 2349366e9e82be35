// A call, the floor: lua_pcall of a function that returns its argument at once.
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
  long n = argc > 1 ? atol(argv[1]) : 100000, sum = 0;
  lua_State *L = luaL_newstate();
  if (!L || luaL_loadstring(L, "local function f(x) return x end return f") != LUA_OK) return 1;
  lua_call(L, 0, 1);
  clock_t began = clock();
  for (long i = 0; i < n; i++) {
    lua_pushvalue(L, 1);
    lua_pushinteger(L, i);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) return 1;
    sum += (long)lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  printf("ns %.2f\n", (double)(clock() - began) / CLOCKS_PER_SEC / (double)n * 1e9);
  lua_close(L);
  return sum == n * (n - 1) / 2 ? 0 : 1;
}
