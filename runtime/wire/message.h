// The bytes of a message between Lua states: tags, and the check of bytes from elsewhere.
//
// Integers are varints (7 bits a byte, low ones first), signed ones zigzagged. Tables and functions
// are numbered from 0 in the order in which they begin, so that a later place can refer to an
// earlier one.
#ifndef RL_WIRE_MESSAGE_H
#define RL_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum {
  RL_MSG_NIL,
  RL_MSG_FALSE,
  RL_MSG_TRUE,
  RL_MSG_INTEGER,   // signed varint
  RL_MSG_FLOAT,     // 8 bytes
  RL_MSG_STRING,    // length, bytes
  RL_MSG_TABLE,     // u32 elements, u32 pairs; the elements 1..n; keys and values
  RL_MSG_META,      // string: the registered name of the metatable of the table that follows
  RL_MSG_SEEN,      // number of a table or function
  RL_MSG_SHARED,    // index of a thing beside the bytes
  RL_MSG_NULL,      // the light userdata that is JSON's null
  RL_MSG_FUNCTION,  // string: its code; a byte: upvalues; each: a value or one of those below
  // Upvalues only:
  RL_MSG_GLOBALS,  // the receiver's own
  RL_MSG_MODULE,   // string: what the receiver's require of that gives
  RL_MSG_FIELD,    // string, string: a module's field
  RL_MSG_JOINED,   // number of a function, a byte: the same variable as its upvalue
} rl_msg_tag;

enum { RL_MSG_DEPTH = 2000, RL_MSG_VARINT_MAX = 10, RL_MSG_UPVALUES = 255 };

typedef struct rl_msg_reader {
  const char *at, *end;
} rl_msg_reader;

static inline char *rl_msg_put_varint(char *out, uint64_t v) {
  for (; v >= 0x80; v >>= 7) *out++ = (char)(v | 0x80);
  *out++ = (char)v;
  return out;
}

static inline uint64_t rl_msg_zigzag(int64_t v) {
  return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}
static inline int64_t rl_msg_unzigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

// These read what has been checked, or was written by this process.
static inline uint64_t rl_msg_varint(rl_msg_reader *r) {
  uint64_t v = 0;
  for (int shift = 0;; shift += 7) {
    unsigned char c = (unsigned char)*r->at++;
    v |= (uint64_t)(c & 0x7f) << shift;
    if (c < 0x80) return v;
  }
}

static inline uint32_t rl_msg_u32(rl_msg_reader *r) {
  uint32_t v;
  memcpy(&v, r->at, sizeof v);
  r->at += sizeof v;
  return v;
}

static inline const char *rl_msg_string(rl_msg_reader *r, size_t *size) {
  *size = (size_t)rl_msg_varint(r);
  const char *s = r->at;
  r->at += *size;
  return s;
}

// True if the bytes are exactly `count` well-formed values, without things beside them, and without
// functions unless `functions`. Allocates nothing; memory that the values claim is bounded by a
// small multiple of `size`.
bool rl_msg_check(const char *bytes, size_t size, uint32_t count, bool functions);

#endif
