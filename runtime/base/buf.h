// A growable run of bytes with a consumed front. One thread. Growth fails with false and leaves the
// bytes as they were.
#ifndef RL_BASE_BUF_H
#define RL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct rl_buf {
  char *data;   // start of the allocation
  size_t head;  // first byte not consumed
  size_t tail;  // one past the last byte
  size_t cap;
} rl_buf;

void rl_buf_init(rl_buf *b);
void rl_buf_fini(rl_buf *b);

static inline size_t rl_buf_len(const rl_buf *b) { return b->tail - b->head; }
static inline char *rl_buf_head(const rl_buf *b) { return b->data + b->head; }

// Room for `n` more bytes at rl_buf_tail; rl_buf_added says how many were written there.
bool rl_buf_reserve(rl_buf *b, size_t n);
static inline char *rl_buf_tail(const rl_buf *b) { return b->data + b->tail; }
static inline size_t rl_buf_room(const rl_buf *b) { return b->cap - b->tail; }
static inline void rl_buf_added(rl_buf *b, size_t n) { b->tail += n; }

static inline bool rl_buf_put(rl_buf *b, const void *bytes, size_t n) {
  if (b->cap - b->tail < n && !rl_buf_reserve(b, n)) return false;
  if (n) memcpy(b->data + b->tail, bytes, n);
  b->tail += n;
  return true;
}
void rl_buf_consume(rl_buf *b, size_t n);  // releases the memory when empty and large
void rl_buf_clear(rl_buf *b);

#endif
