// UTF-8 checked piece by piece, eight ASCII bytes at a step.
#include "runtime/wire/utf8.h"

#include <string.h>

static bool lead(rl_utf8 *u, uint8_t b) {
  u->low = 0x80;
  u->high = 0xbf;
  if (b < 0xc2) return false;
  if (b < 0xe0) {
    u->need = 1;
  } else if (b < 0xf0) {
    u->need = 2;
    if (b == 0xe0) u->low = 0xa0;
    if (b == 0xed) u->high = 0x9f;
  } else if (b < 0xf5) {
    u->need = 3;
    if (b == 0xf0) u->low = 0x90;
    if (b == 0xf4) u->high = 0x8f;
  } else {
    return false;
  }
  return true;
}

bool rl_utf8_check(rl_utf8 *u, const char *s, size_t len) {
  size_t i = 0;
  while (i < len) {
    uint64_t word;
    if (u->need == 0 && len - i >= sizeof word) {
      memcpy(&word, s + i, sizeof word);
      if (!(word & UINT64_C(0x8080808080808080))) {
        i += sizeof word;
        continue;
      }
    }
    uint8_t b = (uint8_t)s[i++];
    if (u->need) {
      if (b < u->low || b > u->high) return false;
      u->low = 0x80;
      u->high = 0xbf;
      u->need--;
    } else if (b >= 0x80 && !lead(u, b)) {
      return false;
    }
  }
  return true;
}
