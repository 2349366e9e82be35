// Lua values to a message. Nothing here raises while memory is held: failures travel up as false.
#include "lua/bind/error.h"
#include "lua/bind/message_parts.h"
#include "runtime/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 256, FEW_SEEN = 8, BLOB_FROM = 16 * 1024, REASON_SIZE = 400 };

// What was met before, by address: a table or function, an upvalue, a large string, a shared thing.
typedef struct seen {
  const void *key;
  uint32_t number, slot;
} seen;

// One step of the path from a root value to the one at hand.
typedef struct step {
  const struct step *up;
  int index;            // stack index of the key in a table, or 0
  lua_Integer element;  // else the element, or an upvalue if `upvalue`
  const char *upvalue;  // its name
} step;

typedef struct packer {
  lua_State *L;
  rl_msg *m;
  size_t cap;
  const char *name;
  bool flat;
  seen *seen;  // open addressing by key; `few` until it is full
  uint32_t seen_cap, seen_count;
  seen few[2 * FEW_SEEN];
  uint32_t numbered;  // tables and functions so far
  uint32_t shared_cap;
  int depth;
  int error;
  char reason[REASON_SIZE];
} packer;

static bool pack_value(packer *p, int index, const step *path);

static bool no_memory(packer *p) {
  p->error = UV_ENOMEM;
  return false;
}

static inline bool need(packer *p, size_t n) {
  if (RL_LIKELY(p->cap - p->m->size >= n)) return true;
  size_t cap = p->cap * 2;
  while (cap - p->m->size < n) cap *= 2;
  rl_msg *m = realloc(p->m, sizeof *m + cap);
  if (!m) return no_memory(p);
  p->m = m;
  p->cap = cap;
  return true;
}

static inline char *tail(packer *p) { return p->m->bytes + p->m->size; }
static inline void put_byte(packer *p, unsigned b) { p->m->bytes[p->m->size++] = (char)b; }

static void put_varint(packer *p, uint64_t v) {
  p->m->size += (size_t)(rl_msg_put_varint(tail(p), v) - tail(p));
}

static bool put_string(packer *p, unsigned tag, const char *s, size_t size) {
  if (!need(p, size + 1 + RL_MSG_VARINT_MAX)) return false;
  put_byte(p, tag);
  put_varint(p, size);
  memcpy(tail(p), s, size);
  p->m->size += size;
  return true;
}

// What was met before.

