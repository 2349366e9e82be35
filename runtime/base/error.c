// Names of rille's own error codes.
#include "runtime/base/error.h"

#include <stddef.h>

const char *rl_error_name(int code) {
  switch (code) {
    case RL_TIMEOUT: return "TIMEOUT";
    case RL_CANCELLED: return "CANCELLED";
    case RL_CLOSED: return "CLOSED";
    case RL_BROKEN: return "BROKEN";
    case RL_DEADLOCK: return "DEADLOCK";
    case RL_LIMIT: return "LIMIT";
    case RL_DENIED: return "DENIED";
    case RL_INVALID: return "INVALID";
    default: return NULL;
  }
}
