// What a handler may return: a string, or a table {status=, headers=, body=}; laid open and checked
// before a byte of it is written.
#ifndef RL_BIND_HTTP_ANSWER_H
#define RL_BIND_HTTP_ANSWER_H

#include "lua/bind/class.h"

typedef enum {
  RL_ANSWER_EMPTY,
  RL_ANSWER_STRING,
  RL_ANSWER_FUNCTION,  // called for each piece until it returns nil
  RL_ANSWER_STREAM,    // its method read is
} rl_http_answer_body;

typedef struct rl_http_answer {
  int status;
  int headers;  // stack index of the table, or 0
  int body;     // stack index of the body, or 0
  rl_http_answer_body kind;
  const char *text;  // of a string body
  size_t text_len;
  bool has_length;  // the handler named the length
  lua_Integer length;
  bool has_type, has_date, close;
} rl_http_answer;

// Lays open the value at `index`, pushing what it needs to stay reachable. Raises what is wrong
// with it.
void rl_http_answer_open(lua_State *L, int index, rl_http_answer *a);

// Calls `each` for every field but those that the protocol's own side writes (Content-Length,
// Connection, ...).
typedef void (*rl_http_each_field)(void *ud, const char *name, size_t name_len, const char *value,
                                   size_t len);
void rl_http_answer_each(lua_State *L, const rl_http_answer *a, rl_http_each_field each, void *ud);

// The status from 400 to 499 that the error at `index` asks to be answered with, or 0. Pushes its
// message, or nil. Never raises, whatever the error's own metamethods do.
int rl_http_asked_status(lua_State *L, int index);

// True: a message of that status, answering that method, has no body whatever its fields say.
bool rl_http_answer_bodiless(int status);

#endif
