// Error objects: tables {code=, message=, op=, path=, address=, cause=} with a metatable; tostring
// gives one line.
#ifndef RL_BIND_ERROR_H
#define RL_BIND_ERROR_H

#include "lua/bind/state.h"
#include "runtime/base/error.h"

// "ENOENT", "TIMEOUT": the name of one of libuv's codes or of rille's own.
const char *rl_code_name(int code);

// Pushes an error object. `code` is a name; the message is formatted as by lua_pushfstring.
void rl_push_error(lua_State *L, const char *code, const char *format, ...);
int rl_raise(lua_State *L, const char *code, const char *format, ...);
// Raises "op: text", with the field `op`.
int rl_raise_op(lua_State *L, const char *code, const char *op, const char *text);

// A failed system call or operation: `op` is its name ("open"), `field` is "path", "address" or
// NULL, `subject` what it was done to. Message: "open '/x': no such file or directory".
void rl_push_sys(lua_State *L, int err, const char *op, const char *field, const char *subject);
int rl_raise_sys(lua_State *L, int err, const char *op, const char *field, const char *subject);

// Refused by the runtime's permissions; `why` is theirs (runtime/io/permit.h).
int rl_raise_denied(lua_State *L, const char *op, const char *field, const char *subject,
                    const char *why);

// True for an error object of the runtime, whatever its code.
bool rl_is_error_object(lua_State *L, int index);
// True if the value at `index` is an error object with that code.
bool rl_is_error(lua_State *L, int index, const char *code);

// Records the value at the top as suppressed by the error at `index`; pops it. An object does not
// suppress itself.
void rl_suppress(lua_State *L, int index);

// The error at `index` is a new one: if it is a plain value, what an equal one has suppressed is
// not its.
void rl_suppressed_forget(lua_State *L, int index);

// True of strings, numbers and their like: equal ones are not told apart, and side tables with weak
// keys keep them.
bool rl_error_is_plain(lua_State *L, int index);

// Pushes the list of errors suppressed by the one at `index`; false, and nothing pushed, if there
// is none.
bool rl_push_suppressed(lua_State *L, int index);

// Drops the tracebacks kept for errors (lua/bind/trace.c).
void rl_error_forget_traces(lua_State *L);

void rl_error_open(lua_State *L);

#endif
