// Names to addresses and back. The system's resolver blocks, so it is asked on threads of its own,
// up to RL_DNS_THREADS a loop: files never wait for names, and neither does the end of the program.
// Loop thread only.
#ifndef RL_IO_DNS_H
#define RL_IO_DNS_H

#include "runtime/core/loop.h"
#include "runtime/core/op.h"
#include "runtime/io/addr.h"

#include <netdb.h>

enum { RL_DNS_THREADS = 8 };

typedef struct rl_lookup {
  rl_op op;
  rl_post post;  // its way back
  rl_link link;  // in the queue
  struct rl_resolver *resolver;
  bool left;     // the task has gone: whoever has it frees it
  bool running;  // under the resolver's lock: a thread has it
  bool reverse;
  int status;
  int family;
  struct addrinfo *list;
  rl_addr addr;
  char name[NI_MAXHOST];  // what is asked, or the answer
} rl_lookup;

// Begins to look up `host`; family AF_UNSPEC, AF_INET or AF_INET6. NULL: *err says why, and nothing
// has begun. When the wait is over the addresses are l->list, and rl_lookup_free is due. A
// cancelled wait leaves: it is freed alone.
rl_lookup *rl_lookup_begin(rl_loop *loop, const char *host, int family, struct rl_task *task,
                           int *err);
// The name of an address, likewise: l->name.
rl_lookup *rl_lookup_begin_reverse(rl_loop *loop, const rl_addr *addr, struct rl_task *task,
                                   int *err);
void rl_lookup_free(rl_lookup *l);

static inline const struct addrinfo *rl_lookup_list(const rl_lookup *l) { return l->list; }
static inline const char *rl_lookup_name(const rl_lookup *l) { return l->name; }

// RFC 8305, section 4: the families take turns, the system's first choice first. At most `max` of
// them; the count.
int rl_addrs_interleave(const struct addrinfo *list, int port, rl_addr *out, int max);

#endif
