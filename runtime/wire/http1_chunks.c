// The chunked coding of HTTP/1 (RFC 9112, 7.1), strict: CRLF ends every line, sizes are plain
// hexadecimal.
#include "runtime/wire/http1.h"
#include "runtime/wire/http1_scan.h"

enum { DIGITS_MAX = 15 };

enum {
  SIZE,        // the first digit of a size
  SIZE_MORE,   // a further digit, or what ends the size
  SIZE_SPACE,  // white space before an extension
  EXTENSION,   // after ';'
  SIZE_LF,     // after the CR of a size line
  DATA,
  DATA_CR,
  DATA_LF,
  LINE,  // the start of a trailer line, or of the last, empty one
  NAME,
  VALUE,
  VALUE_LF,
  LAST_LF,
  END,
};

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return (c | 0x20) - 'a' + 10;
}

// A byte of a size line after the digits.
static int after_size(rl_http1_chunks *c, char b) {
  if (b == '\r') {
    if (c->state == SIZE_SPACE) return -400;
    c->state = SIZE_LF;
  } else if (c->state == EXTENSION) {
    if (!RL_HTTP_IS(b, RL_HTTP_VALUE)) return -400;
  } else if (b == ';') {
    c->state = EXTENSION;
  } else if (b == ' ' || b == '\t') {
    c->state = SIZE_SPACE;
  } else {
    return -400;
  }
  return ++c->overhead > RL_HTTP1_OVERHEAD_MAX ? -400 : 0;
}

static int size_digit(rl_http1_chunks *c, char b) {
  if (++c->digits > DIGITS_MAX) return -400;
  c->left = c->left * 16 + (uint64_t)hex_value(b);
  c->state = SIZE_MORE;
  return 0;
}

static int trailer_byte(rl_http1_chunks *c, char b) {
  if (++c->overhead > RL_HTTP1_OVERHEAD_MAX) return -400;
  switch (c->state) {
    case LINE:
      if (b == '\r')
        c->state = LAST_LF;
      else if (RL_HTTP_IS(b, RL_HTTP_TOKEN))
        c->state = NAME;
      else
        return -400;
      return 0;
    case NAME:
      if (b == ':')
        c->state = VALUE;
      else if (!RL_HTTP_IS(b, RL_HTTP_TOKEN))
        return -400;
      return 0;
    case VALUE:
      if (b == '\r')
        c->state = VALUE_LF;
      else if (!RL_HTTP_IS(b, RL_HTTP_VALUE))
        return -400;
      return 0;
    case VALUE_LF: c->state = LINE; return b == '\n' ? 0 : -400;
    default:  // LAST_LF
      c->state = END;
      return b == '\n' ? 0 : -400;
  }
}

static int next_byte(rl_http1_chunks *c, char b) {
  switch (c->state) {
    case SIZE:
      c->left = 0;
      c->digits = 0;
      return RL_HTTP_IS(b, RL_HTTP_HEX) ? size_digit(c, b) : -400;
    case SIZE_MORE: return RL_HTTP_IS(b, RL_HTTP_HEX) ? size_digit(c, b) : after_size(c, b);
    case SIZE_SPACE:
    case EXTENSION: return after_size(c, b);
    case SIZE_LF: c->state = c->left ? DATA : LINE; return b == '\n' ? 0 : -400;
    case DATA_CR: c->state = DATA_LF; return b == '\r' ? 0 : -400;
    case DATA_LF: c->state = SIZE; return b == '\n' ? 0 : -400;
    default: return trailer_byte(c, b);
  }
}

int rl_http1_chunks_next(rl_http1_chunks *c, const char *data, size_t len, size_t *used, size_t *at,
                         size_t *size) {
  size_t i = 0;
  *at = *size = 0;
  while (i < len && c->state != END) {
    if (c->state == DATA) {
      *at = i;
      *size = len - i < c->left ? len - i : (size_t)c->left;
      c->left -= *size;
      if (c->left == 0) c->state = DATA_CR;
      *used = i + *size;
      return 0;
    }
    int err = next_byte(c, data[i++]);
    if (err < 0) return err;
  }
  *used = i;
  return c->state == END;
}
