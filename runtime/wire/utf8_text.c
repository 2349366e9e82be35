// A whole text in UTF-8: runs of ASCII by the word, the rest by its first byte.
#include "runtime/wire/utf8.h"

#include <stdint.h>
#include <string.h>

enum { WORDS = 4 };

static inline bool all_ascii(const unsigned char *at) {
  uint64_t words[WORDS];
  memcpy(words, at, sizeof words);
  return ((words[0] | words[1] | words[2] | words[3]) & UINT64_C(0x8080808080808080)) == 0;
}

static inline bool is_tail(unsigned char c) { return (c & 0xc0) == 0x80; }

// The length of the sequence of two to four bytes at `s`, of which `n` bytes are there; 0 if it is
// malformed.
static size_t sequence(const unsigned char *s, size_t n) {
  unsigned char c = s[0];
  if (c < 0xc2 || c > 0xf4 || n < 2) return 0;
  if (c < 0xe0) return is_tail(s[1]) ? 2 : 0;
  unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
  unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
  if (s[1] < low || s[1] > high || n < 3 || !is_tail(s[2])) return 0;
  if (c < 0xf0) return 3;
  return n >= 4 && is_tail(s[3]) ? 4 : 0;
}

bool rl_utf8_valid(const char *text, size_t n, size_t *bad) {
  const unsigned char *s = (const unsigned char *)text;
  size_t i = 0;
  while (i < n) {
    if (n - i >= sizeof(uint64_t[WORDS]) && all_ascii(s + i)) {
      i += sizeof(uint64_t[WORDS]);
    } else if (s[i] < 0x80) {
      i++;
    } else {
      size_t length = sequence(s + i, n - i);
      if (length == 0) {
        if (bad) *bad = i;
        return false;
      }
      i += length;
    }
  }
  return true;
}
