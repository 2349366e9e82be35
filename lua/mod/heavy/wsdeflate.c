// rille.native.wsdeflate: messages of permessage-deflate (RFC 7692), each compressed on its own.
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PIECE = 16 * 1024 };

static const char tail[] = {0, 0, (char)0xff, (char)0xff};

typedef struct stream_box {
  z_stream z;
  int (*end)(z_stream *);
} stream_box;

static int box_gc(lua_State *L) {
  stream_box *b = lua_touserdata(L, 1);
  if (b->end) b->end(&b->z);
  b->end = NULL;
  return 0;
}

static stream_box *new_box(lua_State *L) {
  stream_box *b = lua_newuserdatauv(L, sizeof *b, 0);
  memset(b, 0, sizeof *b);
  if (luaL_newmetatable(L, "rille.http.native.Deflate")) {
    lua_pushcfunction(L, box_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return b;
}

// deflate(data, bits): compressed with a window of 2^bits bytes (9 to 15), without the tail that
// every message ends with.
static int ws_deflate(lua_State *L) {
  size_t len;
  const char *data = luaL_checklstring(L, 1, &len);
  int bits = (int)luaL_optinteger(L, 2, 15);
  stream_box *b = new_box(L);
  if (deflateInit2(&b->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return luaL_error(L, "not enough memory");
  b->end = deflateEnd;
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  b->z.next_in = (Bytef *)data;
  b->z.avail_in = (uInt)len;
  do {
    b->z.next_out = (Bytef *)luaL_prepbuffsize(&out, PIECE);
    b->z.avail_out = PIECE;
    deflate(&b->z, Z_SYNC_FLUSH);
    luaL_addsize(&out, PIECE - b->z.avail_out);
  } while (b->z.avail_out == 0);
  if (luaL_bufflen(&out) >= sizeof tail) luaL_buffsub(&out, sizeof tail);
  luaL_pushresult(&out);
  b->end(&b->z);
  b->end = NULL;
  return 1;
}

enum { BETWEEN_BLOCKS = 128 };  // of z_stream.data_type

// Unpacks what is in b->z.next_in; a last block is followed by a new stream. NULL, or what is
// wrong.
static const char *inflate_all(stream_box *b, luaL_Buffer *out, size_t limit) {
  do {
    b->z.next_out = (Bytef *)luaL_prepbuffsize(out, PIECE);
    b->z.avail_out = PIECE;
    int got = inflate(&b->z, Z_SYNC_FLUSH);
    luaL_addsize(out, PIECE - b->z.avail_out);
    if (got == Z_STREAM_END) got = inflateReset(&b->z);
    if (got != Z_OK && got != Z_BUF_ERROR) return "data";
    if (luaL_bufflen(out) > limit) return "limit";
  } while (b->z.avail_in > 0 || b->z.avail_out == 0);
  return NULL;
}

// inflate(data, limit): the message; nil and "limit" or "data".
static int ws_inflate(lua_State *L) {
  size_t len;
  const char *data = luaL_checklstring(L, 1, &len);
  size_t limit = (size_t)luaL_checkinteger(L, 2);
  stream_box *b = new_box(L);
  if (inflateInit2(&b->z, -15) != Z_OK) return luaL_error(L, "not enough memory");
  b->end = inflateEnd;
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  b->z.next_in = (Bytef *)data;
  b->z.avail_in = (uInt)len;
  const char *wrong = inflate_all(b, &out, limit);
  b->z.next_in = (Bytef *)tail;
  b->z.avail_in = sizeof tail;
  if (!wrong) wrong = inflate_all(b, &out, limit);
  if (!wrong && !(b->z.data_type & BETWEEN_BLOCKS)) wrong = "data";
  luaL_pushresult(&out);
  b->end(&b->z);
  b->end = NULL;
  if (!wrong) return 1;
  lua_pushnil(L);
  lua_pushstring(L, wrong);
  return 2;
}

static const luaL_Reg functions[] = {
    {"deflate", ws_deflate}, {"inflate", ws_inflate}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_rille_native_wsdeflate(lua_State *L);
int luaopen_rille_native_wsdeflate(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
