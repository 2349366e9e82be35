// Open files.
#include "runtime/io/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void go_on(rl_file *f);

// --- reading

enum { READ_AT_ONCE = 64 * 1024 };  // whole pages

static void read_on_pool(uv_work_t *job) {
  rl_file *f = job->data;
  size_t most = f->chunk.len < READ_AT_ONCE ? f->chunk.len : READ_AT_ONCE;
  do {
    f->got =
        f->seekable ? pread(f->fd, f->chunk.base, most, f->at) : read(f->fd, f->chunk.base, most);
  } while (f->got < 0 && errno == EINTR);
  if (f->got < 0) f->got = -errno;
}

static void on_read(uv_work_t *job, int status) {
  rl_file *f = job->data;
  rl_stream *s = &f->s;
  s->loop->handles--;
  f->reading = false;
  ssize_t got = status < 0 ? status : f->got;
  if (f->stale || s->closed) got = 0;
  rl_stream_took(s, f->chunk, got > 0 ? (size_t)got : 0);
  if (got > 0) {
    f->at += got;
    rl_stream_arrived(s);
  } else if (!f->stale && !s->closed) {
    rl_stream_ended(s, got == 0 ? UV_EOF : (int)got);
  }
  f->stale = false;
  go_on(f);
}

// A read waits for what was written before it.
static void pull(rl_stream *s) {
  rl_file *f = rl_file_of(s);
  if (f->reading || f->writing || s->closed || s->in_status) return;
  f->chunk = rl_stream_chunk(s);
  if (!f->chunk.base) {
    rl_stream_ended(s, UV_ENOMEM);
    return;
  }
  f->reading = true;
  s->loop->handles++;
  RL_CHECK(uv_queue_work(s->loop->uv, &f->in_job, read_on_pool, on_read) == 0);
}

// --- writing

static void write_on_pool(uv_work_t *job) {
  rl_file *f = job->data;
  const char *data = rl_buf_head(&f->flight);
  size_t left = rl_buf_len(&f->flight);
  f->out_error = 0;
  for (int64_t at = f->flight_at; left > 0;) {
    ssize_t n = f->seekable ? pwrite(f->fd, data, left, at) : write(f->fd, data, left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      f->out_error = -errno;
      return;
    }
    data += n;
    at += n;
    left -= (size_t)n;
  }
}

static void on_written(uv_work_t *job, int status) {
  rl_file *f = job->data;
  rl_stream *s = &f->s;
  s->loop->handles--;
  f->writing = false;
  size_t n = rl_buf_len(&f->flight);
  rl_buf_clear(&f->flight);
  int err = status < 0 ? status : f->out_error;
  if (err < 0) {
    rl_buf_clear(&f->out);
    rl_stream_out_failed(s, err);
  } else {
    rl_stream_sent(s, n);
  }
  go_on(f);
}

static void start_writing(rl_file *f) {
  rl_buf empty = f->flight;
  f->flight = f->out;
  f->out = empty;
  f->flight_at = f->at - (int64_t)rl_buf_len(&f->flight);
  f->writing = f->written = true;
  f->s.loop->handles++;
  RL_CHECK(uv_queue_work(f->s.loop->uv, &f->out_job, write_on_pool, on_written) == 0);
}

// Bytes read ahead are given back: one position serves both directions, as in stdio.
static void drop_read_ahead(rl_file *f) {
  f->stale = f->reading;
  f->at = rl_file_tell(f);
  rl_stream_consume(&f->s, rl_stream_len(&f->s));
  if (f->s.in_status == UV_EOF) f->s.in_status = 0;
}

static ssize_t take(rl_stream *s, const uv_buf_t *pieces, unsigned count) {
  rl_file *f = rl_file_of(s);
  size_t taken = 0;
  if (rl_stream_len(s) || f->reading || s->in_status) drop_read_ahead(f);
  for (unsigned i = 0; i < count && rl_stream_room(s) > 0; i++) {
    size_t room = rl_stream_room(s);
    size_t n = pieces[i].len < room ? pieces[i].len : room;
    if (!rl_buf_put(&f->out, pieces[i].base, n)) return taken ? (ssize_t)taken : UV_ENOMEM;
    s->unsent += n;
    f->at += (int64_t)n;
    taken += n;
  }
  if (!f->writing && !f->reading && rl_buf_len(&f->out)) start_writing(f);
  return (ssize_t)taken;
}

