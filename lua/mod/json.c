// rille.json: decode, encode, and a decoder for texts that come in pieces.
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/json.h"
#include "runtime/base/buf.h"

#include <string.h>

enum { DECODER_LIMIT = 64 * 1024 * 1024 };

int rl_open_json(lua_State *L);

// Takes the room kept for the next call, or makes one: pushes it. The place is empty until
// give_room.
static rl_json_room *take_room(lua_State *L) {
  rl_json_room *room = lua_touserdata(L, lua_upvalueindex(1));
  if (!room) return rl_json_room_new(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushnil(L);
  lua_replace(L, lua_upvalueindex(1));
  return room;
}

static void give_room(lua_State *L, int index, rl_json_room *room) {
  rl_json_room_trim(room);
  lua_pushvalue(L, index);
  lua_replace(L, lua_upvalueindex(1));
}

static rl_json_rules check_rules(lua_State *L, int index) {
  rl_json_rules rules = {RL_JSON_DEPTH, false};
  rules.depth = (uint32_t)rl_option_integer(L, index, "depth", 1, RL_JSON_DEPTH_MAX, RL_JSON_DEPTH);
  rules.lossless = rl_option_bool(L, index, "lossless", false);
  return rules;
}

// decode(text, {depth=512, lossless=false}) -> value
static int json_decode(lua_State *L) {
  static const char *const names[] = {"depth", "lossless", NULL};
  size_t length;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *text = lua_tolstring(L, 1, &length);
  rl_json_rules rules = {RL_JSON_DEPTH, false};
  if (rl_check_options(L, 2, names)) rules = check_rules(L, 2);
  lua_settop(L, 1);
  rl_json_room *room = take_room(L);
  int err = rl_json_parse(&room->json, text, length, &rules);
  if (err < 0) {
    rl_json_push_error(L, err, &room->json, text, 0);
    give_room(L, 2, room);
    return lua_error(L);
  }
  rl_json_build(L, room);
  give_room(L, 2, room);
  return 1;
}

static void check_indent(lua_State *L, int index, rl_json_style *style) {
  static const char spaces[] = "                ";
  if (lua_getfield(L, index, "indent") == LUA_TNUMBER) {
    lua_Integer n = rl_option_integer(L, index, "indent", 0, 16, 0);
    style->indent = spaces;
    style->indent_length = (size_t)n;
  } else {
    if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L,
                 "option 'indent': a number of spaces, or a string of white space expected, got %s",
                 luaL_typename(L, -1));
    style->indent = rl_option_string(L, index, "indent", &style->indent_length, NULL);
    if (style->indent && strspn(style->indent, " \t") != style->indent_length)
      luaL_error(L, "option 'indent': expected a number of spaces, or spaces and tabs");
  }
  lua_pop(L, 1);
}

// encode(value, {indent=, sort_keys=false, depth=512}) -> text
static int json_encode(lua_State *L) {
  static const char *const names[] = {"indent", "sort_keys", "depth", NULL};
  luaL_checkany(L, 1);
  rl_json_style style = {.depth = RL_JSON_DEPTH};
  if (rl_check_options(L, 2, names)) {
    check_indent(L, 2, &style);
    style.sort_keys = rl_option_bool(L, 2, "sort_keys", false);
    style.depth = (uint32_t)rl_option_integer(L, 2, "depth", 1, RL_JSON_DEPTH_MAX, RL_JSON_DEPTH);
  }
  lua_settop(L, 2);  // the options own the indent
  rl_json_room *room = take_room(L);
  lua_pushvalue(L, 1);
  rl_json_write(L, room, &style);
  lua_pushlstring(L, room->bytes, room->length);
  give_room(L, 3, room);
  return 1;
}

static int mark_table(lua_State *L, const char *meta) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_setmetatable(L, meta);
  return 1;
}

static int json_array(lua_State *L) { return mark_table(L, RL_JSON_ARRAY_META); }

static int json_object(lua_State *L) { return mark_table(L, RL_JSON_OBJECT_META); }

// number(text) -> a number that keeps its digits
static int json_number(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_createtable(L, 1, 0);
  lua_insert(L, 1);
  lua_rawseti(L, 1, 1);
  luaL_setmetatable(L, RL_JSON_NUMBER_META);
  return 1;
}

static int number_tostring(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_rawgeti(L, 1, 1);
  return 1;
}

typedef struct decoder {
  rl_box box;
  rl_buf buf;
  rl_json_scan scan;
  size_t scanned;   // of the buffer, from its head
  size_t consumed;  // of the whole input
  size_t limit;
  rl_json_rules rules;
  bool finished;
} decoder;

static int decoder_gc(lua_State *L);
static int decoder_feed(lua_State *L);
static int decoder_next(lua_State *L);
static int decoder_finish(lua_State *L);

