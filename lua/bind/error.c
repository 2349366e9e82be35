// Error objects.
#include "lua/bind/error.h"

#include <string.h>
#include <uv.h>

enum { MAX_NAME = 32, RECENT_PLAIN = 64 };

const char *rl_code_name(int code) {
  const char *own = rl_error_name(code);
  return own ? own : uv_err_name(code);
}

// Takes the message from the top and leaves the object there.
static void make_object(lua_State *L, const char *code) {
  rl_state *st = rl_state_of(L);
  lua_createtable(L, 0, 4);
  lua_rotate(L, -2, 1);
  lua_setfield(L, -2, "message");
  lua_pushstring(L, code);
  lua_setfield(L, -2, "code");
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->errors);
  lua_setmetatable(L, -2);
}

static void push_formatted(lua_State *L, const char *code, const char *format, va_list args) {
  luaL_checkstack(L, 8, "error object");
  lua_pushvfstring(L, format, args);
  make_object(L, code);
}

void rl_push_error(lua_State *L, const char *code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  push_formatted(L, code, format, args);
  va_end(args);
}

int rl_raise(lua_State *L, const char *code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  push_formatted(L, code, format, args);
  va_end(args);
  return lua_error(L);
}

static void set_op(lua_State *L, const char *op) {
  lua_pushstring(L, op);
  lua_setfield(L, -2, "op");
}

int rl_raise_op(lua_State *L, const char *code, const char *op, const char *text) {
  rl_push_error(L, code, "%s: %s", op, text);
  set_op(L, op);
  return lua_error(L);
}

static const char *own_text(int err) {
  switch (err) {
    case RL_TIMEOUT: return "timed out";
    case RL_CANCELLED: return "cancelled";
    case RL_CLOSED: return "closed";
    case RL_BROKEN: return "broken";
    case RL_DEADLOCK: return "would wait for ever";
    case RL_LIMIT: return "over the limit";
    case RL_DENIED: return "not permitted";
    case RL_INVALID: return "malformed";
    default: return NULL;
  }
}

void rl_push_sys(lua_State *L, int err, const char *op, const char *field, const char *subject) {
  char name[MAX_NAME];
  const char *text = own_text(err);
  const char *code = rl_error_name(err);
  if (!code) code = uv_err_name_r(err, name, sizeof name);
  if (!text) text = uv_strerror(err);
  if (subject) {
    rl_push_error(L, code, "%s '%s': %s", op, subject, text);
  } else {
    rl_push_error(L, code, "%s: %s", op, text);
  }
  set_op(L, op);
  if (field && subject) {
    lua_pushstring(L, subject);
    lua_setfield(L, -2, field);
  }
}

int rl_raise_sys(lua_State *L, int err, const char *op, const char *field, const char *subject) {
  rl_push_sys(L, err, op, field, subject);
  return lua_error(L);
}

int rl_raise_denied(lua_State *L, const char *op, const char *field, const char *subject,
                    const char *why) {
  rl_push_sys(L, RL_DENIED, op, field, subject);
  lua_getfield(L, -1, "message");
  lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), why);
  lua_setfield(L, -3, "message");
  lua_pop(L, 1);
  return lua_error(L);
}

bool rl_is_error_object(lua_State *L, int index) {
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rl_state_of(L)->errors);
  bool same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

bool rl_is_error(lua_State *L, int index, const char *code) {
  index = lua_absindex(L, index);
  if (!rl_is_error_object(L, index)) return false;
  lua_pushliteral(L, "code");
  lua_rawget(L, index);
  bool same = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), code) == 0;
  lua_pop(L, 1);
  return same;
}

// Pushes the table `ref`[value at index], or nil.
static int side_entry(lua_State *L, int ref, int index) {
  index = lua_absindex(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  lua_pushvalue(L, index);
  int type = lua_rawget(L, -2);
  lua_remove(L, -2);
  return type;
}

bool rl_error_is_plain(lua_State *L, int index) {
  return !lua_istable(L, index) && !lua_isuserdata(L, index);
}

// suppressed[value at index] = the value at the top; pops it.
static void set_suppressed(lua_State *L, int index) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rl_state_of(L)->suppressed);
  lua_pushvalue(L, index);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 2);
}

static void forget_plain(lua_State *L) {
  rl_state *st = rl_state_of(L);
  st->plain_suppressed = 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->suppressed);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (!rl_error_is_plain(L, -2)) continue;
    lua_pushvalue(L, -2);
    lua_pushnil(L);
    lua_rawset(L, -5);
  }
  lua_pop(L, 1);
}

void rl_suppressed_forget(lua_State *L, int index) {
  index = lua_absindex(L, index);
  if (!rl_state_of(L)->plain_suppressed || lua_isnil(L, index) || !rl_error_is_plain(L, index))
    return;
  lua_pushnil(L);
  set_suppressed(L, index);
}

void rl_suppress(lua_State *L, int index) {
  rl_state *st = rl_state_of(L);
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, "error object");
  bool plain = rl_error_is_plain(L, index);
  if (lua_isnil(L, index) || (!plain && lua_rawequal(L, index, -1))) {
    lua_pop(L, 1);
    return;
  }
  if (side_entry(L, st->suppressed, index) == LUA_TNIL) {
    lua_pop(L, 1);
    if (plain && ++st->plain_suppressed > RECENT_PLAIN) forget_plain(L);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    set_suppressed(L, index);
  }
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
}

bool rl_push_suppressed(lua_State *L, int index) {
  if (lua_isnil(L, index)) return false;
  if (side_entry(L, rl_state_of(L)->suppressed, index) != LUA_TNIL) return true;
  lua_pop(L, 1);
  return false;
}

static int error_tostring(lua_State *L) {
  const char *code = lua_getfield(L, 1, "code") == LUA_TSTRING ? lua_tostring(L, -1) : "ERROR";
  const char *message = lua_getfield(L, 1, "message") == LUA_TSTRING ? lua_tostring(L, -1) : "?";
  lua_pushfstring(L, "%s: %s", code, message);
  return 1;
}

void rl_error_forget_traces(lua_State *L) {
  rl_state *st = rl_state_of(L);
  luaL_unref(L, LUA_REGISTRYINDEX, st->traces);
  st->traces = rl_weak_table(L, "k");
}

void rl_error_open(lua_State *L) {
  rl_state *st = rl_state_of(L);
  lua_newtable(L);
  lua_pushcfunction(L, error_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, "rille.Error");
  lua_setfield(L, -2, "__name");
  st->errors = luaL_ref(L, LUA_REGISTRYINDEX);
  st->suppressed = rl_weak_table(L, "k");
  st->traces = rl_weak_table(L, "k");
}
