// Base64 by tables: four characters at a time.
#include "runtime/wire/base64.h"

#include "runtime/base/error.h"

#include <string.h>

static const char alphabets[2][65] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

size_t rl_base64_encode(char *out, const void *in, size_t n, rl_base64_alphabet alphabet,
                        bool padded) {
  const char *digits = alphabets[alphabet];
  const unsigned char *at = in, *end = at + n / 3 * 3;
  char *o = out;
  for (; at < end; at += 3, o += 4) {
    uint32_t v = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
    o[0] = digits[v >> 18];
    o[1] = digits[v >> 12 & 63];
    o[2] = digits[v >> 6 & 63];
    o[3] = digits[v & 63];
  }
  size_t rest = n % 3;
  if (rest == 0) return (size_t)(o - out);
  uint32_t v = (uint32_t)at[0] << 16 | (rest == 2 ? (uint32_t)at[1] << 8 : 0);
  *o++ = digits[v >> 18];
  *o++ = digits[v >> 12 & 63];
  if (rest == 2) *o++ = digits[v >> 6 & 63];
  for (size_t i = rest; padded && i < 3; i++) *o++ = '=';
  return (size_t)(o - out);
}

#define BAD 0xff
#define ROW(a) a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a
// 43 is '+', 47 '/', 45 '-', 95 '_'.
#define TABLE(plus, minus, slash, under)                                                           \
  {                                                                                                \
    ROW(BAD), ROW(BAD), BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, BAD, plus, BAD, minus,   \
        BAD, slash, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, BAD, BAD, BAD, BAD, BAD, BAD, BAD, 0,  \
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, \
        BAD, BAD, BAD, BAD, under, BAD, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,    \
        40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, BAD, BAD, BAD, BAD, BAD, ROW(BAD),         \
        ROW(BAD), ROW(BAD), ROW(BAD), ROW(BAD), ROW(BAD), ROW(BAD), ROW(BAD)                       \
  }

static const uint8_t values[2][256] = {TABLE(62, BAD, 63, BAD), TABLE(BAD, 62, BAD, 63)};

static ptrdiff_t fail(size_t *bad, size_t at) {
  if (bad) *bad = at;
  return RL_INVALID;
}

// The last group, of two to four characters without padding. Bits beyond the last whole byte must
// be zero.
static ptrdiff_t decode_tail(unsigned char *out, const char *in, size_t n, const uint8_t *value,
                             size_t *bad) {
  if (n == 1) return fail(bad, 0);
  uint32_t v = 0;
  for (size_t i = 0; i < 4; i++) {
    uint32_t d = i < n ? value[(unsigned char)in[i]] : 0;
    if (d == BAD) return fail(bad, i);
    v = v << 6 | d;
  }
  if ((n == 2 && (v & 0xffff)) || (n == 3 && (v & 0xff))) return fail(bad, n - 1);
  for (size_t i = 0; i + 1 < n; i++) out[i] = (unsigned char)(v >> (16 - 8 * i));
  return n > 0 ? (ptrdiff_t)n - 1 : 0;
}

ptrdiff_t rl_base64_decode(void *out, const char *in, size_t n, rl_base64_alphabet alphabet,
                           bool padded, size_t *bad) {
  const uint8_t *value = values[alphabet];
  size_t length = n;
  if (n > 0 && n % 4 == 0 && in[n - 1] == '=') length -= in[n - 2] == '=' ? 2 : 1;
  if (padded && n % 4 != 0) {
    for (size_t i = 0; i < n; i++) {
      if (value[(unsigned char)in[i]] == BAD) return fail(bad, i);
    }
    return fail(bad, n);
  }
  size_t whole = length / 4 * 4;
  unsigned char *o = out;
  for (size_t i = 0; i < whole; i += 4, o += 3) {
    uint32_t a = value[(unsigned char)in[i]], b = value[(unsigned char)in[i + 1]];
    uint32_t c = value[(unsigned char)in[i + 2]], d = value[(unsigned char)in[i + 3]];
    if ((a | b | c | d) & 0x80)
      return fail(bad, i + (a == BAD ? 0 : b == BAD ? 1 : c == BAD ? 2 : 3));
    uint32_t v = a << 18 | b << 12 | c << 6 | d;
    o[0] = (unsigned char)(v >> 16);
    o[1] = (unsigned char)(v >> 8);
    o[2] = (unsigned char)v;
  }
  size_t at = 0;
  ptrdiff_t rest = decode_tail(o, in + whole, length - whole, value, &at);
  if (rest < 0) return fail(bad, whole + at);
  return o - (unsigned char *)out + rest;
}
