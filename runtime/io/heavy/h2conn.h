// The server's side of an HTTP/2 connection, by nghttp2, on any stream. Requests are taken off a
// queue; each has a body to read and an answer to write. Loop thread only.
#ifndef RL_IO_HEAVY_H2CONN_H
#define RL_IO_HEAVY_H2CONN_H

#include "runtime/io/stream.h"
#include "runtime/wire/http1.h"
#include "runtime/wire/http1_put.h"

#include <nghttp2/nghttp2.h>

enum {
  RL_H2_STREAMS_MAX = 100,    // open at once
  RL_H2_WINDOW = 256 * 1024,  // of a stream
  RL_H2_CONN_WINDOW = 1024 * 1024,
  RL_H2_FRAMES_BURST = 1000,  // frames that carry nothing: so many at once,
  RL_H2_FRAMES_RATE = 200,    // and so many a second
  RL_H2_OUT_MIN = 1024,       // bytes of an answer that are held while its windows are shut,
  RL_H2_OUT_MAX = 64 * 1024,  // and open
};

typedef struct rl_h2_limits {
  uint32_t head, fields;
  uint64_t body, head_time, idle_time, body_time, write_time;
} rl_h2_limits;

typedef struct rl_h2conn rl_h2conn;

// One request and its answer.
typedef struct rl_h2stream {
  rl_stream s;      // first: the request's body
  rl_h2conn *conn;  // NULL: the connection is over, or the stream is
  rl_link link;     // in conn->streams
  rl_link queued;   // in conn->queue
  int32_t id;
  rl_buf bytes;  // of its head: method, target, names and values
  rl_http1_head head;
  rl_http1_field *fields;
  uint32_t room;  // of `fields`
  uint32_t list_size;
  rl_buf out;              // of the answer's body
  rl_op writer;            // the wait for room in `out`
  struct rl_scope *scope;  // where it is answered: cancelled when the client gives it up, or NULL
  uint64_t received, acknowledged;
  uint64_t moved;  // when it got on last, or began to wait
  bool head_over, too_large, malformed, has_target, has_method, end_seen;
  bool out_over, deferred, answered, has_body, taken;
} rl_h2stream;

struct rl_h2conn {
  rl_stream *stream;
  rl_stream_above above;
  rl_loop *loop;
  nghttp2_session *session;
  rl_h2_limits limits;
  rl_list streams, queue;
  rl_op op;  // the wait for a request
  rl_timer timer;
  rl_chore chore;                  // pumps, for the answers of one turn together
  uint64_t due;                    // of the timer
  uint64_t touched;                // when bytes came or went last
  uint64_t sent;                   // when bytes went last, or the stream took all there was
  uint64_t refilled;               // when `credit` was
  uint32_t credit;                 // frames that carry nothing, still allowed
  rl_buf pending;                  // bytes that the stream had no room for
  int32_t last_id;                 // highest stream
  int32_t passed_from, passed_to;  // streams between them were passed over
  bool busy, over, draining;
  int64_t date_second;
  char date[RL_HTTP_DATE_LEN];
};

int rl_h2conn_init(rl_h2conn *c, rl_stream *stream, const rl_h2_limits *limits);
void rl_h2conn_fini(rl_h2conn *c);
// The next request, whose reference for the open stream is the caller's; NULL: none yet, or
// c->over.
rl_h2stream *rl_h2conn_take(rl_h2conn *c);
void rl_h2conn_wait(rl_h2conn *c, struct rl_task *task);
// No further requests; the connection is over when the open ones are.
void rl_h2conn_drain(rl_h2conn *c);

// RL_HTTP_DATE_LEN bytes: now.
const char *rl_h2conn_date(rl_h2conn *c);

// One field of the head. False: it is so large that the stream ends.
bool rl_h2stream_field(rl_h2stream *s, const uint8_t *name, size_t name_len, const uint8_t *value,
                       size_t len);

// The answer's head; `body`: pieces follow, ended by rl_h2stream_feed's `over`.
int rl_h2stream_respond(rl_h2stream *s, const nghttp2_nv *fields, size_t count, bool body);
// Negative: the stream is gone, or memory is out.
int rl_h2stream_feed(rl_h2stream *s, const char *data, size_t size, bool over);
// Bytes worth feeding now; 0: wait.
size_t rl_h2stream_room(const rl_h2stream *s);
void rl_h2stream_wait_room(rl_h2stream *s, struct rl_task *task);
void rl_h2stream_reset(rl_h2stream *s, uint32_t code);

#endif
