// rille.native.wsdeflate: messages of permessage-deflate (RFC 7692), each compressed on its own.
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PIECE = 4 * 1024 };

static const char tail[] = {0, 0, (char)0xff, (char)0xff};

// One of each kind serves all messages of a state: making one costs more than a short message.
typedef struct streams {
  z_stream deflate, inflate;
  int bits;  // of `deflate`'s window; 0: not open
  bool inflates;
} streams;

static int streams_gc(lua_State *L) {
  streams *s = lua_touserdata(L, 1);
  if (s->bits) deflateEnd(&s->deflate);
  if (s->inflates) inflateEnd(&s->inflate);
  s->bits = 0;
  s->inflates = false;
  return 0;
}

static z_stream *open_deflate(lua_State *L, int bits) {
  streams *s = lua_touserdata(L, lua_upvalueindex(1));
  if (s->bits == bits) {
    deflateReset(&s->deflate);
    return &s->deflate;
  }
  if (s->bits) deflateEnd(&s->deflate);
  s->bits = 0;
  s->deflate = (z_stream){0};
  int got =
      deflateInit2(&s->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits, 8, Z_DEFAULT_STRATEGY);
  if (got != Z_OK) luaL_error(L, "not enough memory");
  s->bits = bits;
  return &s->deflate;
}

static z_stream *open_inflate(lua_State *L) {
  streams *s = lua_touserdata(L, lua_upvalueindex(1));
  if (s->inflates) {
    inflateReset(&s->inflate);
    return &s->inflate;
  }
  s->inflate = (z_stream){0};
  if (inflateInit2(&s->inflate, -15) != Z_OK) luaL_error(L, "not enough memory");
  s->inflates = true;
  return &s->inflate;
}

// deflate(data, bits): compressed with a window of 2^bits bytes (9 to 15), without the tail that
// every message ends with.
static int ws_deflate(lua_State *L) {
  size_t len;
  const char *data = luaL_checklstring(L, 1, &len);
  z_stream *z = open_deflate(L, (int)luaL_optinteger(L, 2, 15));
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  z->next_in = (Bytef *)data;
  z->avail_in = (uInt)len;
  do {
    z->next_out = (Bytef *)luaL_prepbuffsize(&out, PIECE);
    z->avail_out = PIECE;
    deflate(z, Z_SYNC_FLUSH);
    luaL_addsize(&out, PIECE - z->avail_out);
  } while (z->avail_out == 0);
  if (luaL_bufflen(&out) >= sizeof tail) luaL_buffsub(&out, sizeof tail);
  luaL_pushresult(&out);
  return 1;
}

enum { BETWEEN_BLOCKS = 128 };  // of z_stream.data_type

// Unpacks what is in z->next_in; a last block is followed by a new stream. NULL, or what is wrong.
static const char *inflate_all(z_stream *z, luaL_Buffer *out, size_t limit) {
  do {
    z->next_out = (Bytef *)luaL_prepbuffsize(out, PIECE);
    z->avail_out = PIECE;
    int got = inflate(z, Z_SYNC_FLUSH);
    luaL_addsize(out, PIECE - z->avail_out);
    if (got == Z_STREAM_END) got = inflateReset(z);
    if (got != Z_OK && got != Z_BUF_ERROR) return "data";
    if (luaL_bufflen(out) > limit) return "limit";
  } while (z->avail_in > 0 || z->avail_out == 0);
  return NULL;
}

// inflate(data, limit): the message; nil and "limit" or "data".
static int ws_inflate(lua_State *L) {
  size_t len;
  const char *data = luaL_checklstring(L, 1, &len);
  size_t limit = (size_t)luaL_checkinteger(L, 2);
  z_stream *z = open_inflate(L);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  z->next_in = (Bytef *)data;
  z->avail_in = (uInt)len;
  const char *wrong = inflate_all(z, &out, limit);
  z->next_in = (Bytef *)tail;
  z->avail_in = sizeof tail;
  if (!wrong) wrong = inflate_all(z, &out, limit);
  if (!wrong && !(z->data_type & BETWEEN_BLOCKS)) wrong = "data";
  luaL_pushresult(&out);
  if (!wrong) return 1;
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
