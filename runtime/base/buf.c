// Growable bytes with a consumed front.
#include "runtime/base/buf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP = 4096 };  // an empty buffer larger than this gives its memory back

void rl_buf_init(rl_buf *b) { *b = (rl_buf){0}; }

void rl_buf_fini(rl_buf *b) {
  free(b->data);
  rl_buf_init(b);
}

bool rl_buf_reserve(rl_buf *b, size_t n) {
  if (b->cap - b->tail >= n) return true;
  size_t len = rl_buf_len(b);
  if (n > SIZE_MAX / 2 - len) return false;
  if (b->cap >= len + n && b->head >= len) {
    memcpy(b->data, b->data + b->head, len);
  } else {
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < len + n) cap *= 2;
    char *data = malloc(cap);
    if (!data) return false;
    if (len) memcpy(data, b->data + b->head, len);
    free(b->data);
    b->data = data;
    b->cap = cap;
  }
  b->head = 0;
  b->tail = len;
  return true;
}

void rl_buf_consume(rl_buf *b, size_t n) {
  b->head += n;
  if (b->head == b->tail) rl_buf_clear(b);
}

void rl_buf_clear(rl_buf *b) {
  if (b->cap > KEEP) {
    rl_buf_fini(b);
  } else {
    b->head = b->tail = 0;
  }
}
