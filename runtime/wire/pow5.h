// Powers of ten to 128 bits, for reading and writing doubles.
#ifndef RL_WIRE_POW5_H
#define RL_WIRE_POW5_H

#include <stdint.h>

enum { RL_POW5_MIN = -342, RL_POW5_MAX = 324 };

extern const uint64_t rl_pow5[RL_POW5_MAX - RL_POW5_MIN + 1][2];

#endif
