// The check of a message that comes from another process.
#include "runtime/wire/message.h"

#include <math.h>

typedef struct checker {
  const char *at, *end;
  uint64_t seen;  // tables and functions so far
  bool functions;
} checker;

static bool check_value(checker *c, int depth);

static bool take_byte(checker *c, unsigned *out) {
  if (c->at == c->end) return false;
  *out = (unsigned char)*c->at++;
  return true;
}

static bool take_varint(checker *c, uint64_t *out) {
  uint64_t v = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    unsigned b;
    if (!take_byte(c, &b)) return false;
    if (shift == 63 && b > 1) return false;
    v |= (uint64_t)(b & 0x7f) << shift;
    if (b < 0x80) {
      *out = v;
      return true;
    }
  }
  return false;
}

static bool take_string(checker *c) {
  uint64_t size;
  if (!take_varint(c, &size) || size > (uint64_t)(c->end - c->at)) return false;
  c->at += size;
  return true;
}

// A key that a table takes: not nil, not NaN, nothing that only stands in upvalues.
static bool check_key(checker *c, int depth) {
  if (c->at == c->end || *c->at == RL_MSG_NIL) return false;
  if (*c->at == RL_MSG_FLOAT && c->end - c->at >= 9) {
    double d;
    memcpy(&d, c->at + 1, sizeof d);
    if (isnan(d)) return false;
  }
  return check_value(c, depth);
}

static bool check_table(checker *c, int depth) {
  if (depth >= RL_MSG_DEPTH || c->end - c->at < 8) return false;
  rl_msg_reader r = {c->at, c->end};
  uint64_t elements = rl_msg_u32(&r), pairs = rl_msg_u32(&r);
  c->at = r.at;
  c->seen++;
  if (elements + 2 * pairs > (uint64_t)(c->end - c->at)) return false;
  for (; elements; elements--) {
    if (!check_value(c, depth + 1)) return false;
  }
  for (; pairs; pairs--) {
    if (!check_key(c, depth + 1) || !check_value(c, depth + 1)) return false;
  }
  return true;
}

static bool check_upvalue(checker *c, int depth) {
  if (c->at == c->end) return false;
  unsigned slot;
  uint64_t number;
  switch (*c->at) {
    case RL_MSG_GLOBALS: c->at++; return true;
    case RL_MSG_MODULE: c->at++; return take_string(c);
    case RL_MSG_FIELD: c->at++; return take_string(c) && take_string(c);
    case RL_MSG_JOINED:
      c->at++;
      return take_varint(c, &number) && number < c->seen && take_byte(c, &slot);
    default: return check_value(c, depth);
  }
}

static bool check_function(checker *c, int depth) {
  unsigned count;
  if (!c->functions || depth >= RL_MSG_DEPTH || !take_string(c) || !take_byte(c, &count))
    return false;
  c->seen++;
  for (; count; count--) {
    if (!check_upvalue(c, depth + 1)) return false;
  }
  return true;
}

static bool check_value(checker *c, int depth) {
  unsigned tag;
  uint64_t number;
  if (!take_byte(c, &tag)) return false;
  switch (tag) {
    case RL_MSG_NIL:
    case RL_MSG_FALSE:
    case RL_MSG_TRUE:
    case RL_MSG_NULL: return true;
    case RL_MSG_INTEGER: return take_varint(c, &number);
    case RL_MSG_FLOAT:
      if (c->end - c->at < 8) return false;
      c->at += 8;
      return true;
    case RL_MSG_STRING: return take_string(c);
    case RL_MSG_META:
      return take_string(c) && take_byte(c, &tag) && tag == RL_MSG_TABLE && check_table(c, depth);
    case RL_MSG_TABLE: return check_table(c, depth);
    case RL_MSG_SEEN: return take_varint(c, &number) && number < c->seen;
    case RL_MSG_FUNCTION: return check_function(c, depth);
    default: return false;
  }
}

bool rl_msg_check(const char *bytes, size_t size, uint32_t count, bool functions) {
  checker c = {bytes, bytes + size, 0, functions};
  for (; count; count--) {
    if (!check_value(&c, 0)) return false;
  }
  return c.at == c.end;
}
