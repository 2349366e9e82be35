// Datagrams. What arrives while nobody receives is kept up to a limit; then the system's buffer
// keeps and drops. Sending tries at once and waits only for room. Loop thread only.
#ifndef RL_IO_UDP_H
#define RL_IO_UDP_H

#include "runtime/io/claim.h"
#include "runtime/io/addr.h"
#include "runtime/io/handle.h"

enum { RL_UDP_KEPT = 64 };  // datagrams

typedef struct rl_datagram {
  rl_link link;
  rl_addr from;
  size_t length;
  char bytes[];
} rl_datagram;

typedef struct rl_udp {
  rl_uvhandle handle;
  rl_op receiver, sender;
  void *last;  // the send that `sender` waits for
  rl_list arrived;
  int kept;
  int error;  // of a receive: for the next receiver
  uint32_t refs;
  bool receiving, connected;
  uv_udp_t uv;
} rl_udp;

// Bound to `addr`; if that is NULL, to a free port at the first use, which decides the family.
// NULL: *err. The caller owns one reference.
rl_udp *rl_udp_open(rl_loop *loop, const rl_addr *addr, bool reuse, int *err);
// What is not bound yet becomes IPv4, for settings that need a socket.
int rl_udp_settle(rl_udp *u);
// The oldest datagram, until rl_udp_drop. NULL: none, *err is 0 or an error.
rl_datagram *rl_udp_first(rl_udp *u, int *err);
void rl_udp_drop(rl_udp *u);
void rl_udp_wait(rl_udp *u, struct rl_task *task);  // until one is there, or an error
// 0: sent. UV_EAGAIN: no room, wait with rl_udp_send_later. `to` NULL: to the connected peer.
int rl_udp_send(rl_udp *u, const void *bytes, size_t n, const rl_addr *to);
// Copies the bytes and waits until they went. A cancelled wait leaves: they still go.
int rl_udp_send_later(rl_udp *u, const void *bytes, size_t n, const rl_addr *to,
                      struct rl_task *task);
void rl_udp_close(rl_udp *u);
void rl_udp_unref(rl_udp *u);

#endif
