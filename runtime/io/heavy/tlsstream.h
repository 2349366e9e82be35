// TLS as a filter: a stream over any stream. Belongs to the C module tls.so. Loop thread only.
#ifndef RL_IO_TLSSTREAM_H
#define RL_IO_TLSSTREAM_H

#include "runtime/io/claim.h"
#include "runtime/io/stream.h"
#include "runtime/wire/heavy/tls.h"

typedef struct rl_tlsstream {
  rl_stream s;  // first
  rl_stream_above above;
  rl_stream *lower;
  rl_tls *tls;
  rl_op handshake;
  bool shaken;   // the handshake is over
  bool pumping;  // inside pump: what arrives meanwhile is taken there
} rl_tlsstream;

// Takes over `lower` (one reference, and its reading and writing) and `tls`. NULL: memory is out,
// nothing is taken.
rl_tlsstream *rl_tlsstream_new(rl_stream *lower, rl_tls *tls);
// Begins the handshake and to wait for it. Cancelled: the stream is closed.
void rl_tlsstream_handshake(rl_tlsstream *t, struct rl_task *task);

#endif
