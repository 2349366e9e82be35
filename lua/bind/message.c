// Messages: their life, and Lua values from them.
#include "lua/bind/message.h"

#include "lua/bind/error.h"
#include "lua/bind/message_parts.h"
#include "runtime/base/check.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct unpacker {
  lua_State *L;
  const rl_msg *m;
  rl_msg_reader r;
  int list;         // stack index of tables and functions by number, or 0
  uint32_t number;  // of the next
} unpacker;

static void push_value(unpacker *u);

int rl_shared_mark(lua_State *L) {
  (void)L;
  return 0;
}

static void destroy_blob(rl_shared *s) { free(s); }

static void push_blob(lua_State *L, rl_shared *s) {
  rl_blob *blob = (rl_blob *)s;
  lua_pushlstring(L, blob->bytes, blob->size);
}

static const rl_shared_kind blob_kind = {destroy_blob, push_blob};

rl_shared *rl_blob_new(const char *bytes, size_t size) {
  rl_blob *blob = malloc(sizeof *blob + size);
  if (!blob) return NULL;
  rl_shared_init(&blob->base, &blob_kind);
  blob->size = size;
  memcpy(blob->bytes, bytes, size);
  return &blob->base;
}

rl_msg *rl_msg_new(size_t cap) {
  rl_msg *m = malloc(sizeof *m + cap);
  if (!m) return NULL;
  memset(m, 0, sizeof *m);
  atomic_init(&m->refs, 1);
  return m;
}

rl_msg *rl_msg_ref(rl_msg *m) {
  atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
  return m;
}

void rl_msg_unref(rl_msg *m) {
  if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) return;
  for (uint32_t i = 0; i < m->shared_count; i++) rl_shared_unref(m->shared[i]);
  free(m->shared);
  free(m);
}

const char *rl_msg_bytes(const rl_msg *m, size_t *size, uint32_t *count) {
  *size = m->size;
  *count = m->count;
  return m->bytes;
}

int rl_msg_from_bytes(const char *bytes, size_t size, uint32_t count, bool functions,
                      rl_msg **out) {
  if (!rl_msg_check(bytes, size, count, functions)) return RL_INVALID;
  rl_msg *m = rl_msg_new(size);
  if (!m) return UV_ENOMEM;
  memcpy(m->bytes, bytes, size);
  m->size = size;
  m->count = count;
  m->refers = true;
  *out = m;
  return 0;
}

static void keep(unpacker *u) {
  uint32_t number = u->number++;
  if (!u->list) return;
  lua_pushvalue(u->L, -1);
  lua_rawseti(u->L, u->list, (lua_Integer)number + 1);
}

static int clamp(uint32_t n) { return n > INT_MAX / 2 ? INT_MAX / 2 : (int)n; }

static void push_table(unpacker *u) {
  lua_State *L = u->L;
  luaL_checkstack(L, 6, "message");
  uint32_t elements = rl_msg_u32(&u->r), pairs = rl_msg_u32(&u->r);
  lua_createtable(L, clamp(elements), clamp(pairs));
  keep(u);
  for (uint32_t i = 1; i <= elements; i++) {
    push_value(u);
    lua_rawseti(L, -2, (lua_Integer)i);
  }
  for (; pairs; pairs--) {
    push_value(u);
    push_value(u);
    lua_rawset(L, -3);
  }
}

static void push_string(unpacker *u) {
  size_t size;
  const char *s = rl_msg_string(&u->r, &size);
  lua_pushlstring(u->L, s, size);
}

static void push_with_meta(unpacker *u) {
  lua_State *L = u->L;
  luaL_checkstack(L, 6, "message");
  push_string(u);
  if (strcmp(lua_tostring(L, -1), RL_MSG_ERROR_META) == 0) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, rl_state_of(L)->errors);
  } else {
    luaL_getmetatable(L, lua_tostring(L, -1));
  }
  u->r.at++;  // the tag of a table
  push_table(u);
  if (lua_istable(L, -2)) {
    lua_pushvalue(L, -2);
    lua_setmetatable(L, -2);
  }
  lua_replace(L, -3);
  lua_pop(L, 1);
}

