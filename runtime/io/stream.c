// What all streams share: the two buffers' accounts, and waking the reader and the writer.
#include "runtime/io/stream.h"

#include "runtime/core/task.h"

#include <string.h>

enum { COPY_BELOW = 2048 };  // a read this small is copied, so that it does not hold a whole chunk

static rl_stop stop_reading(rl_op *op) {
  (void)op;
  return RL_STOP_NOW;
}

static rl_stop stop_writing(rl_op *op) {
  rl_stream *s = rl_container_of(op, rl_stream, writer);
  if (s->partial && s->out_status == 0) s->out_status = RL_BROKEN;
  return RL_STOP_NOW;
}

static const rl_op_kind read_kind = {"stream:read", stop_reading, NULL, RL_HOLD_REAL};
static const rl_op_kind write_kind = {"stream:write", stop_writing, NULL, RL_HOLD_REAL};

void rl_stream_init(rl_stream *s, const rl_stream_kind *kind, rl_loop *loop) {
  memset(s, 0, sizeof *s);
  s->kind = kind;
  s->loop = loop;
  s->refs = 2;
  s->place = loop->place ? loop->place(loop) : 0;
  rl_buf_init(&s->in);
  rl_op_init(&s->reader, &read_kind);
  rl_op_init(&s->writer, &write_kind);
}

void rl_stream_ref(rl_stream *s) { s->refs++; }

static bool is_block(size_t size) { return size == RL_BLOCK_SMALL || size == RL_BLOCK_LARGE; }

static void release_in(rl_stream *s) {
  if (is_block(s->in.cap)) {
    rl_slab_free(&s->loop->slab, s->in.data, s->in.cap);
    rl_buf_init(&s->in);
  } else {
    rl_buf_fini(&s->in);
  }
}

void rl_stream_unref(rl_stream *s) {
  RL_CHECK(s->refs > 0);
  if (--s->refs) return;
  rl_buf_fini(&s->in);  // the loop, and its slab, may be gone
  s->kind->free(s);
}

static void wake_reader(rl_stream *s) {
  if (s->above) {
    s->above->in(s->above);
  } else if (rl_op_pending(&s->reader) && (rl_stream_len(s) >= s->want || s->in_status)) {
    rl_op_finish(&s->reader, 0);
  }
}

static void wake_writer(rl_stream *s) {
  if (s->above) s->above->out(s->above);
  if (!rl_op_pending(&s->writer)) return;
  if (s->finishing ? s->finished : s->unsent <= s->mark || s->out_status < 0) {
    rl_op_finish(&s->writer, s->out_status == RL_CLOSED ? 0 : s->out_status);
  }
}

void rl_stream_arrived(rl_stream *s) { wake_reader(s); }

void rl_stream_ended(rl_stream *s, int status) {
  if (s->in_status == 0) s->in_status = status;
  wake_reader(s);
}

// Half-closes once nothing is unsent.
static void try_finish(rl_stream *s) {
  if (!s->finishing || s->finished || s->unsent > 0) return;
  if (s->out_status == RL_CLOSED) return;  // under way
  if (s->out_status < 0 || !s->kind->finish) {
    rl_stream_finished(s, s->out_status);
  } else {
    s->out_status = RL_CLOSED;
    s->kind->finish(s);
  }
}

void rl_stream_sent(rl_stream *s, size_t n) {
  RL_CHECK(n <= s->unsent);
  s->unsent -= n;
  try_finish(s);
  wake_writer(s);
}

void rl_stream_out_failed(rl_stream *s, int status) {
  if (s->out_status == 0 || s->out_status == RL_CLOSED) s->out_status = status;
  s->unsent = 0;
  if (s->finishing) s->finished = true;
  wake_writer(s);
}

void rl_stream_finished(rl_stream *s, int status) {
  s->finished = true;
  s->out_status = status < 0 ? status : RL_CLOSED;
  wake_writer(s);
}

enum { AROUND = RL_BLOCK_HEAD + RL_BLOCK_TAIL };

uv_buf_t rl_stream_chunk(rl_stream *s) {
  unsigned size = s->bulk ? RL_BLOCK_LARGE : RL_BLOCK_SMALL;
  char *block = rl_slab_alloc(&s->loop->slab, size);
  return block ? uv_buf_init(block + RL_BLOCK_HEAD, size - AROUND) : uv_buf_init(NULL, 0);
}

