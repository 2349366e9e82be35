// A few spare blocks of one size, for reading into: taken for one read, given back when its bytes
// are consumed. One thread.
#ifndef RL_BASE_CHUNKS_H
#define RL_BASE_CHUNKS_H

#include <stdlib.h>

enum { RL_CHUNK_SIZE = 64 * 1024, RL_CHUNK_SPARE = 64 };

typedef struct rl_chunks {
  void *spare[RL_CHUNK_SPARE];
  int count;
} rl_chunks;

// A block of RL_CHUNK_SIZE bytes, from malloc: whoever keeps it may free it. NULL when memory is
// out.
static inline void *rl_chunk_take(rl_chunks *c) {
  return c->count ? c->spare[--c->count] : malloc(RL_CHUNK_SIZE);
}

static inline void rl_chunk_give(rl_chunks *c, void *chunk) {
  if (chunk && c->count < RL_CHUNK_SPARE) {
    c->spare[c->count++] = chunk;
  } else {
    free(chunk);
  }
}

static inline void rl_chunks_fini(rl_chunks *c) {
  while (c->count) free(c->spare[--c->count]);
}

#endif
