// A runtime's Lua state: allocator, libraries, side tables; and its orderly end.
#include "lua/bind/state.h"

#include "lua/bind/error.h"
#include "lua/bind/gift.h"
#include "lua/bind/pace.h"
#include "lua/bind/resume.h"
#include "lua/bind/site.h"
#include "lua/bind/task.h"
#include "runtime/base/check.h"
#include "runtime/io/permit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int rl_ids_take(rl_ids *ids) {
  if (ids->count > 0) return ids->free[--ids->count];
  if (ids->last == ids->cap) {  // room for every id to come back
    int cap = ids->cap ? ids->cap * 2 : 256;
    int *free_ids = realloc(ids->free, (size_t)cap * sizeof *free_ids);
    if (!free_ids) return 0;
    ids->free = free_ids;
    ids->cap = cap;
  }
  return ++ids->last;
}

void rl_ids_give(rl_ids *ids, int id) { ids->free[ids->count++] = id; }

static bool over_limit(rl_state *st, size_t more) {
#if defined(RILLE_STRESS)
  if (st->fail_in && !st->critical && --st->fail_in < 2)
    return true;  // twice: Lua collects and tries again
#endif
  if (!st->memory_limit || st->critical || st->memory + more <= st->memory_limit) return false;
  // What is being stopped may hold a quarter more: errors and their stories, without a collection
  // for each of a crowd of tasks.
  return !st->before_resume || st->memory + more > st->memory_limit + st->memory_limit / 4;
}

static void set_watermark(rl_state *st) {
  st->watermark = st->memory_limit ? st->memory_limit : SIZE_MAX;
  if (st->cycle_ended || st->fail_in) st->watermark = 0;
}

static void *refuse(rl_state *st) {
  if (st->refused && st->limit_hit) st->limit_hit(st);
  st->refused = true;
  return NULL;
}

static void *allocate(void *ud, void *block, size_t old_size, size_t new_size) {
  rl_state *st = ud;
  void *fresh = NULL;
  if (!block) old_size = 0;
  if (new_size > old_size && RL_UNLIKELY(st->memory + new_size - old_size > st->watermark)) {
    if (st->cycle_ended) rl_pace_set(st);
    set_watermark(st);
    if (over_limit(st, new_size - old_size)) return refuse(st);
    fresh = rl_gift_take(st, block, new_size);
  }
  st->refused = st->refused && new_size <= old_size;
  if (RL_UNLIKELY(fresh)) {
  } else if (st->alloc) {
    fresh = st->alloc(st->alloc_ud, block, old_size, new_size);
  } else if (new_size == 0) {
    rl_slab_free(&st->loop.slab, block, old_size);
  } else if (!block) {
    fresh = rl_slab_alloc(&st->loop.slab, new_size);
  } else {
    fresh = rl_slab_realloc(&st->loop.slab, block, old_size, new_size);
  }
  if (fresh || new_size == 0) st->memory += new_size - old_size;
  return fresh;
}

static int panic(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  fprintf(stderr, "rille: unprotected error: %s\n", message ? message : "(no message)");
  return 0;
}

