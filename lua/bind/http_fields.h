// Header fields as Lua tables: names in lower case, found in any case.
#ifndef RL_BIND_HTTP_FIELDS_H
#define RL_BIND_HTTP_FIELDS_H

#include <lauxlib.h>
#include <lua.h>

void rl_http_push_lower(lua_State *L, const char *s, size_t len);
// Gives the table of fields at the top its metatable.
void rl_http_seal_fields(lua_State *L);
// Pushes the fields of an answer's head, line by line behind its first line, and the list of its
// Set-Cookie fields. Values of a repeated name are joined with ", ".
void rl_http_push_fields(lua_State *L, const char *head, size_t len);

#endif
