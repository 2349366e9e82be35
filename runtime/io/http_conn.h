// The server's side of an HTTP/1 connection on any stream: heads and bodies inward, answers
// outward, deadlines, draining. It serves one exchange after the other; what answers is above.
// Loop thread only.
//
// A connection that waits for a request needs no task. When something has come, it takes its turn:
// it joins server->ready, and a spare worker, a task parked in server->parked, is called.
#ifndef RL_IO_HTTP_CONN_H
#define RL_IO_HTTP_CONN_H

#include "runtime/core/lot.h"
#include "runtime/core/scope.h"
#include "runtime/core/task.h"
#include "runtime/io/stream.h"
#include "runtime/wire/http1.h"
#include "runtime/wire/http1_put.h"

enum {
  RL_HTTP_FIELDS_MAX = 256,
  RL_HTTP_OUT_HIGH = 64 * 1024,   // answers held back before they are sent
  RL_HTTP_SKIP_MAX = 256 * 1024,  // bytes of a body nobody read that are worth reading away
  RL_HTTP_DATE_LINE = 6 + RL_HTTP_DATE_LEN + 2,
};

typedef struct rl_http_limits {
  rl_http1_limits head;
  uint64_t body;        // bytes of one body
  uint64_t head_time;   // ns: from its first byte, or the connection's start, to a whole head
  uint64_t idle_time;   // between exchanges
  uint64_t body_time;   // between pieces of a body that is waited for
  uint64_t write_time;  // without progress of what is being sent
  uint64_t gone_time;   // that a handler has when the client has sent its end
} rl_http_limits;

typedef struct rl_http_server {
  rl_loop *loop;
  rl_http_limits limits;
  rl_list conns;
  rl_list unflushed;  // connections with answers to send before the next poll
  rl_list ready;      // connections for which something has come, in its order
  rl_lot parked;      // workers with nothing to do
  uint32_t spare;     // these, and those on their way to `ready`
  bool called;        // one of `parked` was woken and has not run yet
  rl_buf out;         // a buffer for the next who answers
  rl_chore chore;     // flushes
  int64_t date_second;
  char date[RL_HTTP_DATE_LINE];
  bool draining, closed;
  uint32_t refs;
  uint64_t accepted, requests, refused, timeouts, bytes_in, bytes_out;
  uint64_t answers[6];  // by the status's first digit
} rl_http_server;

// NULL: memory is out. The caller owns one reference.
rl_http_server *rl_http_server_new(rl_loop *loop, const rl_http_limits *limits);
void rl_http_server_unref(rl_http_server *server);
// Connections end after what they are answering; idle ones at once.
void rl_http_server_drain(rl_http_server *server);
// No connection will be made; drains.
void rl_http_server_close(rl_http_server *server);
// A spare worker is called if one is parked. Wakes all once nothing is left to do for ever.
void rl_http_server_call(rl_http_server *server);
bool rl_http_server_over(const rl_http_server *server);
// The line of the Date field now, RL_HTTP_DATE_LINE bytes.
const char *rl_http_server_date(rl_http_server *server);

typedef enum {
  RL_HTTP_NO_PHASE,
  RL_HTTP_IDLE,
  RL_HTTP_HEAD,
  RL_HTTP_BODY,
  RL_HTTP_WRITE,
  RL_HTTP_GONE,  // the client has sent its end while a handler runs
} rl_http_phase;

typedef struct rl_http_body rl_http_body;

typedef struct rl_http_conn {
  rl_http_server *server;
  rl_stream *stream;
  rl_stream_above above;
  rl_link link;       // in server->conns
  rl_link unflushed;  // in server->unflushed
  rl_link turn;       // in server->ready
  rl_op op;           // the wait for bytes of a head, or of what is read away
  rl_task *task;      // that serves it, or NULL,
  rl_scope *scope;    // and where it does: cancelled when the client is gone
  rl_timer timer;
  uint64_t armed;  // when the timer fires
  uint64_t due;    // when the phase must be over
  rl_buf out;      // answers not sent yet
  rl_http1_scan scan;
  rl_http1_head head;  // of the request being served
  rl_http1_chunks chunks;
  rl_http_body *body;  // its body as a stream, once asked for
  uint64_t body_left, body_size;
  uint8_t phase;      // rl_http_phase
  bool serving;       // a handler runs
  bool body_done;     // the body's end has been read
  bool body_bad;      // it will never be
  bool continue_due;  // the client waits for 100
  bool last;          // no exchange follows
  bool taken;         // the stream belongs to somebody else
  bool registered;
  bool fresh;    // no head has come yet
  bool expired;  // its time was over while it rested
  bool flushing;
  bool lost;       // the client takes no more
  bool committed;  // a part of the answer may be on its way
  size_t mark;     // bytes of `out` before the answer, while it is being put there
} rl_http_conn;

// The stream must be open; the caller keeps it, and closes it. rl_http_conn_fini may follow at
// once.
int rl_http_conn_init(rl_http_conn *c, rl_http_server *server, rl_stream *stream);
void rl_http_conn_fini(rl_http_conn *c);

// Parses the next head at the front of c->stream->in; as rl_http1_parse_request.
int rl_http_conn_parse(rl_http_conn *c, rl_http1_field *fields);
// Waits for more of a head without a task. Its turn comes with bytes, the end, or the deadline.
void rl_http_conn_rest(rl_http_conn *c);
void rl_http_conn_turn(rl_http_conn *c);
// Begins to wait for the same on c->op. Its status: 0, RL_TIMEOUT, RL_CLOSED (draining).
void rl_http_conn_wait(rl_http_conn *c);
// True: the client's side has ended and all of it has been parsed.
static inline bool rl_http_conn_ended(const rl_http_conn *c) { return c->stream->in_status < 0; }

// The head of `size` bytes was accepted: takes it off the stream; its body follows.
void rl_http_conn_start(rl_http_conn *c, size_t size);
// What is left of the body is so little that it will be read away, if nobody reads it.
bool rl_http_conn_will_skip(const rl_http_conn *c);
// The exchange is over. RL_HTTP_READY with the body read away; 0: wait on c->op and call it again;
// negative: what follows cannot be read.
enum { RL_HTTP_READY = 1 };
int rl_http_conn_finish(rl_http_conn *c);

// The body as a stream, made at the first need; NULL when memory is out. The caller gets a
// reference of its own.
rl_stream *rl_http_conn_body(rl_http_conn *c);

// Sends what c->out holds. 0: all was taken; 1: not all, wait with rl_http_conn_wait_out; negative:
// the stream's error.
int rl_http_conn_flush(rl_http_conn *c);
// Begins to wait on c->stream->writer until no more than `mark` bytes are unsent.
void rl_http_conn_wait_out(rl_http_conn *c, size_t mark);
void rl_http_conn_wrote(rl_http_conn *c);  // the wait is over
// c->out will be sent before the next poll, if nobody has by then.
void rl_http_conn_flush_later(rl_http_conn *c);

void rl_http_conn_phase(rl_http_conn *c, rl_http_phase phase, uint64_t time);

#endif
