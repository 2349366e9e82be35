// sleepers, the floor: suspended coroutines, each in a place of its own and under a protected call,
// with the time when it is due; with rille's allocator, and without a scheduler. Argument:
// coroutines.
#include "runtime/base/slab.c"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <time.h>

typedef struct sleeper {
  double due;
  lua_State *co;
} sleeper;

static void *allocate(void *slab, void *block, size_t old_size, size_t new_size) {
  if (new_size > 0 && block) return rl_slab_realloc(slab, block, old_size, new_size);
  if (new_size > 0) return rl_slab_alloc(slab, new_size);
  if (block) rl_slab_free(slab, block, old_size);
  return NULL;
}

static double resident(void) {
  long size = 0, pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%ld %ld", &size, &pages) != 2) exit(1);
  fclose(file);
  return (double)pages * 4096;
}

static int over(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  return status == LUA_OK || status == LUA_YIELD ? 0 : lua_error(L);
}

static int root(lua_State *L) {
  return over(L, lua_pcallk(L, lua_gettop(L) - 2, 0, 1, 0, over), 0);
}

static int handler(lua_State *L) {
  (void)L;
  return 1;
}

static int pause(lua_State *L) { return lua_yieldk(L, 0, 0, over); }

static double clock_ns(void) { return (double)clock() / CLOCKS_PER_SEC * 1e9; }

int main(int argc, char **argv) {
  long n = argc > 1 ? atol(argv[1]) : 1;
  rl_slab slab;
  rl_slab_init(&slab);
  lua_State *L = lua_newstate(allocate, &slab);
  luaL_openlibs(L);
  lua_register(L, "pause", pause);
  if (luaL_loadstring(L, "local pause = pause return function() pause() end") != LUA_OK) return 1;
  lua_call(L, 0, 1);
  double before = resident(), began = clock_ns();
  sleeper *all = malloc((size_t)n * sizeof *all);
  if (!all) return 1;
  lua_createtable(L, (int)n, 0);
  for (int i = 0, count; i < n; i++) {
    all[i] = (sleeper){0.5 + i, lua_newthread(L)};
    lua_rawseti(L, -2, i + 1);
    lua_pushcfunction(all[i].co, root);
    lua_pushcfunction(all[i].co, handler);
    lua_pushvalue(L, -2);
    lua_xmove(L, all[i].co, 1);
    lua_resume(all[i].co, NULL, 2, &count);
  }
  double made = clock_ns();
  printf("bytes %.1f create_ns %.2f\n", (resident() - before) / (double)n,
         (made - began) / (double)n);
  for (int i = 0, count; i < n; i++) lua_resume(all[i].co, NULL, 0, &count);
  printf("wake_ns %.2f\n", (clock_ns() - made) / (double)n);
  free(all);
  lua_close(L);
  rl_slab_fini(&slab);
  return 0;
}
