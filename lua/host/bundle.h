// A program built by `rille build`: files behind the executable, found by a trailer at its end.
#ifndef RL_HOST_BUNDLE_H
#define RL_HOST_BUNDLE_H

#include "lua/host/rille.h"

#include <stdbool.h>
#include <stddef.h>

// Layout: for each file a line "NAME SIZE\n" and the bytes; then 8 bytes of total size, little
// endian, and RL_BUNDLE_MAGIC.
#define RL_BUNDLE_MAGIC "rille\1pk"
enum { RL_BUNDLE_TRAILER = 16 };

// A built program's first argument that makes it a worker's process: what follows is the path of
// its parent's socket, and the bytes that Lua may hold.
#define RL_BUNDLE_WORKER "rille\1worker"

// The files of this executable. Counted: a runtime shares it with its workers.
typedef struct rl_bundle rl_bundle;

rl_bundle *rl_bundle_read(void);         // NULL: it carries none
rl_bundle *rl_bundle_ref(rl_bundle *b);  // any thread; NULL is nothing
void rl_bundle_unref(rl_bundle *b);      // any thread; NULL is nothing
// The bytes of a file, in the bundle; NULL: there is none.
const char *rl_bundle_find(const rl_bundle *b, const char *name, size_t *size);
// The path of a file to be loaded as a shared object, the same each time; false: there is none.
bool rl_bundle_object(rl_bundle *b, const char *name, char *path, size_t size);

// Gives it to a runtime: modules to `require`, the rest to rl_bundle_push. False: memory is out.
bool rl_bundle_open(rille_runtime *rt, rl_bundle *b);
// Pushes the bytes of a file of this runtime's; false, and nothing pushed, if there is none.
bool rl_bundle_push(lua_State *L, const char *name);

#endif
