// JSON to and from Lua values.
//
// Objects and arrays are tables; null is a light userdata of NULL; integers stay integers. An empty
// array has the metatable "rille.json.array", by which it is told from an empty object.
#ifndef RL_BIND_JSON_H
#define RL_BIND_JSON_H

#include "lua/bind/state.h"
#include "runtime/wire/json.h"

#include <stdbool.h>

#define RL_JSON_ARRAY_META "rille.json.array"
#define RL_JSON_OBJECT_META "rille.json.object"
#define RL_JSON_NUMBER_META "rille.json.number"

enum { RL_JSON_DEPTH = 512, RL_JSON_DEPTH_MAX = 200000 };

// Room that the next call may use again: a userdata. Its memory goes with it, also after an error.
// A finalizer may run in the middle of a call and make another: that one needs a room of its own.
typedef struct rl_json_room {
  rl_json json;
  char *bytes;  // being written
  size_t length, cap;
  struct rl_json_frame *frames;
  size_t frame_cap;
  struct rl_json_key *keys;  // being sorted
  size_t key_count, key_cap;
} rl_json_room;

// Pushes a room.
rl_json_room *rl_json_room_new(lua_State *L);
// Lets go of memory above what small texts need.
void rl_json_room_trim(rl_json_room *room);

// Pushes the value of the text that room->json was parsed from, which is still where it was.
void rl_json_build(lua_State *L, rl_json_room *room);
// Pushes the error that a failed parse told: INVALID or LIMIT, with the byte, counted from 1 and
// from `before` bytes ahead of the text.
void rl_json_push_error(lua_State *L, int err, const rl_json *j, const char *text, size_t before);

typedef struct rl_json_style {
  const char *indent;  // of one level, or NULL: all in one line
  size_t indent_length;
  bool sort_keys;
  uint32_t depth;
} rl_json_style;

// Writes the value at the top of the stack, and pops it, to room->bytes, room->length. Raises with
// the path of what cannot be JSON.
void rl_json_write(lua_State *L, rl_json_room *room, const rl_json_style *style);

#endif
