// Connecting to one of several addresses: RFC 8305's race. The next attempt starts when the one
// before has failed, or has taken a quarter of a second; the first to connect wins, the others are
// closed. Loop thread only.
#ifndef RL_IO_DIAL_H
#define RL_IO_DIAL_H

#include "runtime/io/addr.h"
#include "runtime/io/uvstream.h"

enum { RL_DIAL_MAX = 32 };  // addresses that are tried

typedef struct rl_dial {
  rl_op op;
  rl_loop *loop;
  rl_timer stagger;
  rl_list attempts;
  rl_uvstream *winner;  // the caller takes it, with its reference
  int error;            // of the first attempt that failed: the system's first choice
  int count, next;
  rl_addr addrs[];
} rl_dial;

// `count` addresses, which the caller may still fill in. NULL: memory is out.
rl_dial *rl_dial_new(rl_loop *loop, int count);
// Begins to wait. DONE with 0: `winner`; else the error of the first address. Cancelled: everything
// is closed at once.
void rl_dial_begin(rl_dial *d, struct rl_task *task);
// The same for one Unix path, which is not longer than the system holds.
void rl_dial_begin_path(rl_dial *d, const char *path, struct rl_task *task);
void rl_dial_free(rl_dial *d);  // not while it is pending; closes a winner nobody took

#endif
