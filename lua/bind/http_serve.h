// One HTTP/1 connection as Lua serves it: exchanges, and the loop over them.
#ifndef RL_BIND_HTTP_SERVE_H
#define RL_BIND_HTTP_SERVE_H

#include "lua/bind/http_request.h"
#include "runtime/io/http_conn.h"

// What a connection is to Lua. Its seat frees it, or the server if nobody serves it.
typedef struct rl_http_box {
  rl_http_owner owner;
  rl_http_conn conn;
  rl_http_request *request;  // being answered
  uint64_t length_left;      // of a streamed body whose length was promised
  bool has_length, chunked, head_only;
  bool failing;  // on_error runs
} rl_http_box;

// The userdata of a task that serves: of one connection until its end, or, as a worker, of
// whichever is ready. A worker whose handler has left something in its task (children, a deadline,
// values, a handle) stays with its connection and ends with it. User value: the server.
typedef struct rl_http_seat {
  rl_box box;
  rl_http_server *server;
  rl_http_box *at;  // what it serves, or NULL
  bool own;         // it came for one connection
  bool spare;       // it is counted among the server's
  uint64_t began;   // ns: when this run of the worker did
  int vars;         // the task's when it came,
  rl_scope *scope;  // as is this
} rl_http_seat;

// User values of a server.
enum { RL_HTTP_HANDLER = 1, RL_HTTP_ON_ERROR, RL_HTTP_WORK };

// Wraps a stream; takes a reference. NULL: *err says why.
rl_http_box *rl_http_box_new(rl_http_server *server, rl_stream *stream,
                             const rl_http_owner_kind *kind, int *err);
void rl_http_box_free(rl_http_box *b, bool close);
// The function at the top becomes a task beside the current one; pops it. Should the task fail,
// what handlers have left in it included, that is reported, and is not its scope's: others are
// still served.
void rl_http_spawn(lua_State *L);
// Spawns a worker beside the current task: runs the server's third user value. The server is at
// `index`. May raise.
void rl_http_hire(lua_State *L, int index, rl_http_server *server);
// Leaves the seat: what it serves is freed.
void rl_http_seat_leave(rl_http_seat *seat);

// A C function: calls its third argument with those behind it, and writes what it returns as the
// answer. Arguments: connection, request, function, arguments...
int rl_http_exchange(lua_State *L);

// Raises a negative `err` of sending: the client has gone.
void rl_http_check_sent(lua_State *L, rl_http_conn *c, int err);

// Whether the body at the stack's place of the answer is a part of a file that the connection's
// socket can take as it is, and sends that. Waits.
bool rl_http_can_send_file(lua_State *L, const rl_http_box *b);
int rl_http_send_file(lua_State *L);

// An answer of the server's own.
void rl_http_put_plain(rl_http_box *b, int status, const char *text);

// Serves with the seat at index 1, the handler at 2 and on_error at 3. The caller is a closure over
// the metatable of requests. Waits. Returns nothing, or RL_HTTP_HANDED and, at the top, a stream
// that speaks HTTP/2 (of an own seat: true).
int rl_http_serve(lua_State *L);
enum { RL_HTTP_HANDED = 1 };

extern const rl_class rl_http_stream_class;

#endif
