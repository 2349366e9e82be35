// Strings made of the blocks their bytes were read into.
#include "lua/bind/gift.h"

#include "runtime/io/stream.h"

#include <string.h>

enum { AROUND = RL_BLOCK_HEAD + RL_BLOCK_TAIL };

bool rl_gift_fits(const rl_state *st, size_t size, size_t n) {
#if defined(RILLE_STRESS)
  if (st->fail_in) return false;
#endif
  n += AROUND;
  return st->gifts && n <= size && n > size - size / 8 &&
         (!st->memory_limit || st->memory + n <= st->memory_limit);
}

void rl_push_block(lua_State *L, char *block, size_t size, size_t n) {
  rl_state *st = rl_state_of(L);
  st->gift = block;
  st->gift_size = n + AROUND;
  st->watermark = 0;
  lua_pushlstring(L, block + RL_BLOCK_HEAD, n);
  if (!st->gift) return;
  st->gift = NULL;  // copied after all
  rl_slab_free(&st->loop.slab, block, size);
}

void *rl_gift_take(rl_state *st, const void *old, size_t size) {
  void *gift = st->gift;
  if (!gift || old || size != st->gift_size) {
    st->gift_size = 0;
    return NULL;
  }
  st->gift = NULL;
  return gift;
}

void rl_gift_open(lua_State *L) {
  enum { SIZE = 128, N = SIZE - AROUND };
  rl_state *st = rl_state_of(L);
  char *block = st->alloc ? NULL : rl_slab_alloc(&st->loop.slab, SIZE);
  if (!block) return;
  memset(block, 'x', SIZE);
  rl_push_block(L, block, SIZE, N);
  st->gifts = lua_tostring(L, -1) == block + RL_BLOCK_HEAD;
  lua_pop(L, 1);
}
