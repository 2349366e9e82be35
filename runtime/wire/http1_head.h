// What the heads of requests and responses share: field lines, and the meaning of those that frame
// a message.
#ifndef RL_WIRE_HTTP1_HEAD_H
#define RL_WIRE_HTTP1_HEAD_H

#include "runtime/wire/http1.h"

enum { RL_HTTP1_DONE = 1 };  // beside RL_HTTP1_MORE and negated statuses: a part was read whole

typedef struct rl_http1_reader {
  const char *base, *p, *end;
  const rl_http1_limits *limits;
  rl_http1_head *head;
  rl_http1_field *fields;
  uint8_t hosts, lengths, codings;  // counts of the fields that must not repeat
  bool close, keep;                 // options of Connection
  bool upgrade;
  bool chunked;
  int coding_error;  // the verdict on Transfer-Encoding, if it is not "chunked"
  bool bad_length;
  bool bad_host;
  bool bad_expect;
} rl_http1_reader;

// Reads field lines and the empty line after them.
int rl_http1_read_fields(rl_http1_reader *r);

// Looks at `len` bytes for the end of a head without parsing it, going on where `scan` stopped.
// RL_HTTP1_DONE: it is whole.
int rl_http1_find_end(const char *data, size_t len, rl_http1_scan *scan,
                      const rl_http1_limits *limits, int line_error);

#endif
