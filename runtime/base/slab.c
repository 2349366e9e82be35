// Free lists by size class over malloc.
#include "runtime/base/slab.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK = 16 * 1024, LAST_CHUNK = 512 * 1024 };

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

void *rl_slab_carve(rl_slab *s, size_t size) {
  size_t bytes = (rl_slab_class(size) + 1) * RL_SLAB_STEP;
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

void *rl_slab_realloc(rl_slab *s, void *block, size_t old_size, size_t new_size) {
  if (!rl_slab_small(old_size) && !rl_slab_small(new_size)) return realloc(block, new_size);
  if (rl_slab_small(old_size) && rl_slab_small(new_size) &&
      rl_slab_class(old_size) == rl_slab_class(new_size))
    return block;
  void *fresh = rl_slab_alloc(s, new_size);
  if (!fresh) return NULL;
  memcpy(fresh, block, old_size < new_size ? old_size : new_size);
  rl_slab_free(s, block, old_size);
  return fresh;
}