static const luaL_Reg decoder_methods[] = {
    {"feed", decoder_feed}, {"next", decoder_next}, {"finish", decoder_finish},
    {"__gc", decoder_gc},   {NULL, NULL},
};

static const rl_class decoder_class = {"rille.JsonDecoder", sizeof(decoder), decoder_methods};

// decoder({depth=, lossless=, limit=}) -> Decoder
static int json_decoder(lua_State *L) {
  static const char *const names[] = {"depth", "lossless", "limit", NULL};
  rl_json_rules rules = {RL_JSON_DEPTH, false};
  lua_Integer limit = DECODER_LIMIT;
  if (rl_check_options(L, 1, names)) {
    rules = check_rules(L, 1);
    limit = rl_option_integer(L, 1, "limit", 1, LUA_MAXINTEGER / 2, DECODER_LIMIT);
  }
  decoder *d = rl_object_new(L, &decoder_class, 1);
  rl_buf_init(&d->buf);
  d->rules = rules;
  d->limit = (size_t)limit;
  rl_json_room_new(L);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

static int decoder_gc(lua_State *L) {
  decoder *d = rl_check_object(L, 1, &decoder_class);
  rl_buf_fini(&d->buf);
  return 0;
}

// decoder:feed(bytes) -> self
static int decoder_feed(lua_State *L) {
  decoder *d = rl_check_object(L, 1, &decoder_class);
  size_t n;
  const char *bytes = luaL_checklstring(L, 2, &n);
  if (d->finished) return rl_raise(L, "CLOSED", "json: the decoder is finished");
  if (!rl_buf_reserve(&d->buf, n + 1)) return rl_raise_sys(L, UV_ENOMEM, "json", NULL, NULL);
  rl_buf_put(&d->buf, bytes, n);
  lua_settop(L, 1);
  return 1;
}

// decoder:finish() -> self: no more input follows
static int decoder_finish(lua_State *L) {
  decoder *d = rl_check_object(L, 1, &decoder_class);
  d->finished = true;
  lua_settop(L, 1);
  return 1;
}

static void consume(decoder *d, size_t n) {
  d->scanned = 0;
  d->consumed += n;
  rl_buf_consume(&d->buf, n);
}

// The extent of the next value, from the buffer's head; 0: it is not complete.
static size_t find_value(lua_State *L, decoder *d) {
  size_t length = rl_buf_len(&d->buf), used;
  if (length == 0) return 0;
  bool found =
      rl_json_scan_on(&d->scan, rl_buf_head(&d->buf) + d->scanned, length - d->scanned, &used);
  d->scanned += used;
  if (found) return d->scanned;
  if (!d->scan.started) consume(d, length);  // white space
  if (d->finished && d->scan.started) return length;
  if (d->scanned > d->limit)
    rl_raise(L, "LIMIT", "json: a value longer than %I bytes", (lua_Integer)d->limit);
  return 0;
}

// decoder:next() -> value, or nil if more input is needed
static int decoder_next(lua_State *L) {
  decoder *d = rl_check_object(L, 1, &decoder_class);
  lua_settop(L, 1);
  size_t extent = find_value(L, d);
  if (extent == 0) return 0;
  lua_getiuservalue(L, 1, 1);
  rl_json_room *room = lua_touserdata(L, 2);
  char *text = rl_buf_head(&d->buf), next = text[extent];
  text[extent] = '\0';
  int err = rl_json_parse(&room->json, text, extent, &d->rules);
  text[extent] = next;
  if (err < 0) {
    rl_json_push_error(L, err, &room->json, text, d->consumed);
    memset(&d->scan, 0, sizeof d->scan);
    consume(d, extent);
    return lua_error(L);
  }
  rl_json_build(L, room);
  rl_json_room_trim(room);
  memset(&d->scan, 0, sizeof d->scan);
  consume(d, extent);
  return 1;
}

static void open_metas(lua_State *L) {
  luaL_newmetatable(L, RL_JSON_ARRAY_META);
  luaL_newmetatable(L, RL_JSON_OBJECT_META);
  luaL_newmetatable(L, RL_JSON_NUMBER_META);
  lua_pushcfunction(L, number_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 3);
}

static const luaL_Reg functions[] = {
    {"array", json_array},
    {"object", json_object},
    {"number", json_number},
    {"decoder", json_decoder},
    {NULL, NULL},
};

static void add_with_room(lua_State *L, const char *name, lua_CFunction f) {
  lua_pushnil(L);
  lua_pushcclosure(L, f, 1);
  lua_setfield(L, -2, name);
}

int rl_open_json(lua_State *L) {
  open_metas(L);
  rl_class_open(L, &decoder_class);
  luaL_newlib(L, functions);
  add_with_room(L, "decode", json_decode);
  add_with_room(L, "encode", json_encode);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  return 1;
}
