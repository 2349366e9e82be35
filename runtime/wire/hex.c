// Hexadecimal digits.
#include "runtime/wire/hex.h"

#include "runtime/base/error.h"

void rl_hex_encode(char *out, const void *in, size_t n) {
  const unsigned char *at = in;
  for (size_t i = 0; i < n; i++) {
    unsigned char high = at[i] >> 4, low = at[i] & 15;
    out[2 * i] = (char)(high + (high < 10 ? '0' : 'a' - 10));
    out[2 * i + 1] = (char)(low + (low < 10 ? '0' : 'a' - 10));
  }
}

int rl_hex_digit(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  unsigned char lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

ptrdiff_t rl_hex_decode(void *out, const char *in, size_t n, size_t *bad) {
  unsigned char *o = out;
  size_t i = 0;
  for (; i + 1 < n; i += 2) {
    int high = rl_hex_digit((unsigned char)in[i]), low = rl_hex_digit((unsigned char)in[i + 1]);
    if ((high | low) < 0) {
      if (bad) *bad = high < 0 ? i : i + 1;
      return RL_INVALID;
    }
    *o++ = (unsigned char)(high << 4 | low);
  }
  if (i == n) return (ptrdiff_t)(n / 2);
  if (bad) *bad = rl_hex_digit((unsigned char)in[i]) < 0 ? i : n;
  return RL_INVALID;
}