static void push_module(unpacker *u, bool field) {
  lua_State *L = u->L;
  luaL_checkstack(L, LUA_MINSTACK, "message");
  lua_getglobal(L, "require");
  push_string(u);
  lua_call(L, 1, 1);
  if (!field) return;
  push_string(u);
  lua_pushvalue(L, -1);
  if (lua_gettable(L, -3) == LUA_TNIL)
    luaL_error(L, "a module here has no '%s'", lua_tostring(L, -2));
  lua_replace(L, -3);
  lua_pop(L, 1);
}

// Sets the upvalue `i` of the function at the top.
static void set_upvalue(unpacker *u, int i) {
  lua_State *L = u->L;
  switch (*u->r.at) {
    case RL_MSG_GLOBALS:
      u->r.at++;
      lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
      break;
    case RL_MSG_MODULE:
    case RL_MSG_FIELD: {
      bool field = *u->r.at++ == RL_MSG_FIELD;
      push_module(u, field);
      break;
    }
    case RL_MSG_JOINED: {
      u->r.at++;
      lua_Integer number = (lua_Integer)rl_msg_varint(&u->r);
      int slot = (unsigned char)*u->r.at++;
      lua_rawgeti(L, u->list, number + 1);
      if (lua_isfunction(L, -1) && lua_upvalueid(L, -1, slot)) lua_upvaluejoin(L, -2, i, -1, slot);
      lua_pop(L, 1);
      return;
    }
    default: push_value(u);
  }
  if (!lua_setupvalue(L, -2, i)) lua_pop(L, 1);
}

static void push_function(unpacker *u) {
  lua_State *L = u->L;
  luaL_checkstack(L, 8, "message");
  size_t size;
  const char *code = rl_msg_string(&u->r, &size);
  if (luaL_loadbufferx(L, code, size, "=message", "b") != LUA_OK) lua_error(L);
  keep(u);
  int upvalues = (unsigned char)*u->r.at++;
  for (int i = 1; i <= upvalues; i++) set_upvalue(u, i);
}

static void push_value(unpacker *u) {
  lua_State *L = u->L;
  switch (*u->r.at++) {
    case RL_MSG_NIL: lua_pushnil(L); break;
    case RL_MSG_FALSE: lua_pushboolean(L, 0); break;
    case RL_MSG_TRUE: lua_pushboolean(L, 1); break;
    case RL_MSG_NULL: lua_pushlightuserdata(L, NULL); break;
    case RL_MSG_INTEGER: lua_pushinteger(L, rl_msg_unzigzag(rl_msg_varint(&u->r))); break;
    case RL_MSG_FLOAT: {
      lua_Number n;
      memcpy(&n, u->r.at, sizeof n);
      u->r.at += sizeof n;
      lua_pushnumber(L, n);
      break;
    }
    case RL_MSG_STRING: push_string(u); break;
    case RL_MSG_TABLE: push_table(u); break;
    case RL_MSG_META: push_with_meta(u); break;
    case RL_MSG_SEEN: lua_rawgeti(L, u->list, (lua_Integer)rl_msg_varint(&u->r) + 1); break;
    case RL_MSG_SHARED: {
      rl_shared *s = u->m->shared[rl_msg_varint(&u->r)];
      s->kind->push(L, s);
      break;
    }
    default: push_function(u);
  }
}

int rl_msg_push(lua_State *L, const rl_msg *m) {
  unpacker u = {.L = L, .m = m, .r = {m->bytes, m->bytes + m->size}};
  luaL_checkstack(L, (int)m->count + 8, "message");
  if (m->refers) {
    lua_newtable(L);
    u.list = lua_gettop(L);
  }
  for (uint32_t i = 0; i < m->count; i++) push_value(&u);
  if (u.list) lua_remove(L, u.list);
  return (int)m->count;
}

static int push_protected(lua_State *L) {
  const rl_msg *m = lua_touserdata(L, 1);
  lua_settop(L, 0);
  return rl_msg_push(L, m);
}

int rl_msg_push_unref(lua_State *L, rl_msg *m) {
  int top = lua_gettop(L);
  int status = LUA_ERRMEM;
  if (lua_checkstack(L, 4)) {
    lua_pushcfunction(L, push_protected);
    lua_pushlightuserdata(L, m);
    status = lua_pcall(L, 1, LUA_MULTRET, 0);
  } else {
    lua_pushliteral(L, "stack overflow");
  }
  rl_msg_unref(m);
  if (status != LUA_OK) lua_error(L);
  return lua_gettop(L) - top;
}
