// Percent-encoding.
#include "runtime/wire/percent.h"

#include "runtime/base/error.h"
#include "runtime/wire/hex.h"

static bool is_unreserved(unsigned char c) {
  unsigned char lower = c | 0x20;
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

size_t rl_percent_encode(char *out, const char *in, size_t n, bool form) {
  static const char digits[] = "0123456789ABCDEF";
  char *o = out;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)in[i];
    if (is_unreserved(c)) {
      *o++ = (char)c;
    } else if (c == ' ' && form) {
      *o++ = '+';
    } else {
      *o++ = '%';
      *o++ = digits[c >> 4];
      *o++ = digits[c & 15];
    }
  }
  return (size_t)(o - out);
}

ptrdiff_t rl_percent_decode(char *out, const char *in, size_t n, bool form, size_t *bad) {
  char *o = out;
  for (size_t i = 0; i < n; i++) {
    char c = in[i];
    if (c == '%') {
      int high = n - i > 2 ? rl_hex_digit((unsigned char)in[i + 1]) : -1;
      int low = high >= 0 ? rl_hex_digit((unsigned char)in[i + 2]) : -1;
      if (low < 0) {
        if (bad) *bad = i;
        return RL_INVALID;
      }
      c = (char)(high << 4 | low);
      i += 2;
    } else if (c == '+' && form) {
      c = ' ';
    }
    *o++ = c;
  }
  return o - out;
}
