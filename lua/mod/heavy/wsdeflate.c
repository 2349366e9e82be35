// rille.native.wsdeflate: messages of permessage-deflate (RFC 7692), each compressed on its own.
#include "runtime/base/buf.h"

#include <lauxlib.h>
#include <lua.h>
#include <zlib.h>

enum { PIECE = 4 * 1024 };

static const char tail[] = {0, 0, (char)0xff, (char)0xff};
static const char no_memory[] = "not enough memory";

// One of each kind serves all messages of a state: making one costs more than a short message.
// While one is at work nothing of Lua is called: a finalizer might send a message too.
typedef struct streams {
  z_stream deflate, inflate;
  rl_buf out;
  int bits;  // of `deflate`'s window; 0: not open
  bool inflates;
} streams;

static streams *streams_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

static int streams_gc(lua_State *L) {
  streams *s = lua_touserdata(L, 1);
  rl_buf_fini(&s->out);
  if (s->bits) deflateEnd(&s->deflate);
  if (s->inflates) inflateEnd(&s->inflate);
  s->bits = 0;
  s->inflates = false;
  return 0;
}

static z_stream *open_deflate(lua_State *L, int bits) {
  streams *s = streams_of(L);
  if (s->bits == bits) {
    deflateReset(&s->deflate);
    return &s->deflate;
  }
  if (s->bits) deflateEnd(&s->deflate);
  s->bits = 0;
  s->deflate = (z_stream){0};
  int got =
      deflateInit2(&s->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY);
  if (got != Z_OK) luaL_error(L, no_memory);
  s->bits = bits;
  return &s->deflate;
}

static z_stream *open_inflate(lua_State *L) {
  streams *s = streams_of(L);
  if (s->inflates) {
    inflateReset(&s->inflate);
    return &s->inflate;
  }
  s->inflate = (z_stream){0};
  if (inflateInit2(&s->inflate, -15) != Z_OK) luaL_error(L, no_memory);
  s->inflates = true;
  return &s->inflate;
}

static int push_out(lua_State *L, rl_buf *out, size_t len) {
  lua_pushlstring(L, rl_buf_head(out), len);
  rl_buf_clear(out);
  return 1;
}

// Room for the next piece. False: memory is out.
static bool begin_piece(z_stream *z, rl_buf *out) {
  if (!rl_buf_reserve(out, PIECE)) return false;
  z->next_out = (Bytef *)rl_buf_tail(out);
  z->avail_out = PIECE;
  return true;
}

static void end_piece(z_stream *z, rl_buf *out) { rl_buf_added(out, PIECE - z->avail_out); }

// deflate(data, bits): compressed with a window of 2^bits bytes (9 to 15), without the tail that
// every message ends with.
static int ws_deflate(lua_State *L) {
  size_t len;
  const char *data = luaL_checklstring(L, 1, &len);
  z_stream *z = open_deflate(L, (int)luaL_optinteger(L, 2, 15));
  rl_buf *out = &streams_of(L)->out;
  rl_buf_clear(out);
  z->next_in = (Bytef *)data;
  z->avail_in = (uInt)len;
  do {
    if (!begin_piece(z, out)) return luaL_error(L, no_memory);
    deflate(z, Z_SYNC_FLUSH);
    end_piece(z, out);
  } while (z->avail_out == 0);
  size_t packed = rl_buf_len(out);
  return push_out(L, out, packed < sizeof tail ? packed : packed - sizeof tail);
}

enum { BETWEEN_BLOCKS = 128 };  // of z_stream.data_type

// Unpacks `data`; a last block is followed by a new stream. NULL, or what is wrong.
static const char *inflate_all(z_stream *z, rl_buf *out, const char *data, size_t len,
                               size_t limit) {
  z->next_in = (Bytef *)data;
  z->avail_in = (uInt)len;
  do {
    if (!begin_piece(z, out)) return no_memory;
    int got = inflate(z, Z_SYNC_FLUSH);
    end_piece(z, out);
    if (got == Z_STREAM_END) got = inflateReset(z);
    if (got != Z_OK && got != Z_BUF_ERROR) return "data";
    if (rl_buf_len(out) > limit) return "limit";
  } while (z->avail_in > 0 || z->avail_out == 0);
  return NULL;
}

// inflate(data, limit): the message; nil and "limit" or "data".
static int ws_inflate(lua_State *L) {
  size_t len;
  const char *data = luaL_checklstring(L, 1, &len);
  size_t limit = (size_t)luaL_checkinteger(L, 2);
  z_stream *z = open_inflate(L);
  rl_buf *out = &streams_of(L)->out;
  rl_buf_clear(out);
  const char *wrong = inflate_all(z, out, data, len, limit);
  if (!wrong) wrong = inflate_all(z, out, tail, sizeof tail, limit);
  if (!wrong && !(z->data_type & BETWEEN_BLOCKS)) wrong = "data";
  if (!wrong) return push_out(L, out, rl_buf_len(out));
  rl_buf_clear(out);
  if (wrong == no_memory) return luaL_error(L, no_memory);
  lua_pushnil(L);
  lua_pushstring(L, wrong);
  return 2;
}

static const luaL_Reg functions[] = {
    {"deflate", ws_deflate}, {"inflate", ws_inflate}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_rille_native_wsdeflate(lua_State *L);
int luaopen_rille_native_wsdeflate(lua_State *L) {
  luaL_newlibtable(L, functions);
  streams *s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = (streams){0};
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, streams_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_setfuncs(L, functions, 1);
  return 1;
}