int rl_weak_table(lua_State *L, const char *mode) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, mode);
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int plain_table(lua_State *L) {
  lua_newtable(L);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int open_libraries(lua_State *L) {
  rl_state *st = rl_state_of(L);
  if (lua_toboolean(L, 1)) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  luaL_openlibs(L);
  rl_pace_open(L);
  rl_gift_open(L);
  rl_coroutine_open(L);
  rl_error_open(L);
  rl_class_open(L, &rl_task_class);
  luaL_getmetatable(L, rl_task_class.name);
  st->task_class = luaL_ref(L, LUA_REGISTRYINDEX);
  st->names = rl_weak_table(L, "k");
  st->cos = plain_table(L);
  st->handles = rl_weak_table(L, "v");
  st->unclaimed = plain_table(L);
  st->orphans = plain_table(L);
  return 0;
}

static int open_scopes(rl_state *st) {
  st->main_scope = rl_scope_new(&st->loop, NULL);
  st->detached = rl_scope_new(&st->loop, NULL);
  st->pool = malloc(RL_CO_POOL * sizeof *st->pool);
  return st->main_scope && st->detached && st->pool ? 0 : -ENOMEM;
}

static void set_seed(rl_state *st) {
  const char *seed = getenv("RILLE_SEED");
  st->loop.rng = uv_hrtime();
  if (seed && *seed) st->loop.seed = st->loop.rng = strtoull(seed, NULL, 10);
#if defined(RILLE_STRESS)
  const char *fail = getenv("RILLE_FAIL_ALLOC");  // the n-th allocation of a script fails
  if (fail) st->fail_in = strtoull(fail, NULL, 10) + 1;
  set_watermark(st);
#endif
}

static int open_lua(rl_state *st, bool no_env) {
  lua_State *L = st->L = lua_newstate(allocate, st);
  if (!L) return -ENOMEM;
  *(rl_state **)lua_getextraspace(L) = st;
  lua_atpanic(L, panic);
  lua_pushcfunction(L, open_libraries);
  lua_pushboolean(L, no_env);
  int status = lua_pcall(L, 1, 0, 0);
  st->critical = 1;  // from here on, only what tasks do is bounded
  return status == LUA_OK ? 0 : -ENOMEM;
}

static void free_records(rl_state *st) {
  for (rl_job *next, *job = st->records; job; job = next) {
    next = job->next;
    rl_slab_free(&st->loop.slab, rl_container_of(job, rl_task, job), sizeof(rl_ltask));
  }
}

static void free_all(rl_state *st) {
  free_records(st);
  rl_sites_free(st);
  free(st->anchors.free);
  free(st->slots.free);
  free(st->pool);
  rl_permit_unref(st->loop.permit);
  rl_loop_fini(&st->loop);
}

int rl_state_init(rl_state *st, const rl_state_options *o) {
  memset(st, 0, sizeof *st);
  rl_link_init(&st->parting);
  int err = rl_loop_init(&st->loop, o->uv, rl_run_task, st);
  if (err < 0) {
    rl_permit_unref(o->permit);
    return err;
  }
  st->loop.permit = o->permit;
  st->reports = INT_MAX;
  st->alloc = o->alloc;
  st->alloc_ud = o->alloc_ud;
  st->memory_limit = o->memory_limit;
  set_watermark(st);
  err = rl_pool_init(&st->cpu, &st->loop, o->pool_threads);
  if (err == 0) err = open_scopes(st);
  if (err == 0) err = open_lua(st, o->no_env);
  if (err < 0) {
    rl_state_fini(st);
    return err;
  }
  if (!o->no_env) set_seed(st);
  return 0;
}

void rl_state_close(rl_state *st) {
  if (st->loop.closing) return;
  if (st->cpu.loop) rl_pool_fini(&st->cpu);
  if (st->L) lua_close(st->L);
  st->L = NULL;
  rl_loop_close(&st->loop);
}

void rl_state_fini(rl_state *st) {
  rl_state_close(st);
  while (!rl_loop_closed(&st->loop)) uv_run(st->loop.uv, UV_RUN_ONCE);
  for (rl_link *l; (l = rl_list_pop(&st->parting));)
    rl_scope_unref(rl_container_of(l, rl_scope, sibling));
  if (st->main_scope) rl_scope_unref(st->main_scope);
  if (st->detached) rl_scope_unref(st->detached);
  free_all(st);
}

bool rl_state_protect(rl_state *st, lua_CFunction f, void *what) {
  lua_State *L = st->L;
  if (!lua_checkstack(L, 4)) return false;
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, what);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  return false;
}

void rl_report_text(rl_state *st, const char *text) {
  if (st->report) {
    st->report(st, text);
  } else {
    fprintf(stderr, "rille: %s\n", text);
  }
}
