// Lua values from JSON: walks the nodes of a parsed text, which know every size beforehand.
#include "lua/bind/json.h"

#include "lua/bind/error.h"
#include "runtime/base/check.h"
#include "runtime/wire/json_scan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

enum { KEY_SLOTS = 128, KEY_LONGEST = 40, FEW_KEYS = 12, KEEP_BYTES = 64 * 1024 };

// Keys repeat: a string that was made for one is found again by its bytes, and copied from its
// place on the stack, which is cheaper than making it again.
typedef struct key_slot {
  const char *text;
  size_t size;
} key_slot;

typedef struct builder {
  lua_State *L;
  rl_json_room *room;
  int cache;       // stack index of the first key slot, or 0: no cache
  int array_meta;  // stack index, or 0
  key_slot slots[KEY_SLOTS];
} builder;

static int room_gc(lua_State *L) {
  rl_json_room *room = lua_touserdata(L, 1);
  rl_json_fini(&room->json);
  free(room->bytes);
  free(room->frames);
  free(room->keys);
  memset(room, 0, sizeof *room);
  return 0;
}

rl_json_room *rl_json_room_new(lua_State *L) {
  rl_json_room *room = lua_newuserdatauv(L, sizeof *room, 0);
  memset(room, 0, sizeof *room);
  rl_json_init(&room->json);
  if (luaL_newmetatable(L, "rille.json.room")) {
    lua_pushcfunction(L, room_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return room;
}

void rl_json_room_trim(rl_json_room *room) {
  if (room->json.cap * sizeof(rl_json_node) + room->json.plain_cap > KEEP_BYTES)
    rl_json_fini(&room->json);
  if (room->cap > KEEP_BYTES) {
    free(room->bytes);
    room->bytes = NULL;
    room->cap = 0;
  }
}

static inline uint64_t key_hash(const char *text, size_t size) {
  uint64_t h = size;
  if (size >= 8) {
    h ^= rl_load8(text) ^ (rl_load8(text + size - 8) << 3);
  } else {
    for (size_t i = 0; i < size; i++) h = h << 7 ^ (unsigned char)text[i];
  }
  return (h * UINT64_C(0x9e3779b97f4a7c15)) >> 57;
}

static inline bool same_bytes(const char *a, const char *b, size_t size) {
  while (size >= 8) {
    if (rl_load8(a) != rl_load8(b)) return false;
    a += 8;
    b += 8;
    size -= 8;
  }
  for (; size; size--) {
    if (*a++ != *b++) return false;
  }
  return true;
}

static inline void push_key(builder *b, const rl_json_node *n) {
  size_t size = rl_json_size_of(n);
  const char *text = n->as.text;
  if (b->cache && size <= KEY_LONGEST) {
    uint64_t h = key_hash(text, size);
    key_slot *slot = &b->slots[h];
    if (RL_LIKELY(slot->size == size && slot->text && same_bytes(slot->text, text, size))) {
      lua_pushvalue(b->L, b->cache + (int)h);
    } else {
      lua_pushlstring(b->L, text, size);
      lua_copy(b->L, -1, b->cache + (int)h);
      slot->text = text;
      slot->size = size;
    }
  } else {
    lua_pushlstring(b->L, text, size);
  }
}

static void push_digits(lua_State *L, const rl_json_node *n) {
  lua_createtable(L, 1, 0);
  lua_pushlstring(L, n->as.text, rl_json_size_of(n));
  lua_rawseti(L, -2, 1);
  luaL_setmetatable(L, RL_JSON_NUMBER_META);
}

static int clamp(size_t n) { return n > INT_MAX / 2 ? INT_MAX / 2 : (int)n; }

// Pushes the value; true if its members follow.
static inline bool push_value(builder *b, const rl_json_node *n) {
  lua_State *L = b->L;
  size_t size = rl_json_size_of(n);
  switch (rl_json_kind_of(n)) {
    case RL_JSON_STRING: lua_pushlstring(L, n->as.text, size); return false;
    case RL_JSON_INTEGER: lua_pushinteger(L, n->as.integer); return false;
    case RL_JSON_FLOAT: lua_pushnumber(L, n->as.number); return false;
    case RL_JSON_OBJECT: lua_createtable(L, 0, clamp(size)); return size > 0;
    case RL_JSON_ARRAY:
      lua_createtable(L, clamp(size), 0);
      if (size) return true;
      lua_pushvalue(L, b->array_meta);
      lua_setmetatable(L, -2);
      return false;
    case RL_JSON_TRUE:
    case RL_JSON_FALSE: lua_pushboolean(L, rl_json_kind_of(n) == RL_JSON_TRUE); return false;
    case RL_JSON_NULL: lua_pushlightuserdata(L, NULL); return false;
    case RL_JSON_DIGITS: push_digits(L, n); return false;
  }
  return false;
}

// The container whose members are being made is below the top of the stack; `up` is its node, where
// its rest is noted while one of its members is being made.
static void build(builder *b) {
  lua_State *L = b->L;
  rl_json_node *nodes = b->room->json.nodes, *n = nodes, *up = NULL;
  uint32_t left = 0;
  bool in_array = false;
  for (;;) {
    if (push_value(b, n)) {
      if (up) up->as.walk.left = left;
      n->as.walk.parent = up ? (uint32_t)(up - nodes) : UINT32_MAX;
      up = n++;
      left = (uint32_t)rl_json_size_of(up);
      in_array = rl_json_kind_of(up) == RL_JSON_ARRAY;
      if (!in_array) push_key(b, n++);
      continue;
    }
    n++;
    for (;;) {
      if (!up) return;
      if (in_array) {
        lua_rawseti(L, -2, (lua_Integer)(rl_json_size_of(up) - left + 1));
      } else {
        lua_rawset(L, -3);
      }
      if (--left) break;
      up = up->as.walk.parent == UINT32_MAX ? NULL : &nodes[up->as.walk.parent];
      if (up) {
        left = up->as.walk.left;
        in_array = rl_json_kind_of(up) == RL_JSON_ARRAY;
      }
    }
    if (!in_array) push_key(b, n++);
  }
}

void rl_json_push_error(lua_State *L, int err, const rl_json *j, const char *text, size_t before) {
  if (err == -ENOMEM) {
    rl_push_sys(L, err, "json", NULL, NULL);
    return;
  }
  size_t line = 1, column = 1;
  for (size_t i = 0; i < j->at; i++) {
    column++;
    if (text[i] == '\n') {
      line++;
      column = 1;
    }
  }
  lua_Integer byte = (lua_Integer)(before + j->at + 1);
  if (before) {
    rl_push_error(L, rl_code_name(err), "json: %s at byte %I", j->reason, byte);
  } else {
    rl_push_error(L, rl_code_name(err), "json: %s at byte %I (line %I, column %I)", j->reason, byte,
                  (lua_Integer)line, (lua_Integer)column);
  }
  lua_pushinteger(L, byte);
  lua_setfield(L, -2, "byte");
}

void rl_json_build(lua_State *L, rl_json_room *room) {
  rl_json *j = &room->json;
  bool cached = j->keys > FEW_KEYS;
  int stack = 2 * (int)j->deepest + 8 + (cached ? KEY_SLOTS : 0);
  luaL_checkstack(L, stack, "for a JSON text nested so deeply");
  int top = lua_gettop(L);
  builder b;
  b.L = L;
  b.room = room;
  b.cache = b.array_meta = 0;
  if (j->empty) {
    luaL_getmetatable(L, RL_JSON_ARRAY_META);
    b.array_meta = lua_gettop(L);
  }
  if (cached) {
    b.cache = lua_gettop(L) + 1;
    lua_settop(L, lua_gettop(L) + KEY_SLOTS);
    memset(b.slots, 0, sizeof b.slots);
  }
  build(&b);
  if (lua_gettop(L) == top + 1) return;
  lua_copy(L, -1, top + 1);
  lua_settop(L, top + 1);
}
