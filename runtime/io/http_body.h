// The body of a request as a stream of its own, fed from the connection's.
#ifndef RL_IO_HTTP_BODY_H
#define RL_IO_HTTP_BODY_H

#include "runtime/io/http_conn.h"

struct rl_http_body {
  rl_stream s;         // first
  rl_http_conn *conn;  // NULL once the exchange is over
};

rl_http_body *rl_http_body_new(rl_http_conn *c);
// Says 100 to a client that waits for it, unless an answer has begun.
void rl_http_body_invite(rl_http_conn *c);
// Moves what has arrived into the body's stream.
void rl_http_body_move(rl_http_body *b);
// The exchange is over: reading more fails.
void rl_http_body_detach(rl_http_body *b);
// Takes one piece of the body off the connection's stream: its bytes, until the stream is consumed.
// 1: the end; 0: *size bytes (0: more must arrive); negative: RL_INVALID, RL_LIMIT, or the
// stream's.
int rl_http_body_piece(rl_http_conn *c, const char **data, size_t *size, size_t *used);

#endif
