// UTF-8 by 16 bytes at once where the processor shuffles bytes (the three tables of Keiser and
// Lemire), else by sequences.
#include "runtime/wire/unicode.h"

#include "runtime/base/check.h"

static bool valid_by_sequence(const char *p, size_t size) {
  const char *end = p + size;
  while (p < end) {
    size_t n = rl_utf8_sequence4(p, end);
    if (n == 0) return false;
    p += n;
  }
  return true;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <tmmintrin.h>

// What two neighbouring bytes can be accused of. A pair is guilty of what all three tables say: by
// the first byte's high half, its low half, and the second byte's high half.
enum {
  SHORT = 1,       // a lead, and no continuation
  LONG = 2,        // a continuation behind ASCII
  OVER3 = 4,       // e0 80..9f
  LARGE = 8,       // above f4 8f
  SURROGATE = 16,  // ed a0..bf
  OVER2 = 32,      // c0, c1
  OVER4 = 64,      // f0 80..8f, and f5..ff 80..8f
  TWO = 128,       // two continuations: right if the third or fourth of a longer sequence
  ANY = SHORT | LONG | TWO,
};

#define TABLE static const int8_t

TABLE first_high[16] = {LONG,
                        LONG,
                        LONG,
                        LONG,
                        LONG,
                        LONG,
                        LONG,
                        LONG,
                        (int8_t)TWO,
                        (int8_t)TWO,
                        (int8_t)TWO,
                        (int8_t)TWO,
                        SHORT | OVER2,
                        SHORT,
                        SHORT | OVER3 | SURROGATE,
                        SHORT | LARGE | OVER4};
#define BIG (int8_t)(ANY | LARGE | OVER4)
TABLE first_low[16] = {(int8_t)(ANY | OVER3 | OVER2 | OVER4),
                       (int8_t)(ANY | OVER2),
                       (int8_t)ANY,
                       (int8_t)ANY,
                       (int8_t)(ANY | LARGE),
                       BIG,
                       BIG,
                       BIG,
                       BIG,
                       BIG,
                       BIG,
                       BIG,
                       BIG,
                       (int8_t)(ANY | LARGE | OVER4 | SURROGATE),
                       BIG,
                       BIG};
#define BEHIND (LONG | OVER2 | TWO)
TABLE second_high[16] = {SHORT,
                         SHORT,
                         SHORT,
                         SHORT,
                         SHORT,
                         SHORT,
                         SHORT,
                         SHORT,
                         (int8_t)(BEHIND | OVER3 | OVER4),
                         (int8_t)(BEHIND | OVER3 | LARGE),
                         (int8_t)(BEHIND | SURROGATE | LARGE),
                         (int8_t)(BEHIND | SURROGATE | LARGE),
                         SHORT,
                         SHORT,
                         SHORT,
                         SHORT};

#define SHUFFLES __attribute__((target("ssse3")))

SHUFFLES static inline __m128i load(const void *p) { return _mm_loadu_si128((const __m128i *)p); }

SHUFFLES static inline __m128i errors_of(__m128i v, __m128i before) {
  const __m128i nibble = _mm_set1_epi8(0x0f);
  __m128i back1 = _mm_alignr_epi8(v, before, 15);
  __m128i back2 = _mm_alignr_epi8(v, before, 14), back3 = _mm_alignr_epi8(v, before, 13);
  __m128i a = _mm_shuffle_epi8(load(first_high), _mm_and_si128(_mm_srli_epi16(back1, 4), nibble));
  __m128i b = _mm_shuffle_epi8(load(first_low), _mm_and_si128(back1, nibble));
  __m128i c = _mm_shuffle_epi8(load(second_high), _mm_and_si128(_mm_srli_epi16(v, 4), nibble));
  __m128i guilt = _mm_and_si128(_mm_and_si128(a, b), c);
  // Two behind a lead of three, three behind a lead of four: there a second continuation has to be.
  __m128i third = _mm_subs_epu8(back2, _mm_set1_epi8((char)(0xe0 - 0x80)));
  __m128i fourth = _mm_subs_epu8(back3, _mm_set1_epi8((char)(0xf0 - 0x80)));
  __m128i due = _mm_and_si128(_mm_or_si128(third, fourth), _mm_set1_epi8((char)0x80));
  return _mm_xor_si128(guilt, due);
}

SHUFFLES static bool valid_by_block(const char *p, size_t size) {
  __m128i before = _mm_setzero_si128(), errors = before;
  for (; size >= 16; p += 16, size -= 16) {
    __m128i v = load(p);
    errors = _mm_or_si128(errors, errors_of(v, before));
    before = v;
  }
  char rest[16] = {0};  // a 0 at least follows the text, and shows a sequence that is cut off
  memcpy(rest, p, size);
  errors = _mm_or_si128(errors, errors_of(load(rest), before));
  return _mm_movemask_epi8(_mm_cmpeq_epi8(errors, _mm_setzero_si128())) == 0xffff;
}

bool rl_utf8_valid(const char *text, size_t size) {
  return __builtin_cpu_supports("ssse3") ? valid_by_block(text, size)
                                         : valid_by_sequence(text, size);
}
#else
bool rl_utf8_valid(const char *text, size_t size) { return valid_by_sequence(text, size); }
#endif

size_t rl_utf8_first_bad(const char *text, size_t size) {
  const char *p = text, *end = text + size;
  while (p < end) {
    size_t n = rl_utf8_sequence4(p, end);
    if (n == 0) break;
    p += n;
  }
  return (size_t)(p - text);
}
