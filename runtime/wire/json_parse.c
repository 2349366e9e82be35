// The JSON parser: one pass, no recursion, to a flat run of nodes.
#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/wire/decimal.h"
#include "runtime/wire/json.h"
#include "runtime/wire/json_scan.h"
#include "runtime/wire/unicode.h"

#include <errno.h>
#include <math.h>

enum { FIRST_NODES = 64 };
#define NONE UINT32_MAX  // no container

// `p` never passes `end`, where there is a 0: nothing that begins or goes on with a 0 is JSON.
typedef struct parser {
  rl_json *j;
  const char *text, *end;
  bool lossless, no_memory;
} parser;

void rl_json_init(rl_json *j) { memset(j, 0, sizeof *j); }

void rl_json_fini(rl_json *j) {
  free(j->nodes);
  free(j->plain);
  rl_json_init(j);
}

static bool grow(rl_json *j) {
  size_t cap = j->cap ? j->cap * 2 : FIRST_NODES;
  if (cap >= NONE) return false;
  rl_json_node *nodes = realloc(j->nodes, cap * sizeof *nodes);
  if (!nodes) return false;
  j->nodes = nodes;
  j->cap = cap;
  return true;
}

static const char *fail(parser *s, const char *at, const char *reason) {
  s->j->reason = reason;
  s->j->at = (size_t)(at - s->text);
  return NULL;
}

static inline const char *skip_space(const char *p, const char *end) {
  while ((unsigned char)*p <= ' ') {
    if (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') {
      p++;
      while (end - p >= 8 && rl_load8(p) == RL_BYTES(' ')) p += 8;
    } else {
      break;
    }
  }
  return p;
}

static inline bool is_digit(char c) { return (unsigned)(c - '0') < 10; }

// The value of four hexadecimal digits, or -1.
static int32_t hex4(const char *p) {
  int32_t v = 0;
  for (int i = 0; i < 4; i++) {
    unsigned char c = (unsigned char)p[i], low = c | 0x20;
    if (is_digit((char)c)) {
      v = v << 4 | (c - '0');
    } else if (low >= 'a' && low <= 'f') {
      v = v << 4 | (low - 'a' + 10);
    } else {
      return -1;
    }
  }
  return v;
}

// At the 'u' of an escape; past it, or NULL.
static const char *undo_unicode(parser *s, char **out, const char *p) {
  int32_t c = hex4(p + 1);
  if (c < 0) return fail(s, p, "\\u needs four hexadecimal digits");
  const char *after = p + 5;
  if (c >= 0xdc00 && c < 0xe000)
    return fail(s, p, "the second half of a surrogate pair stands alone");
  if (c >= 0xd800 && c < 0xdc00) {
    int32_t second = after[0] == '\\' && after[1] == 'u' ? hex4(after + 2) : -1;
    if (second < 0xdc00 || second >= 0xe000)
      return fail(s, p, "the first half of a surrogate pair stands alone");
    c = 0x10000 + ((c - 0xd800) << 10) + (second - 0xdc00);
    after += 6;
  }
  *out += rl_utf8_put(*out, (uint32_t)c);
  return after;
}

