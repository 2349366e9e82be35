// JSON from Lua values: an explicit stack of containers, no recursion, one buffer.
#include "lua/bind/error.h"
#include "lua/bind/json.h"
#include "runtime/base/check.h"
#include "runtime/wire/decimal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 512, PIECE = 4096, STRING_AT_ONCE = 1024 };

typedef enum {
  IN_ARRAY,    // by lua_next, as long as that comes along in order
  IN_COUNTED,  // an array by index
  IN_OBJECT,
  IN_SORTED,
} frame_kind;

// A container being written, at `table` on the stack. Above it is the key it is at, for lua_next,
// or the list that holds a sorted object's keys, or nothing.
typedef struct rl_json_frame {
  int table;
  frame_kind kind;
  lua_Integer at, count;  // of an array
  size_t key, keys_end;   // of a sorted object, in room->keys
  size_t keys_begin;
  bool first;
} frame;

typedef struct rl_json_key {
  const char *text;
  size_t size;
} sort_key;

typedef struct writer {
  lua_State *L;
  rl_json_room *room;
  char *at, *end;
  const rl_json_style *style;
  uint32_t depth;        // frames in use
  const void *metas[3];  // array, object, number; NULL until the first metatable is met
} writer;

static void make_room(writer *w, size_t n) {
  rl_json_room *room = w->room;
  size_t used = room->bytes ? (size_t)(w->at - room->bytes) : 0;
  size_t cap = room->cap ? room->cap * 2 : FIRST_BYTES;
  while (cap - used < n) cap *= 2;
  char *bytes = realloc(room->bytes, cap);
  if (!bytes) {
    rl_raise_sys(w->L, -ENOMEM, "json.encode", NULL, NULL);
    return;
  }
  room->bytes = bytes;
  room->cap = cap;
  w->at = bytes + used;
  w->end = bytes + cap;
}

static inline void need(writer *w, size_t n) {
  if (RL_UNLIKELY((size_t)(w->end - w->at) < n)) make_room(w, n);
}

static inline void put(writer *w, const char *bytes, size_t n) {
  need(w, n);
  memcpy(w->at, bytes, n);
  w->at += n;
}

static bool is_name(const char *s, size_t n) {
  if (n == 0 || (*s >= '0' && *s <= '9')) return false;
  for (size_t i = 0; i < n; i++) {
    char c = s[i];
    if (!(c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')))
      return false;
  }
  return true;
}

static void add_key(luaL_Buffer *b, const char *key, size_t n) {
  bool name = is_name(key, n);
  luaL_addstring(b, name ? "." : "[\"");
  luaL_addlstring(b, key, n > 100 ? 100 : n);
  if (!name) luaL_addstring(b, "\"]");
}

// Pushes "value.users[3].name": where the first `depth` frames are.
static void push_path(writer *w, uint32_t depth) {
  lua_State *L = w->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "value");
  for (uint32_t i = 0; i < depth; i++) {
    const frame *f = &w->room->frames[i];
    if (luaL_bufflen(&b) > 400) {
      luaL_addstring(&b, "...");
      break;
    }
    if (f->kind == IN_ARRAY || f->kind == IN_COUNTED) {
      char text[32];
      luaL_addchar(&b, '[');
      luaL_addlstring(&b, text, rl_decimal_write_integer(text, f->at));
      luaL_addchar(&b, ']');
    } else if (f->kind == IN_SORTED) {
      const sort_key *key = &w->room->keys[f->key - 1];
      add_key(&b, key->text, key->size);
    } else {
      size_t n;
      const char *key = lua_tolstring(L, f->table + 1, &n);
      add_key(&b, key, n);
    }
  }
  luaL_pushresult(&b);
}

// Raises. `what` follows the path.
static void refuse(writer *w, const char *code, const char *what) {
  lua_State *L = w->L;
  push_path(w, w->depth);
  const char *path = lua_tostring(L, -1);
  rl_push_error(L, code, "json: %s: %s", path, what);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "path");
  lua_error(L);
}

