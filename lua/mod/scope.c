// rille's scopes: group, timeout, move_on_after, deadline, shield.
#include "lua/bind/scope.h"

#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/task.h"

typedef struct scope_box {
  rl_box box;
  rl_scope *scope;  // NULL before it is entered
} scope_box;

static int scope_gc(lua_State *L) {
  scope_box *b = lua_touserdata(L, 1);
  if (b->scope) rl_scope_unref(b->scope);
  b->scope = NULL;
  return 0;
}

static int group_spawn_as(lua_State *L, rl_mode mode);

// Groups.

static int group_spawn(lua_State *L) { return group_spawn_as(L, RL_MODE_SPAWN); }
static int group_async(lua_State *L) { return group_spawn_as(L, RL_MODE_ASYNC); }

static int group_cancel(lua_State *L);

static const luaL_Reg group_methods[] = {{"spawn", group_spawn},
                                         {"async", group_async},
                                         {"cancel", group_cancel},
                                         {"__gc", scope_gc},
                                         {NULL, NULL}};

static const rl_class group_class = {"rille.Group", sizeof(scope_box), group_methods};

static scope_box *check_group(lua_State *L) { return rl_check_object(L, 1, &group_class); }

static int group_spawn_as(lua_State *L, rl_mode mode) {
  scope_box *g = check_group(L);
  int top = lua_gettop(L);
  if (RL_UNLIKELY(!lua_isfunction(L, 2))) {
    if (luaL_getmetafield(L, 2, "__call") == LUA_TNIL) luaL_typeerror(L, 2, "function");
    lua_settop(L, top);
  }
  return rl_spawn_handle(L, g->scope, top - 2, mode);
}

// (group, f, ...): spawns a task that nobody holds: without a handle, whose collection would cost
// as much as the rest.
static int scope_employ(lua_State *L) {
  scope_box *g = check_group(L);
  rl_spawn(L, g->scope, lua_gettop(L) - 2, RL_MODE_SPAWN);
  return 0;
}

static int group_cancel(lua_State *L) {
  scope_box *g = check_group(L);
  lua_settop(L, 2);
  int reason;
  uint64_t grace = rl_check_cancel_options(L, 2, &reason);
  rl_scope_reason(L, g->scope, reason);
  rl_scope_cancel(g->scope, RL_BECAUSE_CALL, grace);
  return 0;
}

// Enters a scope that the object at the top of the stack refers to.
static rl_scope *enter(lua_State *L, scope_box *b, uint64_t due) {
  rl_scope *s = rl_scope_open_here(L, due);
  b->scope = s;
  rl_scope_ref(s);
  return s;
}

static int scope_group(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  rl_checkpoint(L);
  lua_settop(L, 1);
  scope_box *g = rl_object_new(L, &group_class, 0);
  return rl_scope_call(L, enter(L, g, RL_NEVER), RL_BODY_GROUP, 1);
}

// Timeouts.

// What is over at the same time as a deadline has completed before it. One of 0 has passed.
static uint64_t after(lua_State *L, uint64_t ns) {
  rl_loop *loop = &rl_state_of(L)->loop;
  return ns == 0 ? rl_loop_now(loop) : rl_loop_after(loop, ns == RL_NEVER ? ns : ns + 1);
}

static int call_until(lua_State *L, rl_body body) {
  uint64_t ns = rl_check_seconds(L, 1);
  luaL_checkany(L, 2);
  rl_checkpoint(L);
  rl_scope *s = rl_scope_open_here(L, after(L, ns));
  return rl_scope_call(L, s, body, lua_gettop(L) - 2);
}

static int scope_timeout(lua_State *L) { return call_until(L, RL_BODY_TIMEOUT); }
static int scope_move_on_after(lua_State *L) { return call_until(L, RL_BODY_MOVE_ON); }

// No checkpoint: what is due already stays pending too.
static int scope_shield(lua_State *L) {
  luaL_checkany(L, 1);
  rl_check_can_wait(L);
  rl_scope *s = rl_scope_open_here(L, RL_NEVER);
  s->shield = true;
  return rl_scope_call(L, s, RL_BODY_SHIELD, lua_gettop(L) - 1);
}

// Deadlines: a scope from the call to the end of the block.

static int deadline_reschedule(lua_State *L);
static int deadline_close(lua_State *L);

static const luaL_Reg deadline_methods[] = {{"reschedule", deadline_reschedule},
                                            {"close", deadline_close},
                                            {"__close", deadline_close},
                                            {"__gc", scope_gc},
                                            {NULL, NULL}};

static const rl_class deadline_class = {"rille.Deadline", sizeof(scope_box), deadline_methods};

static int deadline_reschedule(lua_State *L) {
  scope_box *d = rl_check_object(L, 1, &deadline_class);
  int err = rl_scope_deadline(d->scope, after(L, rl_check_seconds(L, 2)));
  return err < 0 ? rl_raise_sys(L, err, "deadline:reschedule", NULL, NULL) : 0;
}

static int deadline_close(lua_State *L) {
  scope_box *d = rl_check_object(L, 1, &deadline_class);
  rl_ltask *t = rl_state_of(L)->current;
  if (d->scope->left || !t || d->scope->owner != &t->core) return 0;
  lua_settop(L, 2);
  bool ok = lua_isnil(L, 2);
  return rl_scope_finish(L, d->scope, RL_BODY_TIMEOUT, ok ? 2 : 1, ok, NULL);
}

static int scope_deadline(lua_State *L) {
  uint64_t ns = rl_check_seconds(L, 1);
  rl_checkpoint(L);
  scope_box *d = rl_object_new(L, &deadline_class, 0);
  enter(L, d, after(L, ns));
  return 1;
}

static const luaL_Reg functions[] = {
    {"employ", scope_employ},
    {"group", scope_group},
    {"timeout", scope_timeout},
    {"move_on_after", scope_move_on_after},
    {"deadline", scope_deadline},
    {"shield", scope_shield},
    {NULL, NULL},
};

int rl_open_scope(lua_State *L) {
  rl_class_open(L, &group_class);
  rl_class_open(L, &deadline_class);
  luaL_newlib(L, functions);
  luaL_getmetatable(L, group_class.name);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "Group");
  lua_pop(L, 1);
  return 1;
}
