// One HTTP/1 connection as Lua serves it: exchanges, and the loop over them.
#ifndef RL_BIND_HTTP_SERVE_H
#define RL_BIND_HTTP_SERVE_H

#include "lua/bind/http_request.h"
#include "runtime/io/http_conn.h"

// The userdata of a connection. User values: its server and its stream.
typedef struct rl_http_box {
  rl_box box;
  rl_http_owner owner;
  rl_http_conn conn;
  rl_http_request *request;  // being answered
  uint64_t length_left;      // of a streamed body whose length was promised
  bool has_length, chunked, head_only;
  bool failing;  // on_error runs
} rl_http_box;

// A C function: calls its third argument with those behind it, and writes what it returns as the
// answer. Arguments: connection, request, function, arguments...
int rl_http_exchange(lua_State *L);

// An answer of the server's own.
void rl_http_put_plain(rl_http_box *b, int status, const char *text);

// Serves the connection at index 1 to its end, with the handler at 2 and on_error at 3. The caller
// is a closure over the metatable of requests. Waits.
int rl_http_serve(lua_State *L, rl_http_box *b);

#endif
