// The inner loop of reading and writing strings: past bytes that need no thought.
#ifndef RL_WIRE_JSON_SCAN_H
#define RL_WIRE_JSON_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline uint64_t rl_load8(const char *p) {
  uint64_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

#define RL_BYTES(b) (UINT64_C(0x0101010101010101) * (b))

// A high bit in each byte that is a quote, a backslash, a control or not ASCII. Bytes above the
// first such byte may be marked wrongly.
static inline uint64_t rl_json_special8(uint64_t v) {
  uint64_t quote = v ^ RL_BYTES('"'), slash = v ^ RL_BYTES('\\');
  uint64_t low = v - RL_BYTES(0x20);
  quote -= RL_BYTES(1);
  slash -= RL_BYTES(1);
  return (low | quote | slash | v) & RL_BYTES(0x80);
}

static inline int rl_json_is_mark(unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; }

#ifdef __SSE2__
typedef struct rl_json_block {
  unsigned marks, high;  // a bit for each byte
} rl_json_block;

// Which of 16 bytes are a quote, a backslash or a control, and which are not ASCII.
static inline rl_json_block rl_json_look(__m128i v) {
  const __m128i low = _mm_set1_epi8(0x1f), quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
  __m128i marks = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
                               _mm_cmpeq_epi8(_mm_min_epu8(v, low), v));
  return (rl_json_block){(unsigned)_mm_movemask_epi8(marks), (unsigned)_mm_movemask_epi8(v)};
}
#endif

// The first byte from `p` on that is a quote, a backslash or a control, or `end`. *high is set if
// any before it is not ASCII.
static inline const char *rl_json_next_mark(const char *p, const char *end, uint64_t *high) {
#ifdef __SSE2__
  while (end - p >= 16) {
    rl_json_block b = rl_json_look(_mm_loadu_si128((const __m128i *)(const void *)p));
    if (b.marks) {
      *high |= b.high & (b.marks ^ (b.marks - 1)) >> 1;
      return p + __builtin_ctz(b.marks);
    }
    *high |= b.high;
    p += 16;
  }
#else
  while (end - p >= 8 && !rl_json_special8(rl_load8(p))) p += 8;
#endif
  for (; p < end && !rl_json_is_mark((unsigned char)*p); p++) *high |= (unsigned char)*p & 0x80;
  return p;
}

// Copies up to the next mark or `end`, where it ended; *high is set if any of it is not ASCII.
// `*out` has room for as many bytes as are left.
static inline const char *rl_json_copy(char **out, const char *p, const char *end, uint64_t *high) {
  char *at = *out;
#ifdef __SSE2__
  while (end - p >= 16) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    rl_json_block b = rl_json_look(v);
    _mm_storeu_si128((__m128i *)(void *)at, v);
    if (b.marks) {
      int n = __builtin_ctz(b.marks);
      *high |= b.high & (b.marks ^ (b.marks - 1)) >> 1;
      *out = at + n;
      return p + n;
    }
    *high |= b.high;
    p += 16;
    at += 16;
  }
#endif
  while (end - p >= 8) {
    uint64_t v = rl_load8(p);
    if (rl_json_special8(v)) break;
    memcpy(at, &v, 8);
    p += 8;
    at += 8;
  }
  for (; p < end && !rl_json_is_mark((unsigned char)*p); p++) {
    *high |= (unsigned char)*p & 0x80;
    *at++ = *p;
  }
  *out = at;
  return p;
}

#endif
