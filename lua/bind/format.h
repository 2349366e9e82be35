// What a read takes out of a stream's arrived bytes: the formats of `io`, counts, and delimiters.
#ifndef RL_BIND_FORMAT_H
#define RL_BIND_FORMAT_H

#include "lua/bind/state.h"
#include "runtime/io/stream.h"

typedef enum {
  RL_READ_ANY,     // whatever is there
  RL_READ_COUNT,   // `count` bytes, fewer only at the end
  RL_READ_ALL,     // until the end
  RL_READ_NUMBER,  // a numeral, as io.read("n")
  RL_READ_UNTIL,   // until `delimiter`, which `keep` leaves in the result
} rl_read_what;

typedef struct rl_request {
  rl_read_what what;
  bool keep;
  size_t count, limit;
  const char *delimiter;
  size_t delimiter_length;
} rl_request;

// Pushes the value and answers 1, answers 0 with the bytes it needs in *want, or a negative error;
// then nothing is taken. The value at the end of the stream is nil.
int rl_take(lua_State *L, rl_stream *s, const rl_request *r, size_t *want);

#endif