static void refuse_depth(writer *w, int index) {
  lua_State *L = w->L;
  const void *table = lua_topointer(L, index);
  for (uint32_t i = 0; i < w->depth; i++) {
    if (lua_topointer(L, w->room->frames[i].table) != table) continue;
    push_path(w, i);
    lua_pushfstring(L, "a cycle: it is the same table as %s", lua_tostring(L, -1));
    uint32_t depth = w->depth;  // told by the shortest way around
    for (uint32_t k = i + 1; k < depth; k++) {
      if (lua_topointer(L, w->room->frames[k].table) == table) {
        w->depth = k;
        break;
      }
    }
    refuse(w, "INVALID", lua_tostring(L, -1));
  }
  refuse(w, "LIMIT", "too many tables in each other");
}

static void refuse_value(writer *w) {
  lua_State *L = w->L;
  if (lua_type(L, -1) == LUA_TNUMBER) {
    lua_Number n = lua_tonumber(L, -1);
    refuse(w, "INVALID", isnan(n) ? "nan is no JSON" : "an infinity is no JSON");
  }
  lua_pushfstring(L, "a %s is no JSON", luaL_typename(L, -1));
  refuse(w, "INVALID", lua_tostring(L, -1));
}

static void put_piece(writer *w, const char *text, size_t n, size_t before) {
  size_t bad, length = rl_json_escape(w->at, text, n, &bad);
  if (RL_UNLIKELY(length == SIZE_MAX)) {
    lua_pushfstring(w->L, "invalid UTF-8 at byte %I of the string",
                    (lua_Integer)(before + bad + 1));
    refuse(w, "INVALID", lua_tostring(w->L, -1));
  }
  w->at += length;
}

// In pieces, so that the worst case is not paid for; none ends inside a sequence.
static void put_long_string(writer *w, const char *text, size_t size) {
  for (size_t done = 0, n; done < size; done += n) {
    n = size - done;
    if (n > PIECE) {
      n = PIECE;
      for (int back = 0; back < 3 && (text[done + n] & 0xc0) == 0x80; back++) n--;
    }
    need(w, 6 * n + 2);
    put_piece(w, text + done, n, done);
  }
}

static inline void put_string(writer *w, const char *text, size_t size) {
  if (RL_LIKELY(size <= STRING_AT_ONCE)) {
    need(w, 6 * size + 3);
    *w->at++ = '"';
    put_piece(w, text, size, 0);
  } else {
    put(w, "\"", 1);
    put_long_string(w, text, size);
    need(w, 2);
  }
  *w->at++ = '"';
}

static void new_line(writer *w) {
  put(w, "\n", 1);
  for (uint32_t i = 0; i < w->depth; i++) put(w, w->style->indent, w->style->indent_length);
}

static int compare_keys(const void *a, const void *b) {
  const sort_key *x = a, *y = b;
  int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
  return order ? order : (x->size > y->size) - (x->size < y->size);
}

static void add_sort_key(writer *w, const char *text, size_t size) {
  rl_json_room *room = w->room;
  if (room->key_count == room->key_cap) {
    size_t cap = room->key_cap ? room->key_cap * 2 : 64;
    sort_key *keys = realloc(room->keys, cap * sizeof *keys);
    if (!keys) rl_raise_sys(w->L, -ENOMEM, "json.encode", NULL, NULL);
    room->keys = keys;
    room->key_cap = cap;
  }
  room->keys[room->key_count++] = (sort_key){text, size};
}

// Of the pair at the top, in the table at `depth`.
static inline void check_key(writer *w, uint32_t depth) {
  lua_State *L = w->L;
  if (RL_LIKELY(lua_type(L, -2) == LUA_TSTRING)) return;
  w->depth = depth;
  lua_pushfstring(L, "an object with a %s as key; keys are strings", luaL_typename(L, -2));
  refuse(w, "INVALID", lua_tostring(L, -1));
}

// Pushes the list of the table's keys, and leaves them sorted in room->keys.
static void sort_keys_of(writer *w, frame *f) {
  lua_State *L = w->L;
  size_t begin = w->room->key_count;
  lua_newtable(L);
  lua_pushnil(L);
  for (lua_Integer i = 1; lua_next(L, f->table); i++) {
    check_key(w, w->depth);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, f->table + 1, i);
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);
    add_sort_key(w, text, n);
  }
  f->key = f->keys_begin = begin;
  f->keys_end = w->room->key_count;
  qsort(w->room->keys + begin, f->keys_end - begin, sizeof(sort_key), compare_keys);
}