static seen *find(packer *p, const void *key) {
  uint32_t mask = p->seen_cap - 1;
  uint64_t h = (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
  for (uint32_t i = (uint32_t)(h >> 40) & mask;; i = (i + 1) & mask) {
    if (p->seen[i].key == key || !p->seen[i].key) return &p->seen[i];
  }
}

static bool grow_seen(packer *p) {
  seen *old = p->seen;
  uint32_t old_cap = p->seen_cap;
  seen *fresh = calloc(old_cap * 4, sizeof *fresh);
  if (!fresh) return no_memory(p);
  p->seen = fresh;
  p->seen_cap = old_cap * 4;
  for (uint32_t i = 0; i < old_cap; i++) {
    if (old[i].key) *find(p, old[i].key) = old[i];
  }
  if (old != p->few) free(old);
  return true;
}

static bool remember(packer *p, const void *key, uint32_t number, uint32_t slot) {
  if (2 * (p->seen_count + 1) > p->seen_cap && !grow_seen(p)) return false;
  *find(p, key) = (seen){key, number, slot};
  p->seen_count++;
  return true;
}

// The path, for errors.

static void add_text(packer *p, const char *text, size_t n) {
  size_t used = strlen(p->reason), room = sizeof p->reason - 1 - used;
  if (n > room) n = room;
  memcpy(p->reason + used, text, n);
  p->reason[used + n] = '\0';
}

static bool is_name(const char *s, size_t n) {
  if (n == 0 || n > 60 || (*s >= '0' && *s <= '9')) return false;
  return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == n;
}

static void add_step(packer *p, const step *s) {
  char text[100];
  lua_State *L = p->L;
  if (!s) return;
  add_step(p, s->up);
  if (strlen(p->reason) > 200) return;
  size_t n;
  if (!s->up && !s->index && s->element == 0) {
    snprintf(text, sizeof text, "function");
  } else if (s->upvalue) {
    snprintf(text, sizeof text, ": upvalue '%.60s'", s->upvalue);
  } else if (s->index && lua_type(L, s->index) == LUA_TSTRING) {
    const char *key = lua_tolstring(L, s->index, &n);
    snprintf(text, sizeof text, is_name(key, n) ? ".%.60s" : "[\"%.60s\"]", key);
  } else if (s->index && !lua_isinteger(L, s->index)) {
    snprintf(text, sizeof text, "[a %s]", luaL_typename(L, s->index));
  } else {
    lua_Integer i = s->index ? lua_tointeger(L, s->index) : s->element;
    snprintf(text, sizeof text, "[%lld]", (long long)i);
  }
  add_text(p, text, strlen(text));
}

static bool refuse(packer *p, int error, const step *path, const char *what) {
  p->error = error;
  const step *root = path;
  while (root->up) root = root->up;
  if (root->element != 0 || root->index) add_text(p, p->name, strlen(p->name));
  add_step(p, path);
  add_text(p, ": ", 2);
  add_text(p, what, strlen(what));
  return false;
}

// Things by reference.

static bool put_shared(packer *p, rl_shared *s) {
  rl_msg *m = p->m;
  if (m->shared_count == p->shared_cap) {
    uint32_t cap = p->shared_cap ? p->shared_cap * 2 : 4;
    rl_shared **shared = realloc(m->shared, cap * sizeof *shared);
    if (!shared) return no_memory(p);
    m->shared = shared;
    p->shared_cap = cap;
  }
  if (!need(p, 1 + RL_MSG_VARINT_MAX)) return false;
  rl_shared_ref(s);
  p->m->shared[p->m->shared_count++] = s;
  put_byte(p, RL_MSG_SHARED);
  put_varint(p, p->m->shared_count - 1);
  return true;
}

static bool refuse_userdata(packer *p, int index, const step *path) {
  lua_State *L = p->L;
  char what[96] = "a userdata cannot be sent";
  if (luaL_getmetafield(L, index, "__name") != LUA_TNIL) {
    if (lua_type(L, -1) == LUA_TSTRING)
      snprintf(what, sizeof what, "a userdata (%.50s) cannot be sent", lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  return refuse(p, RL_INVALID, path, what);
}

static bool pack_userdata(packer *p, int index, const step *path) {
  lua_State *L = p->L;
  if (luaL_getmetafield(L, index, "__shared") == LUA_TNIL) return refuse_userdata(p, index, path);
  bool ours = lua_tocfunction(L, -1) != NULL && lua_rawlen(L, index) >= sizeof(rl_shared_box);
  lua_pop(L, 1);
  rl_shared_box *box = lua_touserdata(L, index);
  if (!ours) return refuse_userdata(p, index, path);
  if (!box->shared) return refuse(p, RL_CLOSED, path, "it is closed");
  if (p->flat) return refuse(p, RL_INVALID, path, "shared between threads, not between processes");
  return put_shared(p, box->shared);
}

static bool pack_string(packer *p, int index) {
  size_t size;
  const char *s = lua_tolstring(p->L, index, &size);
  if (RL_LIKELY(size < BLOB_FROM || p->flat)) return put_string(p, RL_MSG_STRING, s, size);
  seen *before = find(p, s);
  if (before->key) {
    if (!need(p, 1 + RL_MSG_VARINT_MAX)) return false;
    put_byte(p, RL_MSG_SHARED);
    put_varint(p, before->number);
    return true;
  }
  rl_shared *blob = rl_blob_new(s, size);
  if (!blob) return no_memory(p);
  bool done = put_shared(p, blob) && remember(p, s, p->m->shared_count - 1, 0);
  rl_shared_unref(blob);
  return done;
}

// Tables.

static bool put_seen(packer *p, uint32_t number) {
  if (!need(p, 1 + RL_MSG_VARINT_MAX)) return false;
  put_byte(p, RL_MSG_SEEN);
  put_varint(p, number);
  p->m->refers = true;
  return true;
}

// A metatable travels by the name it is registered under; others do not.
static bool pack_meta(packer *p, int index, const step *path) {
  lua_State *L = p->L;
  if (!lua_getmetatable(L, index)) return true;
  const char *name = NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rl_state_of(L)->errors);
  if (lua_rawequal(L, -1, -2)) {
    name = RL_MSG_ERROR_META;
  } else {
    lua_pop(L, 1);
    lua_pushliteral(L, "__name");
    if (lua_rawget(L, -2) == LUA_TSTRING) {
      name = lua_tostring(L, -1);
      lua_getfield(L, LUA_REGISTRYINDEX, name);
      if (!lua_rawequal(L, -1, -3)) name = NULL;
      lua_pop(L, 1);
    }
  }
  bool done = name ? put_string(p, RL_MSG_META, name, strlen(name))
                   : refuse(p, RL_INVALID, path, "a table with a metatable cannot be sent");
  lua_pop(L, 2);
  return done;
}

static bool pack_pair(packer *p, int top, const step *up) {
  step path = {.up = up, .index = top + 1};
  return pack_value(p, top + 1, &path) && pack_value(p, top + 2, &path);
}

static bool pack_members(packer *p, int index, const step *up, uint32_t counts[2]) {
  lua_State *L = p->L;
  int top = lua_gettop(L);
  step path = {.up = up};
  bool in_order = true;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    in_order = in_order && lua_isinteger(L, top + 1) && lua_tointeger(L, top + 1) == counts[0] + 1;
    bool done;
    if (in_order) {
      path.element = ++counts[0];
      done = pack_value(p, top + 2, &path);
    } else {
      counts[1]++;
      done = pack_pair(p, top, up);
    }
    if (!done) return false;
    lua_settop(L, top + 1);
  }
  return true;
}

static bool pack_table(packer *p, int index, const step *path) {
  lua_State *L = p->L;
  const void *key = lua_topointer(L, index);
  seen *before = find(p, key);
  if (before->key) return put_seen(p, before->number);
  if (p->depth >= RL_MSG_DEPTH || !lua_checkstack(L, 8))
    return refuse(p, RL_LIMIT, path, "too many tables in each other");
  if (!remember(p, key, p->numbered++, 0) || !pack_meta(p, index, path) || !need(p, 9))
    return false;
  put_byte(p, RL_MSG_TABLE);
  size_t at = p->m->size;
  p->m->size += 8;
  uint32_t counts[2] = {0, 0};
  p->depth++;
  bool done = pack_members(p, index, path, counts);
  p->depth--;
  if (done) memcpy(p->m->bytes + at, counts, sizeof counts);
  return done;
}

// Functions.

static int write_code(lua_State *L, const void *bytes, size_t size, void *ud) {
  (void)L;
  packer *p = ud;
  if (!need(p, size)) return 1;
  memcpy(tail(p), bytes, size);
  p->m->size += size;
  return 0;
}

// The code's length is known only behind it: it gets a varint of five bytes.
static bool pack_code(packer *p, int index) {
  if (!need(p, 8)) return false;
  put_byte(p, RL_MSG_FUNCTION);
  size_t at = p->m->size;
  p->m->size += 5;
  lua_pushvalue(p->L, index);
  int failed = lua_dump(p->L, write_code, p, 0);
  lua_pop(p->L, 1);
  if (failed) return no_memory(p);
  uint64_t size = p->m->size - at - 5;
  for (int i = 0; i < 5; i++, size >>= 7)
    p->m->bytes[at + (size_t)i] = (char)((size & 0x7f) | (i < 4 ? 0x80 : 0));
  return true;
}

// The value at the top is a loaded module, or one of a loaded module's functions: it is named, and
// found again at the other end by require. True if it was.
static bool find_module(packer *p, const char **module, const char **field) {
  lua_State *L = p->L;
  int top = lua_gettop(L);
  bool table = lua_istable(L, top), own = !table && !lua_iscfunction(L, top);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  while (lua_next(L, top + 1)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      *module = lua_tostring(L, -2);
      *field = NULL;
      if (lua_rawequal(L, -1, top)) break;
      bool globals = strcmp(*module, LUA_GNAME) == 0;  // a script's own are not at the other end
      if (!table && !(own && globals) && lua_istable(L, -1)) {
        lua_pushnil(L);
        while (lua_next(L, -2)) {
          if (lua_type(L, -2) == LUA_TSTRING && lua_rawequal(L, -1, top)) {
            *field = lua_tostring(L, -2);
            break;
          }
          lua_pop(L, 1);
        }
        if (*field) break;
      }
    }
    lua_pop(L, 1);
  }
  bool found = lua_gettop(L) > top + 1;
  lua_settop(L, top);
  return found;
}

