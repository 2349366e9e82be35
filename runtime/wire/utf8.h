// UTF-8 checked piece by piece (RFC 3629: no surrogates, nothing overlong, nothing past U+10FFFF).
#ifndef RL_WIRE_UTF8_H
#define RL_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rl_utf8 {
  uint8_t need;       // continuation bytes still to come
  uint8_t low, high;  // bounds of the next one
} rl_utf8;

static inline void rl_utf8_init(rl_utf8 *u) { *u = (rl_utf8){0}; }
// False at the first byte that no sound text continues with.
bool rl_utf8_check(rl_utf8 *u, const char *s, size_t len);
static inline bool rl_utf8_whole(const rl_utf8 *u) { return u->need == 0; }

#endif
