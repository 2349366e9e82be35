// The slab: blocks of all sizes, kept apart, grown and shrunk across its classes.
#include "runtime/base/slab.h"

#include "tests/unit/test.h"

enum { BLOCKS = 400 };

typedef struct held {
  unsigned char *block;
  size_t size;
} held;

static unsigned state = 7;

static size_t random_size(void) {
  state = state * 1103515245 + 12345;
  size_t bits = 1 + state / 65536 % 18;
  return 1 + state / 7 % ((size_t)1 << bits);
}

static void fill(held *h, int i) { memset(h->block, i, h->size); }

static bool holds(const held *h, size_t n, int i) {
  for (size_t at = 0; at < n; at++) {
    if (h->block[at] != (unsigned char)i) return false;
  }
  return true;
}

static void blocks_are_kept_apart_through_growing_and_shrinking(void) {
  rl_slab s;
  held all[BLOCKS];
  rl_slab_init(&s);
  for (int i = 0; i < BLOCKS; i++) {
    all[i].size = random_size();
    all[i].block = rl_slab_alloc(&s, all[i].size);
    fill(&all[i], i);
  }
  for (int round = 0; round < 20; round++) {
    for (int i = round % 3; i < BLOCKS; i += 3) {
      size_t size = random_size(), kept = size < all[i].size ? size : all[i].size;
      EXPECT(holds(&all[i], all[i].size, i));
      all[i].block = rl_slab_realloc(&s, all[i].block, all[i].size, size);
      all[i].size = size;
      EXPECT(holds(&all[i], kept, i));
      fill(&all[i], i);
    }
  }
  for (int i = 0; i < BLOCKS; i++) {
    EXPECT(holds(&all[i], all[i].size, i));
    rl_slab_free(&s, all[i].block, all[i].size);
  }
  EXPECT(s.spare <= RL_SLAB_SPARE);
  rl_slab_fini(&s);
}

static void a_freed_block_goes_to_the_next_of_its_size(void) {
  rl_slab s;
  rl_slab_init(&s);
  size_t sizes[] = {16, 1024, 1025, 18 * 1024, 64 * 1024, RL_SLAB_MEDIUM_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes && !RL_SLAB_PASS; i++) {
    void *block = rl_slab_alloc(&s, sizes[i]);
    rl_slab_free(&s, block, sizes[i]);
    void *again = rl_slab_alloc(&s, sizes[i]);
    EXPECT(again == block);
    rl_slab_free(&s, again, sizes[i]);
  }
  rl_slab_fini(&s);
}

int main(void) {
  blocks_are_kept_apart_through_growing_and_shrinking();
  a_freed_block_goes_to_the_next_of_its_size();
  return test_result();
}
