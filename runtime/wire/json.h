// JSON texts (RFC 8259) as a flat run of nodes in the order of the text. All errors come from here:
// whoever builds values from the nodes meets a text that is right.
#ifndef RL_WIRE_JSON_H
#define RL_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  RL_JSON_NULL,
  RL_JSON_FALSE,
  RL_JSON_TRUE,
  RL_JSON_INTEGER,
  RL_JSON_FLOAT,
  RL_JSON_STRING,  // `text`
  RL_JSON_DIGITS,  // `text`: a number that neither an integer nor a double holds
  RL_JSON_ARRAY,
  RL_JSON_OBJECT,
} rl_json_kind;

// A container is followed by its members; those of an object are a key, a string, and a value each.
typedef struct rl_json_node {
  uint64_t head;  // kind | size << 8; size: bytes of the text, or members of the container
  union {
    int64_t integer;
    double number;
    const char *text;
    struct {
      uint32_t left, parent;  // scratch for whoever walks the nodes
    } walk;
  } as;
} rl_json_node;

static inline rl_json_kind rl_json_kind_of(const rl_json_node *n) {
  return (rl_json_kind)(n->head & 0xff);
}
static inline size_t rl_json_size_of(const rl_json_node *n) { return (size_t)(n->head >> 8); }

typedef struct rl_json {
  rl_json_node *nodes;
  size_t count, cap;
  size_t keys;  // of all objects
  char *plain;  // the strings that had escapes, without them
  size_t plain_used, plain_cap;
  size_t empty;        // arrays without members
  uint32_t deepest;    // nesting
  const char *reason;  // of an error
  size_t at;           // its byte, from 0
} rl_json;

typedef struct rl_json_rules {
  uint32_t depth;  // containers in each other, at most
  bool lossless;   // numbers that would lose digits become RL_JSON_DIGITS
} rl_json_rules;

void rl_json_init(rl_json *j);
void rl_json_fini(rl_json *j);

// Reads one text. `text[length]` must be there and be 0. The nodes point into the text and into
// `plain`. 0, or RL_INVALID, RL_LIMIT or -ENOMEM, with reason and at.
int rl_json_parse(rl_json *j, const char *text, size_t length, const rl_json_rules *rules);

// Copies a string with its escapes, without quotes. `out` has room for 6 * `size` bytes. The
// length, or SIZE_MAX if it is no UTF-8: then *bad is the byte, from 0.
size_t rl_json_escape(char *out, const char *text, size_t size, size_t *bad);

// Finds where values end in a stream of texts that comes in pieces.
typedef struct rl_json_scan {
  uint32_t depth;
  bool in_string, escaped;
  bool in_scalar;  // a number or a word at the top: it ends before what cannot belong to it
  bool started;
} rl_json_scan;

// Scans on through `n` new bytes. True: the value ends before bytes[*used]. False: all were used.
bool rl_json_scan_on(rl_json_scan *s, const char *bytes, size_t n, size_t *used);

#endif
