// Strings made of the blocks their bytes were read into, without a copy. The next allocation, Lua's
// of the string, is given the block, in which the bytes lie where the string's will be; Lua then
// copies them onto themselves, which memcpy sees at once. Whether this Lua's strings look like that
// is tried at birth; otherwise they are copies.
#ifndef RL_BIND_GIFT_H
#define RL_BIND_GIFT_H

#include "lua/bind/state.h"

void rl_gift_open(lua_State *L);

// Whether n bytes fill a block of `size` well enough, and nothing refuses Lua the memory.
bool rl_gift_fits(const rl_state *st, size_t size, size_t n);
// Pushes the n bytes of a block of the loop's slab (see RL_BLOCK_HEAD), which fits and is Lua's
// from now on. Does not raise; finalizers may run.
void rl_push_block(lua_State *L, char *block, size_t size, size_t n);

// The allocator's part: the block, if this is the allocation it was meant for, or NULL.
void *rl_gift_take(rl_state *st, const void *old, size_t size);

#endif
