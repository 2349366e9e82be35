// A stream: bytes that arrived and wait for the reader, bytes that were taken from the writer and
// wait to go. One mechanism for sockets, pipes, terminals, files and filters such as TLS; a kind
// supplies what differs. Loop thread only.
//
// Inward. Who needs bytes asks with rl_stream_wait_in; the kind's `pull` starts the delivery, and
// the kind then calls rl_stream_arrived or rl_stream_ended. Bytes belong to the stream: a reader
// that is cancelled takes none away. Outward. rl_stream_send takes what there is room for; the kind
// reports with rl_stream_sent. Waiting is for room.
#ifndef RL_IO_STREAM_H
#define RL_IO_STREAM_H

#include "runtime/base/buf.h"
#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/core/loop.h"
#include "runtime/io/claim.h"

#include <sys/types.h>

enum {
  RL_STREAM_IN_HIGH = 256 * 1024,  // above it a kind stops delivering, unless the reader wants more
  RL_STREAM_IN_LOW = 64 * 1024,    // below it delivery goes on
  RL_STREAM_OUT_HIGH = 64 * 1024,  // unsent bytes a kind keeps before `send` takes no more
  RL_STREAM_OUT_LOW = 16 * 1024,   // a writer that was stopped goes on below it
  RL_STREAM_OUT_ADDED = 2 * 1024,  // what a filter may add to the bytes of its writer
};

// A block to read into has room around the bytes for what makes a Lua string of them where they lie
// (lua/bind/gift.h). A stream that fills small blocks gets large ones.
enum {
  RL_BLOCK_HEAD = 24,
  RL_BLOCK_TAIL = 1,
  RL_BLOCK_SMALL = 18 * 1024,  // for messages and TLS records of 16 KiB, with room to spare
  RL_BLOCK_LARGE = 72 * 1024,  // for a full pipe, and for four records
};

typedef struct rl_stream rl_stream;

typedef struct rl_stream_kind {
  const char *name;     // "tcp": in reports
  const char *subject;  // which field of an error names it: "address", "path", or NULL
  // Bytes are wanted in `in`: starts or keeps up the delivery; may deliver before it returns.
  // Called again and again.
  void (*pull)(rl_stream *);
  // Takes up to all bytes of `pieces`, at once or by keeping a copy (adding to `unsent`). The count
  // taken (0: no room; rl_stream_sent will be called), or a negative error.
  ssize_t (*send)(rl_stream *, const uv_buf_t *pieces, unsigned count);
  // The same, but what it takes may wait for the next poll, so that it leaves with what follows.
  // NULL: as `send`.
  ssize_t (*send_soon)(rl_stream *, const uv_buf_t *pieces, unsigned count);
  // Half-close. Nothing is unsent. rl_stream_finished follows, perhaps before it returns. NULL:
  // nothing to do.
  void (*finish)(rl_stream *);
  // Starts closing, once; drops the open stream's reference (rl_stream_unref) when the last
  // callback has come.
  void (*close)(rl_stream *);
  // The last reference is gone: frees the kind's struct. The base has been emptied.
  void (*free)(rl_stream *);
  // The peer or path as text, NUL-terminated; "" if unknown. NULL: unknown.
  void (*describe)(rl_stream *, char *text, size_t size);
  // What a status means to this kind, as a sentence; NULL (also in place of the function): the
  // usual.
  const char *(*explain)(rl_stream *, int status);
} rl_stream_kind;

// What stands on top of a stream instead of a task: a filter. Both may be called from inside send
// and pull.
typedef struct rl_stream_above {
  void (*in)(struct rl_stream_above *);   // bytes arrived, or the end
  void (*out)(struct rl_stream_above *);  // bytes went, or cannot
} rl_stream_above;

