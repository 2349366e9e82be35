// The Lua face of a stream: formats, limits and writing, once for everything that is a stream. A
// module makes its class of these methods and its own:
//
//   static const luaL_Reg methods[] = {RL_STREAM_METHODS, {"peer", conn_peer}, {NULL, NULL}};
//   static const rl_class conn_class = {"rille.Connection", sizeof(rl_stream_box), methods};
//
// A later entry of the same name replaces the shared one.
#ifndef RL_BIND_STREAM_H
#define RL_BIND_STREAM_H

#include "lua/bind/class.h"
#include "runtime/io/stream.h"

enum { RL_STREAM_LIMIT = 1024 * 1024 };  // bytes in a line or token, unless a limit is given

// The userdata of every stream. `stream` is NULL until it is opened; the box owns one reference
// until it is collected.
typedef struct rl_stream_box {
  rl_box box;
  rl_stream *stream;
} rl_stream_box;

// The stream at `index`, open or closed, of whatever class. NULL, or an argument error, if it is
// something else.
rl_stream *rl_test_stream(lua_State *L, int index);
rl_stream *rl_check_stream(lua_State *L, int index);
// The same, and raises CLOSED if it was closed. `op` names the call in the error.
rl_stream *rl_check_open_stream(lua_State *L, int index, const char *op);

// Raises what ended a read or a write: names the call and the stream's address or path.
void rl_stream_push_error(lua_State *L, rl_stream *s, int status, const char *op);
int rl_stream_raise(lua_State *L, rl_stream *s, int status, const char *op);
// EBUSY: another task reads, or writes.
int rl_stream_raise_reading(lua_State *L, rl_stream *s, const char *op);
int rl_stream_raise_writing(lua_State *L, rl_stream *s, const char *op);

int rl_stream_m_read(lua_State *L);        // ([n | "l" | "L" | "a" | "n"]) -> string | number | nil
int rl_stream_m_read_until(lua_State *L);  // (delimiter, {limit=, keep=}) -> string | nil
int rl_stream_m_lines(lua_State *L);       // ([format]) -> iterator
int rl_stream_m_chunks(lua_State *L);      // () -> iterator
int rl_stream_m_ready(lua_State *L);       // () -> self, when read() would not wait
int rl_stream_m_buffered(lua_State *L);    // () -> bytes that have arrived
int rl_stream_m_write(lua_State *L);       // (...) -> self
int rl_stream_m_flush(lua_State *L);       // () -> self
int rl_stream_m_shutdown(lua_State *L);    // () -> self
int rl_stream_m_close(lua_State *L);
int rl_stream_m_is_closed(lua_State *L);
int rl_stream_m_gc(lua_State *L);
int rl_stream_m_tostring(lua_State *L);
int rl_stream_m_mark(lua_State *L);  // never called: tells a stream's metatable

#define RL_STREAM_METHODS                                                     \
  {"read", rl_stream_m_read}, {"read_until", rl_stream_m_read_until},         \
      {"lines", rl_stream_m_lines}, {"ready", rl_stream_m_ready},             \
      {"buffered", rl_stream_m_buffered}, {"chunks", rl_stream_m_chunks},     \
      {"write", rl_stream_m_write}, {"flush", rl_stream_m_flush},             \
      {"shutdown", rl_stream_m_shutdown}, {"close", rl_stream_m_close},       \
      {"is_closed", rl_stream_m_is_closed}, {"__gc", rl_stream_m_gc},         \
      {"__close", rl_stream_m_close}, {"__tostring", rl_stream_m_tostring}, { \
    "__stream", rl_stream_m_mark                                              \
  }

#endif
