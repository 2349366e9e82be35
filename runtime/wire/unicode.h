// One character of UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
#ifndef RL_WIRE_UNICODE_H
#define RL_WIRE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// The length of the sequence at `p`, or 0 if it is not well-formed or reaches over `end`.
static inline size_t rl_utf8_sequence(const unsigned char *p, const unsigned char *end) {
  size_t room = (size_t)(end - p);
  unsigned char c = *p;
  if (c < 0x80) return 1;
  if (c < 0xe0) return c >= 0xc2 && room >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
  if (c < 0xf0) {
    if (room < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f)) return 0;
    return 3;
  }
  if (c > 0xf4 || room < 4) return 0;
  if ((p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80) return 0;
  if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f)) return 0;
  return 4;
}

// The same by one load of four bytes, for the many.
static inline size_t rl_utf8_sequence4(const char *p, const char *end) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (end - p >= 4) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    if ((v & 0xc0c0f0) == 0x8080e0) {
      uint32_t bits = v & 0x200f;  // none: overlong; 0x200d: a surrogate
      return bits != 0 && bits != 0x200d ? 3 : 0;
    }
    if ((v & 0xc0e0) == 0x80c0) return (v & 0x1e) != 0 ? 2 : 0;
  }
#endif
  if ((unsigned char)*p < 0x80) return 1;
  return rl_utf8_sequence((const unsigned char *)p, (const unsigned char *)end);
}

// Writes a scalar value; its length, at most 4.
static inline size_t rl_utf8_put(char *out, uint32_t c) {
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  if (c < 0x800) {
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3f));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | c >> 18);
  out[1] = (char)(0x80 | (c >> 12 & 0x3f));
  out[2] = (char)(0x80 | (c >> 6 & 0x3f));
  out[3] = (char)(0x80 | (c & 0x3f));
  return 4;
}

// A whole text at once. What follows the first fault does not matter: rl_utf8_first_bad finds it,
// or says `size`.
bool rl_utf8_valid(const char *text, size_t size);
size_t rl_utf8_first_bad(const char *text, size_t size);

#endif