void rl_stream_took(rl_stream *s, uv_buf_t chunk, size_t n) {
  if (!chunk.base) return;
  char *block = chunk.base - RL_BLOCK_HEAD;
  size_t size = chunk.len + AROUND;
  if (n > 0) s->bulk = n == chunk.len || n > RL_BLOCK_SMALL;
  if (n >= COPY_BELOW && s->in.head == s->in.tail) {
    release_in(s);
    s->in = (rl_buf){.data = block, .head = RL_BLOCK_HEAD, .tail = RL_BLOCK_HEAD + n, .cap = size};
    return;
  }
  bool kept = n == 0 || rl_buf_put(&s->in, chunk.base, n);
  rl_slab_free(&s->loop->slab, block, size);
  if (!kept && s->in_status == 0) s->in_status = UV_ENOMEM;
}

bool rl_stream_full(rl_stream *s) {
  size_t high = RL_STREAM_IN_HIGH;
  if (rl_op_pending(&s->reader) && s->want > high) high = s->want;
  return s->paused = rl_stream_len(s) >= high;
}

static void consumed(rl_stream *s) {
  if (s->paused && rl_stream_len(s) < RL_STREAM_IN_LOW && !s->closed && s->in_status == 0) {
    s->paused = false;
    s->kind->pull(s);
  }
}

void rl_stream_consume(rl_stream *s, size_t n) {
  s->in.head += n;
  s->scanned = s->scanned > n ? s->scanned - (uint32_t)n : 0;
  if (s->in.head == s->in.tail) release_in(s);
  consumed(s);
}

char *rl_stream_take_block(rl_stream *s) {
  if (!is_block(s->in.cap) || s->in.head != RL_BLOCK_HEAD) return NULL;
  char *block = s->in.data;
  rl_buf_init(&s->in);
  s->scanned = 0;
  consumed(s);
  return block;
}

void rl_stream_wait_in(rl_stream *s, size_t want, rl_task *task) {
  RL_CHECK(!rl_stream_reading(s));
  rl_op_init(&s->reader, &read_kind);
  rl_op_begin(&s->reader, task);
  size_t len = rl_stream_len(s);
  s->want = want > len ? want : len + 1;
  s->paused = false;
  if (s->closed) {
    rl_op_finish(&s->reader, RL_CLOSED);
  } else if (s->in_status) {
    rl_op_finish(&s->reader, 0);
  } else {
    s->kind->pull(s);
  }
}

ssize_t rl_stream_send(rl_stream *s, const uv_buf_t *pieces, unsigned count) {
  if (s->closed || s->finishing) return RL_CLOSED;
  if (s->out_status < 0) return s->out_status;
  return s->kind->send(s, pieces, count);
}

ssize_t rl_stream_send_soon(rl_stream *s, const uv_buf_t *pieces, unsigned count) {
  if (s->closed || s->finishing) return RL_CLOSED;
  if (s->out_status < 0) return s->out_status;
  return (s->kind->send_soon ? s->kind->send_soon : s->kind->send)(s, pieces, count);
}

static void begin_writing(rl_stream *s, size_t mark, bool partial, rl_task *task) {
  RL_CHECK(!rl_stream_writing(s));
  rl_op_init(&s->writer, &write_kind);
  rl_op_begin(&s->writer, task);
  s->mark = mark;
  s->partial = partial;
}

void rl_stream_wait_out(rl_stream *s, size_t mark, bool partial, rl_task *task) {
  begin_writing(s, mark, partial, task);
  if (s->closed) {
    rl_op_finish(&s->writer, RL_CLOSED);
  } else if (s->out_status < 0 || s->unsent <= mark) {
    rl_op_finish(&s->writer, s->out_status);
  }
}

void rl_stream_wait_finish(rl_stream *s, rl_task *task) {
  begin_writing(s, 0, false, task);
  if (s->closed) {
    rl_op_finish(&s->writer, RL_CLOSED);
    return;
  }
  s->finishing = true;
  try_finish(s);
  if (s->finished && rl_op_pending(&s->writer)) wake_writer(s);
}

void rl_stream_close(rl_stream *s) {
  if (s->closed) return;
  s->closed = true;
  if (rl_op_pending(&s->reader)) rl_op_finish(&s->reader, RL_CLOSED);
  if (rl_op_pending(&s->writer)) rl_op_finish(&s->writer, RL_CLOSED);
  if (!rl_stream_reading(s)) release_in(s);
  if (s->in_status == 0) s->in_status = RL_CLOSED;
  if (s->above) s->above->in(s->above);
  s->kind->close(s);
}