static bool pack_named(packer *p, bool *named) {
  const char *module = NULL, *field = NULL;
  *named = (lua_istable(p->L, -1) || lua_isfunction(p->L, -1)) && find_module(p, &module, &field);
  if (!*named) return true;
  if (!put_string(p, field ? RL_MSG_FIELD : RL_MSG_MODULE, module, strlen(module))) return false;
  if (!field) return true;
  size_t size = strlen(field);
  if (!need(p, size + RL_MSG_VARINT_MAX)) return false;
  put_varint(p, size);
  memcpy(tail(p), field, size);
  p->m->size += size;
  return true;
}

static bool pack_upvalue(packer *p, int function, int i, uint32_t number, const step *up) {
  lua_State *L = p->L;
  if (!need(p, 2 + RL_MSG_VARINT_MAX)) return false;
  const void *id = lua_upvalueid(L, function, i);
  seen *before = find(p, id);
  if (before->key) {
    put_byte(p, RL_MSG_JOINED);
    put_varint(p, before->number);
    put_byte(p, before->slot);
    p->m->refers = true;
    return true;
  }
  if (!remember(p, id, number, (uint32_t)i)) return false;
  const char *name = lua_getupvalue(L, function, i);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  // Whatever the environment is here, at the other end it is the globals.
  bool globals = lua_rawequal(L, -1, -2) || strcmp(name, "_ENV") == 0, named = false, done = true;
  lua_pop(L, 1);
  if (globals) {
    put_byte(p, RL_MSG_GLOBALS);
  } else {
    step path = {.up = up, .upvalue = name};
    done = pack_named(p, &named) && (named || pack_value(p, lua_gettop(L), &path));
  }
  lua_settop(L, lua_gettop(L) - (done ? 1 : 0));
  return done;
}