// The table at the top is an array if its keys are 1..n: n, or raises.
static lua_Integer count_array(writer *w) {
  lua_State *L = w->L;
  lua_Integer count = 0, highest = 0;
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1) {
      lua_pop(L, 2);
      refuse(w, "INVALID", "a table with keys of an array and others");
    }
    lua_Integer i = lua_tointeger(L, -2);
    if (i > highest) highest = i;
    count++;
    lua_pop(L, 1);
  }
  if (count != highest) {
    lua_pushfstring(L, "an array with holes: %I values up to index %I; json.null fills them", count,
                    highest);
    refuse(w, "INVALID", lua_tostring(L, -1));
  }
  return count;
}

static void find_metas(writer *w) {
  static const char *const names[] = {RL_JSON_ARRAY_META, RL_JSON_OBJECT_META, RL_JSON_NUMBER_META};
  for (int i = 0; i < 3; i++) {
    luaL_getmetatable(w->L, names[i]);
    w->metas[i] = lua_topointer(w->L, -1);
    lua_pop(w->L, 1);
  }
}

typedef enum { PLAIN, ARRAY, OBJECT, NUMBER } mark;

static mark mark_of(writer *w) {
  if (RL_LIKELY(!lua_getmetatable(w->L, -1))) return PLAIN;
  const void *meta = lua_topointer(w->L, -1);
  lua_pop(w->L, 1);
  if (!w->metas[0]) find_metas(w);
  for (int i = 0; i < 3; i++) {
    if (w->metas[i] == meta) return (mark)(i + 1);
  }
  return PLAIN;
}

static void put_number_box(writer *w) {
  lua_State *L = w->L;
  rl_json *j = &w->room->json;
  lua_rawgeti(L, -1, 1);
  size_t n = 0;
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : NULL;
  bool good = text && rl_json_parse(j, text, n, &(rl_json_rules){1, true}) == 0;
  if (good) {
    rl_json_kind kind = rl_json_kind_of(j->nodes);
    good = kind == RL_JSON_INTEGER || kind == RL_JSON_FLOAT || kind == RL_JSON_DIGITS;
  }
  if (!good) {
    lua_pop(L, 1);
    refuse(w, "INVALID", "a json.number that holds no number");
  }
  put(w, text, n);
  lua_pop(L, 1);
}

static frame *push_frame(writer *w, int table, frame_kind kind) {
  rl_json_room *room = w->room;
  luaL_checkstack(w->L, 8, "too many tables in each other");
  if (w->depth == room->frame_cap) {
    size_t cap = room->frame_cap ? room->frame_cap * 2 : 16;
    frame *frames = realloc(room->frames, cap * sizeof *frames);
    if (!frames) rl_raise_sys(w->L, -ENOMEM, "json.encode", NULL, NULL);
    room->frames = frames;
    room->frame_cap = cap;
  }
  frame *f = &room->frames[w->depth];
  f->table = table;
  f->kind = kind;
  f->at = 0;
  f->first = true;
  return f;
}

static inline void put_comma(writer *w, frame *f) {
  need(w, 1);
  if (!f->first) *w->at++ = ',';
  f->first = false;
  if (w->style->indent) new_line(w);
}

static inline void put_key(writer *w, const char *text, size_t size) {
  put_string(w, text, size);
  need(w, 2);
  *w->at++ = ':';
  if (w->style->indent) *w->at++ = ' ';
}

static bool next_counted(writer *w, frame *f) {
  if (f->at == f->count) return false;
  put_comma(w, f);
  lua_rawgeti(w->L, f->table, ++f->at);
  return true;
}

// The pair at the top is what lua_next found in an array: leaves the value of the next index.
static inline bool take_element(writer *w, frame *f) {
  lua_State *L = w->L;
  if (RL_LIKELY(lua_isinteger(L, -2) && lua_tointeger(L, -2) == f->at + 1)) {
    f->at++;
    put_comma(w, f);
    return true;
  }
  lua_pop(L, 2);
  w->depth--;
  f->count = count_array(w);
  w->depth++;
  f->kind = IN_COUNTED;
  return next_counted(w, f);
}

static inline void take_pair(writer *w, frame *f) {
  check_key(w, w->depth - 1);
  put_comma(w, f);
  size_t n;
  const char *text = lua_tolstring(w->L, -2, &n);
  put_key(w, text, n);
}

