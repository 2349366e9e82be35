// Names to addresses and back, on libuv's pool. libuv keeps at most half of its threads busy with
// look-ups, so that files never wait for names. Loop thread only.
#ifndef RL_IO_DNS_H
#define RL_IO_DNS_H

#include "runtime/core/loop.h"
#include "runtime/core/op.h"
#include "runtime/io/addr.h"

#include <netdb.h>

typedef struct rl_lookup {
  rl_op op;
  bool left;  // the task has gone: the callback frees it
  union {
    uv_getaddrinfo_t forward;
    uv_getnameinfo_t reverse;
  } req;
} rl_lookup;

// Begins to look up `host`; family AF_UNSPEC, AF_INET or AF_INET6. NULL: *err says why, and nothing
// has begun. When the wait is over the addresses are rl_lookup_list, and rl_lookup_free is due. A
// cancelled wait leaves: it is freed alone.
rl_lookup *rl_lookup_begin(rl_loop *loop, const char *host, int family, struct rl_task *task,
                           int *err);
// The name of an address, likewise: rl_lookup_name.
rl_lookup *rl_lookup_begin_reverse(rl_loop *loop, const rl_addr *addr, struct rl_task *task,
                                   int *err);
void rl_lookup_free(rl_lookup *l);

static inline const struct addrinfo *rl_lookup_list(const rl_lookup *l) {
  return l->req.forward.addrinfo;
}
static inline const char *rl_lookup_name(const rl_lookup *l) { return l->req.reverse.host; }

// RFC 8305, section 4: the families take turns, the system's first choice first. At most `max` of
// them; the count.
int rl_addrs_interleave(const struct addrinfo *list, int port, rl_addr *out, int max);

#endif
