// A request as a handler sees it: its head, copied once and read on demand, and the way to its
// body. What serves it, over HTTP/1 or HTTP/2, is its owner.
#ifndef RL_BIND_HTTP_REQUEST_H
#define RL_BIND_HTTP_REQUEST_H

#include "lua/bind/class.h"
#include "runtime/io/stream.h"
#include "runtime/wire/http1.h"

typedef struct rl_http_owner rl_http_owner;

typedef struct rl_http_owner_kind {
  int version;                            // 10, 11, 20
  rl_stream *(*body)(rl_http_owner *);    // a reference for the caller; NULL when memory is out
  rl_stream *(*stream)(rl_http_owner *);  // the connection's
  void (*push_stream)(rl_http_owner *, lua_State *L);  // takes the connection over; NULL: cannot be
} rl_http_owner_kind;

struct rl_http_owner {
  const rl_http_owner_kind *kind;
};

typedef struct rl_http_request {
  rl_box box;
  rl_http_owner *owner;  // NULL once it was answered
  uint32_t head_len;
  uint16_t method, method_len, target, target_len;
  uint16_t path_len;  // in front of the target's '?'
  uint16_t field_count;
  int16_t host;
  uint8_t version;
  rl_http1_field fields[];  // and behind them the head's bytes
} rl_http_request;

extern const rl_class rl_http_request_class;

static inline const char *rl_http_request_head(const rl_http_request *r) {
  return (const char *)&r->fields[r->field_count];
}

// Makes the class; pushes its metatable. Its field "methods" is where the floor above adds methods.
void rl_http_request_open(lua_State *L);

// Pushes a request made of a parsed head; the metatable is at `metatable`.
rl_http_request *rl_http_request_new(lua_State *L, int metatable, rl_http_owner *owner,
                                     const char *bytes, size_t size, const rl_http1_head *head,
                                     const rl_http1_field *fields);

// Pushes the table of "a=1&b=2": the first value of each name. False: over `limit` pairs, or a bad
// escape; nothing pushed.
bool rl_http_push_pairs(lua_State *L, const char *s, size_t len, size_t limit);
// Pushes `s` with its escapes decoded. False: a bad escape, or a NUL in a path; nothing pushed.
bool rl_http_push_decoded(lua_State *L, const char *s, size_t len, bool path);

enum { RL_HTTP_PAIRS_MAX = 1000 };

#endif
