// HTTP/1 heads and chunked bodies, by RFC 9110 and RFC 9112, strict: a message has one length or is
// refused. Nothing is copied: results are offsets into the caller's bytes.
#ifndef RL_WIRE_HTTP1_H
#define RL_WIRE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RL_HTTP1_HEAD_MAX = 65535 };  // offsets are 16 bits wide

typedef struct rl_http1_field {
  uint16_t name, name_len;
  uint16_t value, value_len;  // without the white space around it
} rl_http1_field;

typedef enum {
  RL_HTTP1_NO_BODY,
  RL_HTTP1_LENGTH,  // `length` bytes follow
  RL_HTTP1_CHUNKED,
  RL_HTTP1_TO_THE_END,  // responses only: until the peer closes
} rl_http1_framing;

typedef struct rl_http1_limits {
  uint32_t line;    // bytes of the first line
  uint32_t head;    // bytes of the whole head, at most RL_HTTP1_HEAD_MAX
  uint32_t fields;  // field lines; the caller's array has room for as many
} rl_http1_limits;

typedef struct rl_http1_head {
  uint16_t method, method_len;  // requests
  uint16_t target, target_len;
  uint16_t status;  // responses
  uint16_t reason, reason_len;
  uint16_t field_count;
  int16_t host;        // index of the Host field, or -1
  int16_t upgrade;     // index of the Upgrade field, or -1
  uint8_t minor;       // of HTTP/1.minor, 0 or 1
  uint8_t framing;     // rl_http1_framing
  bool keep_alive;     // the connection may serve another message
  bool wants_upgrade;  // Connection: upgrade, and an Upgrade field
  bool expects_continue;
  uint64_t length;
} rl_http1_head;

// What has been seen of a head that is not whole yet; zeroed before each head.
typedef struct rl_http1_scan {
  size_t seen;        // bytes known to hold no end of the head
  size_t line_start;  // of the line that `seen` is in
  uint32_t lines;     // ended so far
} rl_http1_scan;

enum { RL_HTTP1_MORE = 0, RL_HTTP1_PREFACE = -1 };  // of HTTP/2, with prior knowledge

// Parses a request head at the start of `data`. The count of its bytes; RL_HTTP1_MORE;
// RL_HTTP1_PREFACE; or the negated status to refuse it with (-400, -414, -417, -431, -501, -505).
int rl_http1_parse_request(const char *data, size_t len, rl_http1_scan *scan,
                           const rl_http1_limits *limits, rl_http1_head *head,
                           rl_http1_field *fields);

// The same for a response; `method` is the request's, as its length depends on it.
// -400: malformed; -431: too long.
int rl_http1_parse_response(const char *data, size_t len, rl_http1_scan *scan,
                            const rl_http1_limits *limits, const char *method, rl_http1_head *head,
                            rl_http1_field *fields);

// A chunked body, decoded piece by piece. Zeroed before each body.
typedef struct rl_http1_chunks {
  uint64_t left;      // of the chunk's data
  uint32_t overhead;  // bytes of extensions and trailers so far
  uint8_t state;
  uint8_t digits;
} rl_http1_chunks;

enum { RL_HTTP1_OVERHEAD_MAX = 16384 };

// Reads on in `data`: `*used` bytes are done with, of which the body's are `*at` .. `*at + *size`
// (none if `*size` is 0). 1: the body's end; 0: call again with what follows; -400: malformed.
int rl_http1_chunks_next(rl_http1_chunks *c, const char *data, size_t len, size_t *used, size_t *at,
                         size_t *size);

// What may be sent as a field: a token; a value without control characters.
bool rl_http1_is_token(const char *s, size_t len);
bool rl_http1_is_value(const char *s, size_t len);
bool rl_http1_is_host(const char *s, size_t len);
// True if the comma-separated list in `s` holds `token`, a lower-case word.
bool rl_http1_list_has(const char *s, size_t len, const char *token);
// ASCII case-insensitive equality with a lower-case word.
bool rl_http1_same(const char *s, size_t len, const char *lower);

#endif
