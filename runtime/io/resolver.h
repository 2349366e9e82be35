// The threads that ask the system's resolver. They end when there is nothing to ask, and outlive
// the loop if they must: a look-up that hangs holds up nobody's end.
#ifndef RL_IO_RESOLVER_H
#define RL_IO_RESOLVER_H

#include "runtime/io/dns.h"

typedef struct rl_resolver rl_resolver;

// The loop's, made at the first need. NULL: memory is out.
rl_resolver *rl_resolver_of(rl_loop *loop);
// Queues a look-up; a negative error if no thread can be had. Its post comes back to the loop, or
// is dropped.
int rl_resolver_submit(rl_resolver *r, rl_lookup *l);
// True: it was still queued, and is the caller's again.
bool rl_resolver_withdraw(rl_lookup *l);

#endif
