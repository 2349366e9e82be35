// Free lists by size class over malloc.
#include "runtime/base/slab.h"

#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_PASS 1  // let the sanitizer see every block
#else
#define SLAB_PASS 0
#endif

enum { FIRST_CHUNK = 16 * 1024, LAST_CHUNK = 512 * 1024 };

static inline size_t class_of(size_t size) { return (size + RL_SLAB_STEP - 1) / RL_SLAB_STEP - 1; }
static inline int is_small(size_t size) { return !SLAB_PASS && size - 1 < RL_SLAB_MAX; }

void rl_slab_init(rl_slab *s) {
  memset(s, 0, sizeof *s);
  s->chunk_size = FIRST_CHUNK;
}

void rl_slab_fini(rl_slab *s) {
  for (void *chunk = s->chunks, *next; chunk; chunk = next) {
    next = *(void **)chunk;
    free(chunk);
  }
  rl_slab_init(s);
}

// The rest of a used-up chunk becomes free blocks, so that nothing is wasted.
static void recycle_rest(rl_slab *s) {
  size_t rest = (size_t)(s->bump_end - s->bump);
  if (rest >= RL_SLAB_STEP) rl_slab_free(s, s->bump, rest - rest % RL_SLAB_STEP);
}

static void *carve(rl_slab *s, size_t bytes) {
  if ((size_t)(s->bump_end - s->bump) < bytes) {
    char *chunk = malloc(s->chunk_size);
    if (!chunk) return NULL;
    recycle_rest(s);
    *(void **)chunk = s->chunks;
    s->chunks = chunk;
    s->bump = chunk + RL_SLAB_STEP;
    s->bump_end = chunk + s->chunk_size;
    if (s->chunk_size < LAST_CHUNK) s->chunk_size *= 2;
  }
  void *block = s->bump;
  s->bump += bytes;
  return block;
}

void *rl_slab_alloc(rl_slab *s, size_t size) {
  if (!is_small(size)) return malloc(size);
  size_t c = class_of(size);
  void *block = s->free[c];
  if (block) {
    s->free[c] = *(void **)block;
    return block;
  }
  return carve(s, (c + 1) * RL_SLAB_STEP);
}

void rl_slab_free(rl_slab *s, void *block, size_t size) {
  if (!block) return;
  if (!is_small(size)) {
    free(block);
    return;
  }
  size_t c = class_of(size);
  *(void **)block = s->free[c];
  s->free[c] = block;
}

void *rl_slab_realloc(rl_slab *s, void *block, size_t old_size, size_t new_size) {
  if (!is_small(old_size) && !is_small(new_size)) return realloc(block, new_size);
  if (is_small(old_size) && is_small(new_size) && class_of(old_size) == class_of(new_size))
    return block;
  void *fresh = rl_slab_alloc(s, new_size);
  if (!fresh) return NULL;
  memcpy(fresh, block, old_size < new_size ? old_size : new_size);
  rl_slab_free(s, block, old_size);
  return fresh;
}
