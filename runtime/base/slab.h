// Free lists by size class over malloc, for one thread: what is freed goes to the next that asks
// for the same size. Sizes above RL_SLAB_MAX pass through to malloc. Chunks go back to the system
// only at fini.
#ifndef RL_BASE_SLAB_H
#define RL_BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define RL_SLAB_PASS 1  // let the sanitizer see every block
#else
#define RL_SLAB_PASS 0
#endif

enum { RL_SLAB_STEP = 16, RL_SLAB_MAX = 1024, RL_SLAB_CLASSES = RL_SLAB_MAX / RL_SLAB_STEP };

typedef struct rl_slab {
  void *free[RL_SLAB_CLASSES];
  char *bump, *bump_end;  // the current chunk's unused rest
  void *chunks;           // all chunks, chained by their first word
  size_t chunk_size;      // of the next chunk: doubles up to a limit
} rl_slab;

void rl_slab_init(rl_slab *s);
void rl_slab_fini(rl_slab *s);  // frees every chunk; larger blocks belong to their owners
void *rl_slab_carve(rl_slab *s, size_t size);  // alloc where no free block fits

static inline size_t rl_slab_class(size_t size) {
  return (size + RL_SLAB_STEP - 1) / RL_SLAB_STEP - 1;
}
static inline bool rl_slab_small(size_t size) { return !RL_SLAB_PASS && size - 1 < RL_SLAB_MAX; }

// NULL when memory is out.
static inline void *rl_slab_alloc(rl_slab *s, size_t size) {
  if (!rl_slab_small(size)) return malloc(size);
  void **head = &s->free[rl_slab_class(size)], *block = *head;
  if (!block) return rl_slab_carve(s, size);
  *head = *(void **)block;
  return block;
}

// `size` as it was asked for.
static inline void rl_slab_free(rl_slab *s, void *block, size_t size) {
  if (!block) return;
  if (!rl_slab_small(size)) {
    free(block);
    return;
  }
  void **head = &s->free[rl_slab_class(size)];
  *(void **)block = *head;
  *head = block;
}

void *rl_slab_realloc(rl_slab *s, void *block, size_t old_size, size_t new_size);

#endif
