// Stopping Lua code that does not wait: a hook, armed by whoever is on the loop's thread or by a
// signal sent to it.
#include "lua/host/runtime.h"

void rille_interrupt(rille_runtime *rt, rille_status why) {
  if (!rt || why == RILLE_OK) return;
  atomic_store(&rt->interrupt, why);
}
