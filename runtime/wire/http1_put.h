// What a response head is made of.
#ifndef RL_WIRE_HTTP1_PUT_H
#define RL_WIRE_HTTP1_PUT_H

#include "runtime/base/buf.h"

#include <stdint.h>

enum { RL_HTTP_DATE_LEN = 29 };

// The phrase of a status ("Not Found"), or "Status" where it has none.
const char *rl_http_reason(int status);
// "Sun, 06 Nov 1994 08:49:37 GMT" of seconds since 1970, without an end mark.
void rl_http_date(char out[RL_HTTP_DATE_LEN], int64_t seconds);
// The seconds of a date in one of the three forms of RFC 9110, 5.6.7, or -1.
int64_t rl_http_read_date(const char *s, size_t len);

// "HTTP/1.1 200 OK\r\n". False, here and below: memory is out.
bool rl_http1_put_status(rl_buf *out, int status);
// "Name: value\r\n"; the caller has checked both.
bool rl_http1_put_field(rl_buf *out, const char *name, size_t name_len, const char *value,
                        size_t len);
bool rl_http1_put_length(rl_buf *out, uint64_t length);
// The size line of a chunk.
bool rl_http1_put_chunk(rl_buf *out, size_t size);

#endif
