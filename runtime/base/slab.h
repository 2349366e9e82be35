// Free lists by size class over malloc, for one thread: what is freed goes to the next that asks
// for the same size. Small blocks are cut from chunks, which go back to the system only at fini.
// Medium ones (strings that were read, above all) are malloc's own, in eight sizes to each power of
// two, and no more than RL_SLAB_SPARE bytes of them are kept. Larger ones pass through to malloc.
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
enum {
  RL_SLAB_MEDIUM_BITS = 7,  // of medium sizes: 2^10 to 2^17
  RL_SLAB_MEDIUM_MAX = RL_SLAB_MAX << RL_SLAB_MEDIUM_BITS,
  RL_SLAB_MEDIUM_CLASSES = RL_SLAB_MEDIUM_BITS * 8,
  RL_SLAB_SPARE = 2 * 1024 * 1024,
};

typedef struct rl_slab {
  void *free[RL_SLAB_CLASSES];
  char *bump, *bump_end;  // the current chunk's unused rest
  void *chunks;           // all chunks, chained by their first word
  size_t chunk_size;      // of the next chunk: doubles up to a limit
  void *medium[RL_SLAB_MEDIUM_CLASSES];
  size_t spare;  // bytes in `medium`
} rl_slab;

void rl_slab_init(rl_slab *s);
void rl_slab_fini(rl_slab *s);  // frees every chunk; larger blocks belong to their owners
void *rl_slab_carve(rl_slab *s, size_t size);  // alloc where no free block fits
// Alloc and free of what is not small.
void *rl_slab_alloc_large(rl_slab *s, size_t size);
void rl_slab_free_large(rl_slab *s, void *block, size_t size);

static inline size_t rl_slab_class(size_t size) {
  return (size + RL_SLAB_STEP - 1) / RL_SLAB_STEP - 1;
}
static inline bool rl_slab_small(size_t size) { return !RL_SLAB_PASS && size - 1 < RL_SLAB_MAX; }

// NULL when memory is out.
static inline void *rl_slab_alloc(rl_slab *s, size_t size) {
  if (!rl_slab_small(size)) return rl_slab_alloc_large(s, size);
  void **head = &s->free[rl_slab_class(size)], *block = *head;
  if (!block) return rl_slab_carve(s, size);
  *head = *(void **)block;
  return block;
}

// `size` as it was asked for.
static inline void rl_slab_free(rl_slab *s, void *block, size_t size) {
  if (!block) return;
  if (!rl_slab_small(size)) {
    rl_slab_free_large(s, block, size);
    return;
  }
  void **head = &s->free[rl_slab_class(size)];
  *(void **)block = *head;
  *head = block;
}

void *rl_slab_realloc(rl_slab *s, void *block, size_t old_size, size_t new_size);

#endif
