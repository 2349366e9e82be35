// rille.native.program: what the tools written in Lua ask of the program they run in.
#include "lua/host/bundle.h"
#include "lua/host/seeing.h"
#include "lua/host/stdlib.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/resume.h"
#include "lua/bind/site.h"
#include "lua/bind/task.h"

#include <string.h>
#include <sys/resource.h>

// stdlib() -> names of the embedded files
static int program_stdlib(lua_State *L) {
  lua_createtable(L, rl_stdlib_count, 0);
  for (int i = 0; i < rl_stdlib_count; i++) {
    lua_pushstring(L, rl_stdlib_files[i].name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int program_source(lua_State *L) {  // (name) -> text, or nil
  const rl_stdlib_file *file = rl_stdlib_find(luaL_checkstring(L, 1));
  if (!file) return 0;
  lua_pushlstring(L, (const char *)file->data, file->length);
  return 1;
}

// Interrupts: while claimed, Ctrl-C ends what runs by an error, or wakes who waits for it.

static rl_stop interrupt_stop(rl_op *op) {
  (void)op;
  return RL_STOP_NOW;
}

static const rl_op_kind interrupt_kind = {"signal", interrupt_stop, NULL, RL_HOLD_PASSIVE};

static int program_claim(lua_State *L) {  // (boolean)
  rl_signals_claim(rl_runtime_of(L), lua_toboolean(L, 1));
  return 0;
}

static int interrupted(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_awaited(L, (rl_op *)ctx);
  return 0;
}

static int program_interrupted(lua_State *L) {  // waits for Ctrl-C
  rille_runtime *rt = rl_runtime_of(L);
  rl_checkpoint(L);
  if (rl_op_pending(&rt->interrupted)) return rl_raise(L, "EBUSY", "another task waits for it");
  rl_op_init(&rt->interrupted, &interrupt_kind);
  rl_op_begin(&rt->interrupted, rl_current(L));
  return rl_await(L, &rt->interrupted, interrupted, (lua_KContext)&rt->interrupted);
}

// Statistics.

static void set_number(lua_State *L, const char *name, lua_Number value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void set_pool(lua_State *L, rl_pool *p) {
  lua_createtable(L, 0, 4);
  uv_mutex_lock(&p->lock);
  uint64_t size = (uint64_t)p->size, queued = p->queued, running = p->running, done = p->completed;
  uv_mutex_unlock(&p->lock);
  set_integer(L, "threads", size);
  set_integer(L, "queued", queued);
  set_integer(L, "running", running);
  set_integer(L, "completed", done);
  lua_setfield(L, -2, "pool");
}

// Steps by how long they lasted: lag[i] lasted less than 2^i microseconds; once statistics are on.
static void set_lag(lua_State *L, rille_runtime *rt) {
  lua_createtable(L, RL_LAG_BUCKETS, 1);
  for (int i = 0; i < RL_LAG_BUCKETS; i++) {
    lua_pushinteger(L, (lua_Integer)rt->lag[i]);
    lua_rawseti(L, -2, i + 1);
  }
  set_number(L, "max", (lua_Number)rt->lag_max / 1e9);
  set_number(L, "recent", (lua_Number)rt->lag_recent / 1e9);
  rt->lag_recent = 0;
  lua_setfield(L, -2, "lag");
}

static void set_slowest(lua_State *L, const rille_runtime *rt) {
  lua_newtable(L);
  for (int i = 0; i < RL_SLOWEST && rt->slowest[i].lasted; i++) {
    lua_createtable(L, 0, 3);
    set_number(L, "seconds", (lua_Number)rt->slowest[i].lasted / 1e9);
    set_integer(L, "task", rt->slowest[i].task);
    lua_pushstring(L, rl_site_text(&rt->st, rt->slowest[i].site));
    lua_setfield(L, -2, "spawned_at");
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "slowest");
}

static int program_stats(lua_State *L) {
  rille_runtime *rt = rl_runtime_of(L);
  rl_state *st = &rt->st;
  rl_seeing_measure(rt);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  lua_createtable(L, 0, 16);
  set_integer(L, "tasks", st->alive);
  set_integer(L, "spawned", st->last_id);
  set_integer(L, "ready", st->loop.ready);
  set_integer(L, "timers", st->loop.timers.count);
  set_integer(L, "handles", st->loop.handles);
  set_integer(L, "ticks", st->loop.ticks);
  set_integer(L, "polls", st->loop.polls);
  set_integer(L, "steps", rt->steps);
  set_number(L, "busy", (lua_Number)rt->busy / 1e9);
  set_integer(L, "memory", st->memory);
  set_integer(L, "resident_max", (uint64_t)usage.ru_maxrss * 1024);
  set_number(L, "cpu_user",
             (lua_Number)usage.ru_utime.tv_sec + (lua_Number)usage.ru_utime.tv_usec / 1e6);
  set_number(L, "cpu_system",
             (lua_Number)usage.ru_stime.tv_sec + (lua_Number)usage.ru_stime.tv_usec / 1e6);
  set_pool(L, &st->cpu);
  set_lag(L, rt);
  set_slowest(L, rt);
  return 1;
}

// (task) -> a table of what is known of it, or nil once it has ended
static int program_task(lua_State *L) {
  rl_handle *h = rl_check_object(L, 1, &rl_task_class);
  rl_state *st = rl_state_of(L);
  const rl_ltask *t = rl_handle_task(h);
  if (!t) return 0;
  lua_createtable(L, 0, 12);
  set_integer(L, "id", t->id);
  lua_pushstring(L, rl_task_state_name(t));
  lua_setfield(L, -2, "state");
  lua_pushstring(L, rl_site_text(st, t->site));
  lua_setfield(L, -2, "spawned_at");
  set_number(L, "age", (lua_Number)(uv_hrtime() / 1000000 - t->born) / 1e3);
  if (t->cpu) set_number(L, "cpu", (lua_Number)t->cpu / 1e9);
  const rl_scope *home = rl_task_home(&t->core);
  if (home && home->owner) set_integer(L, "parent", rl_ltask_of(home->owner)->id);
  if (t->core.state == RL_TASK_BLOCKED && t->core.op) {
    lua_pushstring(L, t->core.op->kind->name);
    lua_setfield(L, -2, "waits_for");
    const rl_ltask *owner = rl_task_awaited(t);
    if (owner) set_integer(L, "waits_for_task", owner->id);
  }
  lua_Debug ar;
  lua_State *co = t->L ? rl_innermost(t) : NULL;
  for (int level = 0; co && co != L && lua_getstack(co, level, &ar); level++) {
    lua_getinfo(co, "Sl", &ar);
    if (ar.currentline < 0 || strncmp(ar.short_src, "rille/", 6) == 0) continue;
    lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
    lua_setfield(L, -2, "at");
    break;
  }
  return 1;
}

static int program_file(lua_State *L) {  // (name) -> bytes of a file of the built program, or nil
  return rl_bundle_push(L, luaL_checkstring(L, 1));
}

static int program_tree(lua_State *L) {
  rl_push_task_tree(L, "tasks:");
  return 1;
}

static const luaL_Reg functions[] = {
    {"stdlib", program_stdlib},
    {"source", program_source},
    {"claim", program_claim},
    {"interrupted", program_interrupted},
    {"stats", program_stats},
    {"task", program_task},
    {"file", program_file},
    {"tree", program_tree},
    {NULL, NULL},
};

int rl_open_program(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
