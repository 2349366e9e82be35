// JSON strings, written.
#include "runtime/base/check.h"
#include "runtime/wire/json.h"
#include "runtime/wire/json_scan.h"
#include "runtime/wire/unicode.h"

#include <string.h>

static char *put_escape(char *out, unsigned char c) {
  static const char names[] = "btn\0fr";  // of 8 to 13
  *out++ = '\\';
  if (c == '"' || c == '\\') {
    *out++ = (char)c;
  } else if (c >= 8 && c <= 13 && names[c - 8]) {
    *out++ = names[c - 8];
  } else {
    memcpy(out, "u00", 3);
    out[3] = (char)('0' + (c >> 4));
    out[4] = "0123456789abcdef"[c & 15];
    out += 5;
  }
  return out;
}

size_t rl_json_escape(char *out, const char *text, size_t size, size_t *bad) {
  char *at = out;
  const char *p = text, *end = text + size;
  uint64_t high = 0;
  while ((p = rl_json_copy(&at, p, end, &high)) < end) at = put_escape(at, (unsigned char)*p++);
  if (high && RL_UNLIKELY(!rl_utf8_valid(text, size))) {
    *bad = rl_utf8_first_bad(text, size);
    return SIZE_MAX;
  }
  return (size_t)(at - out);
}