// What stands for each character behind a backslash; 0: nothing does.
static const char escapes[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

static inline const char *undo_escape(parser *s, char **out, const char *p) {
  char c = escapes[(unsigned char)p[1]];
  if (RL_LIKELY(c)) {
    *(*out)++ = c;
    return p + 2;
  }
  return p[1] == 'u' ? undo_unicode(s, out, p + 1) : fail(s, p, "unknown escape");
}

static const char *fail_string(parser *s, const char *p) {
  return fail(
      s, p, p == s->end ? "unfinished string" : "a control character in a string must be escaped");
}

// One allocation for all strings of the text from here on: what an escape stands for is never
// longer.
static bool make_plain(parser *s, const char *begin) {
  rl_json *j = s->j;
  size_t size = (size_t)(s->end - begin) + 16;
  if (j->plain_used || j->plain_cap >= size) return true;
  free(j->plain);
  j->plain = malloc(size);
  j->plain_cap = j->plain ? size : 0;
  return j->plain;
}

// At the first backslash of a string.
static const char *parse_escaped(parser *s, const char *begin, const char *p, rl_json_node *node,
                                 uint64_t high) {
  rl_json *j = s->j;
  if (!make_plain(s, begin)) {
    s->no_memory = true;
    return NULL;
  }
  char *text = j->plain + j->plain_used, *at = text;
  memcpy(at, begin, (size_t)(p - begin));
  at += p - begin;
  do {
    p = undo_escape(s, &at, p);
    if (!p) return NULL;
    p = rl_json_copy(&at, p, s->end, &high);
  } while (*p == '\\');
  if (*p != '"') return fail_string(s, p);
  size_t size = (size_t)(at - text), raw = (size_t)(p - begin);
  if (high && RL_UNLIKELY(!rl_utf8_valid(begin, raw)))
    return fail(s, begin + rl_utf8_first_bad(begin, raw), "invalid UTF-8");
  j->plain_used += size;
  node->as.text = text;
  node->head = RL_JSON_STRING | (uint64_t)size << 8;
  return p + 1;
}

// Past the opening quote; past the closing one, or NULL.
static inline const char *parse_string(parser *s, const char *p, rl_json_node *node) {
  const char *begin = p;
  uint64_t high = 0;
  p = rl_json_next_mark(p, s->end, &high);
  if (RL_UNLIKELY(*p != '"'))
    return *p == '\\' ? parse_escaped(s, begin, p, node, high) : fail_string(s, p);
  size_t size = (size_t)(p - begin);
  if (high && RL_UNLIKELY(!rl_utf8_valid(begin, size)))
    return fail(s, begin + rl_utf8_first_bad(begin, size), "invalid UTF-8");
  node->as.text = begin;
  node->head = RL_JSON_STRING | (uint64_t)size << 8;
  return p + 1;
}

static inline uint64_t more_digits(const char **at, uint64_t value) {
  const char *p = *at;
  while (is_digit(*p)) value = value * 10 + (uint64_t)(*p++ - '0');
  *at = p;
  return value;
}

// A number has digits to lose if the double's own shortest form has others.
static bool loses(double value, uint64_t mantissa, int exponent, bool exact) {
  if (mantissa == 0) return !exact;
  if (value == 0 || isinf(value) || !exact) return true;
  while (mantissa % 10 == 0) {
    mantissa /= 10;
    exponent++;
  }
  int own;
  return rl_decimal_shortest(fabs(value), &own) != mantissa || own != exponent;
}

// Past the exponent, or NULL.
static const char *parse_exponent(const char *p, int *out) {
  bool negative = *p == '-';
  if (*p == '-' || *p == '+') p++;
  if (!is_digit(*p)) return NULL;
  int value = 0;
  for (; is_digit(*p); p++) {
    if (value < 1000000) value = value * 10 + (*p - '0');
  }
  *out = negative ? -value : value;
  return p;
}

typedef struct number {
  const char *begin, *digits;  // the sign or the first digit; the first digit
  uint64_t mantissa;
  int count;  // of digits in the mantissa, which has wrapped around above 19
  int exponent;
} number;

// The first 19 digits that matter, and the power of ten they stand for.
static bool first_digits(number *n, const char *end) {
  int64_t shift = n->exponent;
  bool point = false, cut = false;
  const char *p = n->digits;
  n->count = 0;
  n->mantissa = 0;
  for (; p < end && *p != 'e' && *p != 'E'; p++) {
    if (*p == '.') {
      point = true;
      continue;
    }
    if (n->count == 0 && *p == '0') {
      shift -= point;
    } else if (n->count < 19) {
      n->mantissa = n->mantissa * 10 + (uint64_t)(*p - '0');
      n->count++;
      shift -= point;
    } else {
      cut |= *p != '0';
      shift += !point;
    }
  }
  n->exponent = shift > 1000000 ? 1000000 : shift < -1000000 ? -1000000 : (int)shift;
  return !cut;
}

// Ends at `p`; n->exponent is that behind the 'e', or 0, before first_digits.
static double long_number(number *n, const char *p, bool *exact) {
  double low, high;
  *exact = first_digits(n, p);
  if (rl_decimal_quick(n->mantissa, n->exponent, &low) &&
      (*exact || (rl_decimal_quick(n->mantissa + 1, n->exponent, &high) && low == high)))
    return low;
  return rl_decimal_slow(n->digits, (size_t)(p - n->digits));
}

static const char *finish_float(parser *s, number *n, const char *p, int behind,
                                rl_json_node *node) {
  double value;
  bool exact = true;
  if (RL_UNLIKELY(n->count > 19 || !rl_decimal_quick(n->mantissa, n->exponent, &value))) {
    n->exponent = behind;
    value = long_number(n, p, &exact);
  }
  if (s->lossless && loses(value, n->mantissa, n->exponent, exact)) {
    node->head = RL_JSON_DIGITS | (uint64_t)(p - n->begin) << 8;
    node->as.text = n->begin;
    return p;
  }
  if (isinf(value)) return fail(s, n->begin, "the number is out of range");
  node->head = RL_JSON_FLOAT;
  node->as.number = *n->begin == '-' ? -value : value;
  return p;
}

static const char *parse_float(parser *s, number *n, const char *p, rl_json_node *node) {
  if (*p == '.') {
    const char *point = ++p;
    n->mantissa = more_digits(&p, n->mantissa);
    if (p == point) return fail(s, p, "expected a digit behind the point");
    if (p - point > 100000000) return fail(s, n->begin, "the number is too long");
    n->exponent = -(int)(p - point);
    n->count += (int)(p - point);
    const char *q = n->digits;  // zeros in front do not count
    if (n->count > 19 && *q == '0') {
      for (q = point; *q == '0'; q++) n->count--;
      n->count--;
    }
  }
  int behind = 0;
  if (*p == 'e' || *p == 'E') {
    const char *after = parse_exponent(p + 1, &behind);
    if (!after) return fail(s, p + 1, "expected a digit in the exponent");
    p = after;
    n->exponent += behind;
  }
  return finish_float(s, n, p, behind, node);
}

static inline const char *parse_number(parser *s, const char *p, rl_json_node *node) {
  number n = {.begin = p};
  bool negative = *p == '-';
  if (negative) p++;
  n.digits = p;
  if (*p == '0') {
    p++;
    if (is_digit(*p)) return fail(s, n.digits, "a number does not begin with 0");
  } else {
    n.mantissa = more_digits(&p, 0);
    if (p == n.digits) return fail(s, p, "expected a digit");
    if (p - n.digits > 100000000) return fail(s, n.begin, "the number is too long");
  }
  n.count = (int)(p - n.digits);
  if (*p == '.' || *p == 'e' || *p == 'E') return parse_float(s, &n, p, node);
  if (RL_UNLIKELY(negative && n.mantissa == 0 && n.count == 1)) {
    node->head = RL_JSON_FLOAT;
    node->as.number = -0.0;
  } else if (RL_LIKELY(n.count <= 18) ||
             (n.count == 19 && n.mantissa <= (uint64_t)INT64_MAX + negative)) {
    node->head = RL_JSON_INTEGER;
    node->as.integer = (int64_t)(negative ? 0 - n.mantissa : n.mantissa);
  } else if (s->lossless) {
    node->head = RL_JSON_DIGITS | (uint64_t)(p - n.begin) << 8;
    node->as.text = n.begin;
  } else {
    return finish_float(s, &n, p, 0, node);
  }
  return p;
}

static inline const char *parse_word(parser *s, const char *p, rl_json_node *node) {
  if (s->end - p >= 4 && memcmp(p, "true", 4) == 0) {
    node->head = RL_JSON_TRUE;
    return p + 4;
  }
  if (s->end - p >= 4 && memcmp(p, "null", 4) == 0) {
    node->head = RL_JSON_NULL;
    return p + 4;
  }
  if (s->end - p >= 5 && memcmp(p, "false", 5) == 0) {
    node->head = RL_JSON_FALSE;
    return p + 5;
  }
  return fail(s, p, p == s->end ? "the text ends too early" : "expected a value");
}

static int run(parser *s, uint32_t limit) {
  rl_json *j = s->j;
  const char *p = s->text;
  uint32_t up = NONE, members = 0, depth = 0;
  rl_json_kind inside = RL_JSON_NULL;
  rl_json_node *node;

#define NEXT_NODE()                                                  \
  do {                                                               \
    if (RL_UNLIKELY(j->count == j->cap) && !grow(j)) return -ENOMEM; \
    node = &j->nodes[j->count++];                                    \
  } while (0)

value:
  p = skip_space(p, s->end);
  NEXT_NODE();
  switch (*p) {
    case '"': p = parse_string(s, p + 1, node); break;
    case '{':
    case '[':
      if (++depth > limit) {
        fail(s, p, "too many arrays and objects in each other");
        return RL_LIMIT;
      }
      if (depth > j->deepest) j->deepest = depth;
      if (up != NONE) j->nodes[up].as.walk.left = members;
      inside = *p == '[' ? RL_JSON_ARRAY : RL_JSON_OBJECT;
      node->head = inside;
      node->as.walk.parent = up;
      up = (uint32_t)(j->count - 1);
      members = 0;
      p = skip_space(p + 1, s->end);
      if (inside == RL_JSON_ARRAY) {
        if (*p != ']') goto value;
        j->empty++;
      } else if (*p != '}') {
        goto key;
      }
      goto close;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': p = parse_number(s, p, node); break;
    default: p = parse_word(s, p, node);
  }
  if (RL_UNLIKELY(!p)) return RL_INVALID;

ended:
  if (RL_UNLIKELY(up == NONE)) {
    p = skip_space(p, s->end);
    if (p == s->end) return 0;
    fail(s, p, "more follows the value");
    return RL_INVALID;
  }
  if (RL_UNLIKELY(*p != ',')) p = skip_space(p, s->end);
  if (*p == ',') {
    members++;
    p++;
    if (inside == RL_JSON_ARRAY) goto value;
    p = skip_space(p, s->end);
    goto key;
  }
  if (*p != (inside == RL_JSON_ARRAY ? ']' : '}')) {
    fail(s, p, inside == RL_JSON_ARRAY ? "expected ',' or ']'" : "expected ',' or '}'");
    return RL_INVALID;
  }
  members++;

close:
  p++;
  depth--;
  j->nodes[up].head = inside | (uint64_t)members << 8;
  if (inside == RL_JSON_OBJECT) j->keys += members;
  up = j->nodes[up].as.walk.parent;
  if (up != NONE) {
    members = j->nodes[up].as.walk.left;
    inside = rl_json_kind_of(&j->nodes[up]);
  }
  goto ended;

key:
  if (*p != '"') {
    fail(s, p, "expected a key in quotes");
    return RL_INVALID;
  }
  NEXT_NODE();
  p = parse_string(s, p + 1, node);
  if (!p) return RL_INVALID;
  p = skip_space(p, s->end);
  if (*p != ':') {
    fail(s, p, "expected ':'");
    return RL_INVALID;
  }
  p++;
  goto value;
#undef NEXT_NODE
}

int rl_json_parse(rl_json *j, const char *text, size_t length, const rl_json_rules *rules) {
  j->count = j->keys = j->plain_used = j->empty = j->at = 0;
  j->deepest = 0;
  j->reason = NULL;
  parser s = {j, text, text + length, rules->lossless, false};
  int err = run(&s, rules->depth);
  if (s.no_memory) err = -ENOMEM;
  if (err == -ENOMEM) fail(&s, text, "out of memory");
  if (err == RL_INVALID && j->at == length) j->reason = "the text ends too early";
  return err;
}

bool rl_json_scan_on(rl_json_scan *s, const char *bytes, size_t n, size_t *used) {
  const char *p = bytes, *end = bytes + n;
  for (; p < end; p++) {
    char c = *p;
    if (s->in_string) {
      if (s->escaped) {
        s->escaped = false;
      } else if (c == '\\') {
        s->escaped = true;
      } else if (c == '"') {
        s->in_string = false;
        if (s->depth == 0) goto value_ends_behind;
      }
      continue;
    }
    bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    if (s->in_scalar && (space || strchr("\"{}[],:", c))) goto value_ends;
    if (space || s->in_scalar) continue;
    s->started = true;
    if (c == '"') {
      s->in_string = true;
    } else if (c == '{' || c == '[') {
      s->depth++;
    } else if (c == '}' || c == ']') {
      if (s->depth <= 1) goto value_ends_behind;
      s->depth--;
    } else if (s->depth == 0) {
      s->in_scalar = true;
    }
  }
  *used = n;
  return false;

value_ends_behind:
  p++;
value_ends:
  *used = (size_t)(p - bytes);
  memset(s, 0, sizeof *s);
  return true;
}