static bool pack_function(packer *p, int index, const step *path) {
  lua_State *L = p->L;
  if (lua_iscfunction(L, index)) return refuse(p, RL_INVALID, path, "a C function cannot be sent");
  const void *key = lua_topointer(L, index);
  seen *before = find(p, key);
  if (before->key) return put_seen(p, before->number);
  if (p->depth >= RL_MSG_DEPTH || !lua_checkstack(L, 12))
    return refuse(p, RL_LIMIT, path, "too many functions in each other");
  uint32_t number = p->numbered++;
  lua_Debug ar;
  lua_pushvalue(L, index);
  lua_getinfo(L, ">u", &ar);
  if (!remember(p, key, number, 0) || !pack_code(p, index) || !need(p, 1)) return false;
  put_byte(p, ar.nups);
  p->depth++;
  for (int i = 1; i <= ar.nups; i++) {
    if (!pack_upvalue(p, index, i, number, path)) return false;
  }
  p->depth--;
  return true;
}

static inline bool pack_number(packer *p, int index) {
  if (!need(p, 1 + RL_MSG_VARINT_MAX)) return false;
  if (lua_isinteger(p->L, index)) {
    put_byte(p, RL_MSG_INTEGER);
    put_varint(p, rl_msg_zigzag(lua_tointeger(p->L, index)));
  } else {
    lua_Number n = lua_tonumber(p->L, index);
    put_byte(p, RL_MSG_FLOAT);
    memcpy(tail(p), &n, sizeof n);
    p->m->size += sizeof n;
  }
  return true;
}

static bool pack_tag(packer *p, unsigned tag) {
  if (!need(p, 1)) return false;
  put_byte(p, tag);
  return true;
}

static bool pack_value(packer *p, int index, const step *path) {
  lua_State *L = p->L;
  switch (lua_type(L, index)) {
    case LUA_TNIL: return pack_tag(p, RL_MSG_NIL);
    case LUA_TBOOLEAN: return pack_tag(p, lua_toboolean(L, index) ? RL_MSG_TRUE : RL_MSG_FALSE);
    case LUA_TNUMBER: return pack_number(p, index);
    case LUA_TSTRING: return pack_string(p, index);
    case LUA_TTABLE: return pack_table(p, index, path);
    case LUA_TFUNCTION: return pack_function(p, index, path);
    case LUA_TUSERDATA: return pack_userdata(p, index, path);
    case LUA_TLIGHTUSERDATA:
      if (!lua_touserdata(L, index)) return pack_tag(p, RL_MSG_NULL);
      return refuse(p, RL_INVALID, path, "a light userdata cannot be sent");
    default: return refuse(p, RL_INVALID, path, "a coroutine cannot be sent");
  }
}

static int fail(packer *p) {
  if (p->m) rl_msg_unref(p->m);
  if (p->seen != p->few) free(p->seen);
  if (p->error == UV_ENOMEM) {
    rl_push_sys(p->L, UV_ENOMEM, "message", NULL, NULL);
  } else {
    rl_push_error(p->L, rl_code_name(p->error), "%s", p->reason);
  }
  return p->error;
}

int rl_msg_pack(lua_State *L, int first, int count, const char *name, int number, int flags,
                rl_msg **out) {
  packer p = {.L = L, .name = name, .flat = flags & RL_MSG_FLAT};
  p.seen = p.few;
  p.seen_cap = 2 * FEW_SEEN;
  p.cap = FIRST_BYTES - sizeof(rl_msg);
  p.m = rl_msg_new(p.cap);
  if (!p.m || !lua_checkstack(L, 12)) {
    no_memory(&p);
    return fail(&p);
  }
  int top = lua_gettop(L);
  p.m->count = (uint32_t)count;
  for (int i = 0; i < count; i++) {
    step path = {.element = number + i};
    if (!pack_value(&p, first + i, &path)) {
      lua_settop(L, top);
      return fail(&p);
    }
  }
  if (p.seen != p.few) free(p.seen);
  *out = p.m;
  return 0;
}