struct rl_stream {
  const rl_stream_kind *kind;
  rl_loop *loop;
  rl_stream_above *above;  // the filter that owns it, or NULL
  rl_buf in;               // arrived; read at rl_buf_head, then rl_stream_consume
  rl_op reader, writer;    // what the one reading and the one writing task wait for
  size_t want;             // the reader sleeps until `in` holds as many
  uint32_t scanned;        // of `in`: bytes in which a delimiter was sought in vain
  uint32_t unsent;         // taken and not gone
  uint32_t mark;           // the writer sleeps until `unsent` is down to it
  int in_status;           // 0: more may come; UV_EOF or an error: after `in` nothing more
  int out_status;          // 0: open; an error, RL_BROKEN (poisoned), RL_CLOSED (shut down)
  uint32_t refs;
  int place;           // where it was opened, if loop->place is set
  bool closed : 1;     // rl_stream_close was called
  bool partial : 1;    // the writer waits with a part of its bytes taken: a cancel poisons
  bool finishing : 1;  // shutdown was asked for
  bool finished : 1;
  bool paused : 1;  // delivery stopped because `in` was full
  bool bulk : 1;    // reads have filled small blocks
};

// For kinds. One reference for the open stream (see `close`), one for the caller.
void rl_stream_init(rl_stream *s, const rl_stream_kind *kind, rl_loop *loop);
void rl_stream_arrived(rl_stream *s);            // `in` has grown
void rl_stream_ended(rl_stream *s, int status);  // UV_EOF or an error; the first one stays
void rl_stream_sent(rl_stream *s, size_t n);     // n of `unsent` went
void rl_stream_out_failed(rl_stream *s, int status);
void rl_stream_finished(rl_stream *s, int status);
// One read: the inside of a block to read into (base NULL when memory is out), and later the same
// with the count of bytes in it (0: none). The stream takes the block over, or copies a few bytes
// and gives it back. The two calls may be ticks apart.
uv_buf_t rl_stream_chunk(rl_stream *s);
void rl_stream_took(rl_stream *s, uv_buf_t chunk, size_t n);
// True: `in` is full enough, and the kind stops delivering until the next pull. Asked by the kind
// after each delivery.
bool rl_stream_full(rl_stream *s);

void rl_stream_ref(rl_stream *s);
void rl_stream_unref(rl_stream *s);

// Takes n bytes out of `in`; delivery goes on if it had stopped.
void rl_stream_consume(rl_stream *s, size_t n);
static inline size_t rl_stream_len(const rl_stream *s) { return rl_buf_len(&s->in); }
// The block whose bytes, all unread, are all that has arrived; the stream forgets it, and
// rl_stream_consume is not called for them. NULL: it is otherwise.
char *rl_stream_take_block(rl_stream *s);
// True: another task reads (writes), perhaps woken and not yet run.
static inline bool rl_stream_reading(const rl_stream *s) { return rl_op_claimed(&s->reader); }
static inline bool rl_stream_writing(const rl_stream *s) { return rl_op_claimed(&s->writer); }

// Begins to wait until `in` holds `want` bytes (at least one more than now) or has ended. s->reader
// may be DONE on return. Nobody is reading. When the wait is over, rl_stream_read_done gives the
// claim back. Cancelling loses nothing.
void rl_stream_wait_in(rl_stream *s, size_t want, struct rl_task *task);
static inline void rl_stream_read_done(rl_stream *s, const struct rl_task *task) {
  rl_op_unclaim(&s->reader, task);
}

// How many bytes more a kind may keep.
static inline size_t rl_stream_room(const rl_stream *s) {
  size_t high = RL_STREAM_OUT_HIGH + (s->above ? RL_STREAM_OUT_ADDED : 0);
  return s->unsent < high ? high - s->unsent : 0;
}

// Takes what it can of `pieces`: 0 or more, or a negative error (the stream's out_status).
ssize_t rl_stream_send(rl_stream *s, const uv_buf_t *pieces, unsigned count);
// For one of several messages that are likely to be sent before the next poll.
ssize_t rl_stream_send_soon(rl_stream *s, const uv_buf_t *pieces, unsigned count);
// Begins to wait until no more than `mark` bytes are unsent, or the write side failed. `partial`:
// see above.
void rl_stream_wait_out(rl_stream *s, size_t mark, bool partial, struct rl_task *task);
static inline void rl_stream_write_done(rl_stream *s, const struct rl_task *task) {
  rl_op_unclaim(&s->writer, task);
}
// Begins the half-close: what is unsent goes first. Waits as a writer does; cancelled, it goes on
// alone.
void rl_stream_wait_finish(rl_stream *s, struct rl_task *task);

// Closes once. Who waits is woken with RL_CLOSED. Unsent bytes still go, for a while. Does not
// wait, and does not free: the caller keeps its reference.
void rl_stream_close(rl_stream *s);

#endif
