// Descriptors as Lua streams: files, and what the loop polls instead: FIFOs, sockets, terminals.
#ifndef RL_BIND_FILE_H
#define RL_BIND_FILE_H

#include "lua/bind/stream.h"

#include <sys/stat.h>

// Pushes a stream that owns `fd`, by what it is. Raises, and then `fd` is still the caller's.
void rl_push_file(lua_State *L, int fd, const struct stat *st, const char *path);
// The same for our end of a pipe, whose shutdown closes it.
void rl_push_pipe(lua_State *L, int fd);

void rl_push_stat(lua_State *L, const struct stat *st);
const char *rl_stat_type(const struct stat *st);
double rl_stat_time(const struct timespec *t);  // in seconds

#endif
