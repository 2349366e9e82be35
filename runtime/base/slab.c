// Free lists by size class over malloc.
#include "runtime/base/slab.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK = 16 * 1024, LAST_CHUNK = 512 * 1024 };

void rl_slab_init(rl_slab *s) {
  memset(s, 0, sizeof *s);
  s->chunk_size = FIRST_CHUNK;
}

static void free_chain(void *block) {
  for (void *next; block; block = next) {
    next = *(void **)block;
    free(block);
  }
}

void rl_slab_fini(rl_slab *s) {
  for (int i = 0; i < RL_SLAB_MEDIUM_CLASSES; i++) free_chain(s->medium[i]);
  free_chain(s->chunks);
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

static bool is_medium(size_t size) {
  return !RL_SLAB_PASS && size > RL_SLAB_MAX && size <= RL_SLAB_MEDIUM_MAX;
}

static bool is_large(size_t size) { return !rl_slab_small(size) && !is_medium(size); }

// The class of a medium size; *bytes is what its blocks hold.
static unsigned medium_class(size_t size, size_t *bytes) {
  unsigned bits = 63 - (unsigned)__builtin_clzll(size - 1), shift = bits - 3;
  size_t eighths = (size - 1) >> shift;  // 8 to 15
  *bytes = (eighths + 1) << shift;
  return (bits - 10) * 8 + (unsigned)eighths - 8;
}

void *rl_slab_alloc_large(rl_slab *s, size_t size) {
  if (!is_medium(size)) return malloc(size);
  size_t bytes;
  void **head = &s->medium[medium_class(size, &bytes)], *block = *head;
  if (!block) return malloc(bytes);
  *head = *(void **)block;
  s->spare -= bytes;
  return block;
}

void rl_slab_free_large(rl_slab *s, void *block, size_t size) {
  size_t bytes = 0;
  void **head = is_medium(size) ? &s->medium[medium_class(size, &bytes)] : NULL;
  if (!head || s->spare + bytes > RL_SLAB_SPARE) {
    free(block);
    return;
  }
  *(void **)block = *head;
  *head = block;
  s->spare += bytes;
}

static bool same_class(size_t a, size_t b) {
  size_t bytes;
  if (rl_slab_small(a) && rl_slab_small(b)) return rl_slab_class(a) == rl_slab_class(b);
  return is_medium(a) && is_medium(b) && medium_class(a, &bytes) == medium_class(b, &bytes);
}

void *rl_slab_realloc(rl_slab *s, void *block, size_t old_size, size_t new_size) {
  if (same_class(old_size, new_size)) return block;
  if (is_large(old_size) && is_large(new_size)) return realloc(block, new_size);
  void *fresh = rl_slab_alloc(s, new_size);
  if (!fresh) return NULL;
  memcpy(fresh, block, old_size < new_size ? old_size : new_size);
  rl_slab_free(s, block, old_size);
  return fresh;
}
