// Byte classes of HTTP, and the scans for the end of a run of field content or of a target.
#ifndef RL_WIRE_HTTP1_SCAN_H
#define RL_WIRE_HTTP1_SCAN_H

#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
  RL_HTTP_TOKEN = 1,   // tchar
  RL_HTTP_VALUE = 2,   // field content: visible, obs-text, space, tab
  RL_HTTP_TARGET = 4,  // of a request target: visible ASCII but '#'
  RL_HTTP_HOST = 8,
  RL_HTTP_HEX = 16,
};

extern const uint8_t rl_http_class[256];

#define RL_HTTP_IS(c, class) (rl_http_class[(uint8_t)(c)] & (class))

// The first byte from `p` on that is a control character other than tab; `end` if there is none.
static inline const char *rl_http_skip_value(const char *p, const char *end) {
#ifdef __SSE2__
  const __m128i low = _mm_set1_epi8(0x1f), del = _mm_set1_epi8(0x7f), tab = _mm_set1_epi8('\t');
  while (end - p >= 16) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i control = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, low), v), _mm_cmpeq_epi8(v, del));
    int hits = _mm_movemask_epi8(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), control));
    if (hits) return p + __builtin_ctz((unsigned)hits);
    p += 16;
  }
#endif
  while (p < end && RL_HTTP_IS(*p, RL_HTTP_VALUE)) p++;
  return p;
}

// The first byte from `p` on that does not belong to a request target.
static inline const char *rl_http_skip_target(const char *p, const char *end) {
#ifdef __SSE2__
  const __m128i low = _mm_set1_epi8(0x20), high = _mm_set1_epi8(0x7f), hash = _mm_set1_epi8('#');
  while (end - p >= 16) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i outside = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, low), v),
                                   _mm_cmpeq_epi8(_mm_max_epu8(v, high), v));
    int hits = _mm_movemask_epi8(_mm_or_si128(outside, _mm_cmpeq_epi8(v, hash)));
    if (hits) return p + __builtin_ctz((unsigned)hits);
    p += 16;
  }
#endif
  while (p < end && RL_HTTP_IS(*p, RL_HTTP_TARGET)) p++;
  return p;
}

#endif