static bool next_sorted(writer *w, frame *f) {
  lua_State *L = w->L;
  if (f->key == f->keys_end) {
    w->room->key_count = f->keys_begin;
    lua_pop(L, 1);
    return false;
  }
  const sort_key *key = &w->room->keys[f->key++];
  put_comma(w, f);
  put_key(w, key->text, key->size);
  lua_pushlstring(L, key->text, key->size);
  lua_rawget(L, f->table);
  return true;
}

// Pushes the next member's value, its comma and key being written. False: there is none, and the
// table is at the top.
static inline bool next_member(writer *w, frame *f) {
  switch (f->kind) {
    case IN_ARRAY: return lua_next(w->L, f->table) && take_element(w, f);
    case IN_COUNTED: return next_counted(w, f);
    case IN_SORTED: return next_sorted(w, f);
    case IN_OBJECT: break;
  }
  if (!lua_next(w->L, f->table)) return false;
  take_pair(w, f);
  return true;
}

// Opens the table at the top: true if its first member's value is there now, else it is written
// already.
static bool open_table(writer *w) {
  lua_State *L = w->L;
  mark m = mark_of(w);
  if (m == NUMBER) {
    put_number_box(w);
    return false;
  }
  int table = lua_gettop(L);
  if (w->depth >= w->style->depth) refuse_depth(w, table);
  lua_pushnil(L);
  if (!lua_next(L, table)) {
    put(w, m == ARRAY ? "[]" : "{}", 2);
    return false;
  }
  if (m == ARRAY || (m == PLAIN && lua_isinteger(L, -2))) {
    frame *f = push_frame(w, table, IN_ARRAY);
    w->depth++;
    put(w, "[", 1);
    return take_element(w, f);
  }
  frame *f = push_frame(w, table, w->style->sort_keys ? IN_SORTED : IN_OBJECT);
  if (f->kind == IN_SORTED) {
    lua_pop(L, 2);
    sort_keys_of(w, f);
    w->depth++;
    put(w, "{", 1);
    return next_sorted(w, f);
  }
  w->depth++;
  put(w, "{", 1);
  take_pair(w, f);
  return true;
}

// Writes the value at the top. True: it is a table, and its first member's value is at the top now;
// else it is popped.
static inline bool put_value(writer *w) {
  lua_State *L = w->L;
  switch (lua_type(L, -1)) {
    case LUA_TSTRING: {
      size_t n;
      const char *text = lua_tolstring(L, -1, &n);
      put_string(w, text, n);
      break;
    }
    case LUA_TNUMBER:
      need(w, RL_DECIMAL_MAX);
      if (lua_isinteger(L, -1)) {
        w->at += rl_decimal_write_integer(w->at, lua_tointeger(L, -1));
      } else {
        lua_Number n = lua_tonumber(L, -1);
        if (!isfinite(n)) refuse_value(w);
        w->at += rl_decimal_write(w->at, n);
      }
      break;
    case LUA_TBOOLEAN:
      if (lua_toboolean(L, -1)) {
        put(w, "true", 4);
      } else {
        put(w, "false", 5);
      }
      break;
    case LUA_TTABLE:
      if (open_table(w)) return true;
      break;
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(L, -1)) refuse_value(w);
      put(w, "null", 4);
      break;
    case LUA_TNIL:
      if (w->depth) refuse(w, "INVALID", "an array with holes; json.null fills them");
      put(w, "null", 4);
      break;
    default: refuse_value(w);
  }
  lua_pop(L, 1);
  return false;
}

void rl_json_write(lua_State *L, rl_json_room *room, const rl_json_style *style) {
  room->key_count = 0;
  writer w = {.L = L, .room = room, .at = room->bytes, .style = style};
  w.end = room->bytes ? room->bytes + room->cap : NULL;
  for (;;) {
    if (put_value(&w)) continue;
    while (w.depth) {
      frame *f = &room->frames[w.depth - 1];
      if (next_member(&w, f)) break;
      w.depth--;
      if (style->indent) new_line(&w);
      put(&w, f->kind <= IN_COUNTED ? "]" : "}", 1);
      lua_pop(L, 1);
    }
    if (w.depth == 0) break;
  }
  room->length = (size_t)(w.at - room->bytes);
}
