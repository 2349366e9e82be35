// Plays the server's side of a byte stream against the HTTP/1 parser and writes down what each
// message came to.
#ifndef RL_TESTS_UNIT_HTTP1_REPLAY_H
#define RL_TESTS_UNIT_HTTP1_REPLAY_H

#include "runtime/wire/http1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPLAY_FIELDS = 128, REPLAY_OUT = 4096 };

typedef struct replay {
  char out[REPLAY_OUT];
  bool over;  // refused, closed, or it would become HTTP/2
  bool in_body;
  bool last;      // this message closes the connection
  uint64_t body;  // bytes of it so far
  uint64_t left;
  bool chunked;
  rl_http1_chunks chunks;
  rl_http1_scan scan;
} replay;

static inline void replay_note(replay *r, const char *what, unsigned long long n) {
  size_t at = strlen(r->out);
  snprintf(r->out + at, REPLAY_OUT - at, "%s%s%llu", at ? " " : "", what, n);
}

static inline void replay_refuse(replay *r, int status) {
  replay_note(r, "", (unsigned)-status);
  r->over = true;
}

static inline void replay_served(replay *r) {
  replay_note(r, "ok:", r->body);
  r->over = r->last;
  r->in_body = false;
}

static inline size_t replay_head(replay *r, const char *data, size_t len) {
  static const rl_http1_limits limits = {.line = 8192, .head = 32768, .fields = REPLAY_FIELDS};
  rl_http1_head head;
  rl_http1_field fields[REPLAY_FIELDS];
  int got = rl_http1_parse_request(data, len, &r->scan, &limits, &head, fields);
  if (got == RL_HTTP1_MORE) return 0;
  if (got == RL_HTTP1_PREFACE) got = -505;
  if (got < 0) {
    replay_refuse(r, got);
    return 0;
  }
  r->scan = (rl_http1_scan){0};
  r->chunks = (rl_http1_chunks){0};
  r->body = 0;
  r->last = !head.keep_alive;
  r->chunked = head.framing == RL_HTTP1_CHUNKED;
  r->left = head.framing == RL_HTTP1_LENGTH ? head.length : 0;
  r->in_body = head.framing != RL_HTTP1_NO_BODY;
  if (!r->in_body) replay_served(r);
  return (size_t)got;
}

static inline size_t replay_body(replay *r, const char *data, size_t len) {
  if (!r->chunked) {
    size_t n = len < r->left ? len : (size_t)r->left;
    r->left -= n;
    r->body += n;
    if (r->left == 0) replay_served(r);
    return n;
  }
  size_t used, at, size;
  int got = rl_http1_chunks_next(&r->chunks, data, len, &used, &at, &size);
  if (got < 0) {
    replay_refuse(r, got);
    return 0;
  }
  r->body += size;
  if (got == 1) replay_served(r);
  return used;
}

// Feeds `len` bytes, `step` at a time, each piece in memory of its very size. Returns the outcomes.
static inline const char *replay_run(replay *r, const char *data, size_t len, size_t step) {
  memset(r, 0, sizeof *r);
  size_t done = 0, have = 0;
  while (!r->over && have < len) {
    have = len - have < step ? len : have + step;
    size_t used;
    do {
      char *exact = malloc(have - done + 1);
      memcpy(exact, data + done, have - done);
      used = r->in_body ? replay_body(r, exact, have - done) : replay_head(r, exact, have - done);
      free(exact);
      done += used;
    } while (used && done < have && !r->over);
  }
  if (!r->over && (r->in_body || done < len)) {
    size_t at = strlen(r->out);
    snprintf(r->out + at, REPLAY_OUT - at, "%smore", at ? " " : "");
  }
  return r->out;
}

#endif
