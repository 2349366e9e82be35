// A program built by `rille build`: files behind the executable, found by a trailer at its end.
#ifndef RL_HOST_BUNDLE_H
#define RL_HOST_BUNDLE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

// Layout: for each file a line "NAME SIZE\n" and the bytes; then 8 bytes of total size, little
// endian, and RL_BUNDLE_MAGIC.
#define RL_BUNDLE_MAGIC "rille\1pk"
enum { RL_BUNDLE_TRAILER = 16 };

typedef struct rl_bundle {
  char *data;
  size_t length;
} rl_bundle;

// False: this executable carries none.
bool rl_bundle_read(rl_bundle *b);
void rl_bundle_free(rl_bundle *b);
// The bytes of a file, in the bundle; NULL: there is none.
const char *rl_bundle_find(const rl_bundle *b, const char *name, size_t *size);

// Makes its files known to the state: modules by a searcher, the rest by rl_bundle_push. Raises.
void rl_bundle_open(lua_State *L, const rl_bundle *b);
// Pushes the bytes of a file; false, and nothing pushed, if there is none.
bool rl_bundle_push(lua_State *L, const char *name);

#endif