// --- life

static void close_on_pool(uv_work_t *job) {
  rl_file *f = job->data;
  f->out_error = close(f->fd) < 0 && errno != EINTR ? -errno : 0;
}

static void finish_closing(rl_file *f, int status) {
  f->fd = -1;
  if (rl_op_pending(&f->closer)) rl_op_finish(&f->closer, status);
  rl_stream_unref(&f->s);
}

static void on_file_closed(uv_work_t *job, int status) {
  rl_file *f = job->data;
  f->s.loop->handles--;
  int lost = f->s.out_status < 0 && f->s.out_status != RL_CLOSED ? f->s.out_status : 0;
  finish_closing(f, lost < 0 ? lost : status < 0 ? status : f->out_error);
}

// What comes after a job: writing first, then the reader that waits, then closing.
static void go_on(rl_file *f) {
  rl_stream *s = &f->s;
  if (f->reading || f->writing) return;
  if (rl_buf_len(&f->out)) {
    start_writing(f);
  } else if (!s->closed) {
    if (rl_op_pending(&s->reader)) pull(s);
  } else if (!f->users && f->fd >= 0 && !f->closing) {
    f->closing = true;
    if (!f->written) {
      close(f->fd);
      finish_closing(f, 0);
      return;
    }
    s->loop->handles++;
    RL_CHECK(uv_queue_work(s->loop->uv, &f->out_job, close_on_pool, on_file_closed) == 0);
  }
}

static void close_file(rl_stream *s) { go_on(rl_file_of(s)); }

static void free_file(rl_stream *s) {
  rl_file *f = rl_file_of(s);
  rl_buf_fini(&f->out);
  rl_buf_fini(&f->flight);
  free(f);
}

static void describe(rl_stream *s, char *text, size_t size) {
  snprintf(text, size, "%s", rl_file_of(s)->path);
}

static const rl_stream_kind file_kind = {
    .name = "file",
    .subject = "path",
    .pull = pull,
    .send = take,
    .close = close_file,
    .free = free_file,
    .describe = describe,
};

bool rl_stream_is_file(const rl_stream *s) { return s->kind == &file_kind; }

static rl_stop leave(rl_op *op) {
  (void)op;
  return RL_STOP_NOW;
}

static const rl_op_kind closer_kind = {"file:close", leave, NULL, RL_HOLD_REAL};

rl_file *rl_file_new(rl_loop *loop, int fd, const char *path) {
  size_t n = strlen(path) + 1;
  rl_file *f = calloc(1, sizeof *f + n);
  if (!f) return NULL;
  rl_stream_init(&f->s, &file_kind, loop);
  f->s.bulk = true;
  rl_op_init(&f->closer, &closer_kind);
  f->in_job.data = f->out_job.data = f;
  f->fd = fd;
  f->seekable = lseek(fd, 0, SEEK_CUR) >= 0;
  memcpy(f->path, path, n);
  return f;
}

int64_t rl_file_tell(const rl_file *f) { return f->at - (int64_t)rl_stream_len(&f->s); }

void rl_file_seek(rl_file *f, int64_t at) {
  drop_read_ahead(f);
  f->at = at;
}

void rl_file_use(rl_file *f) {
  f->users++;
  rl_stream_ref(&f->s);
}

void rl_file_unuse(rl_file *f) {
  f->users--;
  if (f->s.closed) go_on(f);
  rl_stream_unref(&f->s);
}

bool rl_file_wait_closed(rl_file *f, struct rl_task *task) {
  if (f->fd < 0) return false;
  rl_op_init(&f->closer, &closer_kind);
  rl_op_begin(&f->closer, task);
  return true;
}
