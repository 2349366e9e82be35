// Addresses of sockets as Lua values: {host=, port=} or {path=}, which print as "host:port" or the
// path.
#ifndef RL_BIND_ADDRESS_H
#define RL_BIND_ADDRESS_H

#include "lua/bind/state.h"

#include <sys/socket.h>

// Pushes the address, and its port for who wants nothing else: 2 values.
int rl_push_address(lua_State *L, const struct sockaddr *sa);
int rl_push_address_path(lua_State *L, const char *path, size_t length);  // 1 value
int rl_push_host(lua_State *L, const struct sockaddr *sa);                // host and port: 2 values

#endif
