// Base64 and base64url (RFC 4648), to the letter: no line breaks, no stray bits.
#ifndef RL_WIRE_BASE64_H
#define RL_WIRE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { RL_BASE64, RL_BASE64_URL } rl_base64_alphabet;

static inline size_t rl_base64_encoded_size(size_t n, bool padded) {
  size_t rest = n % 3;
  return n / 3 * 4 + (rest == 0 ? 0 : padded ? 4 : rest + 1);
}
// The bytes written to `out`, which has room for rl_base64_encoded_size.
size_t rl_base64_encode(char *out, const void *in, size_t n, rl_base64_alphabet alphabet,
                        bool padded);

// Room that decoding `n` characters may take.
static inline size_t rl_base64_decoded_size(size_t n) { return n / 4 * 3 + 3; }
// The bytes written to `out`. Padding may be left out if `padded` is false. On malformed input
// RL_INVALID, and `*bad` is the offset of the first byte that cannot be.
ptrdiff_t rl_base64_decode(void *out, const char *in, size_t n, rl_base64_alphabet alphabet,
                           bool padded, size_t *bad);

#endif
