// Error codes: negative ints. libuv's codes (UV_E...) pass through unchanged; rille's own start at
// -6000.
#ifndef RL_BASE_ERROR_H
#define RL_BASE_ERROR_H

enum {
  RL_TIMEOUT = -6001,
  RL_CANCELLED = -6002,
  RL_CLOSED = -6003,
  RL_BROKEN = -6004,
  RL_DEADLOCK = -6005,
  RL_LIMIT = -6006,
  RL_DENIED = -6007,
  RL_INVALID = -6008,  // malformed input: a parser's verdict
};

// The code's name ("TIMEOUT"), or NULL where the code is not rille's own.
const char *rl_error_name(int code);

#endif
