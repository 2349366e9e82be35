// Hexadecimal.
#ifndef RL_WIRE_HEX_H
#define RL_WIRE_HEX_H

#include <stdbool.h>
#include <stddef.h>

void rl_hex_encode(char *out, const void *in, size_t n);  // 2 * n lowercase digits

// n / 2 bytes to `out`. RL_INVALID: an odd count (`*bad` is n), or a byte that is no digit, at
// `*bad`.
ptrdiff_t rl_hex_decode(void *out, const char *in, size_t n, size_t *bad);

int rl_hex_digit(unsigned char c);  // its value, or -1

#endif
