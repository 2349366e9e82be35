// TLS as an engine: cipher bytes in, plain bytes out, and the other way round. OpenSSL 3 behind two
// memory buffers; no sockets. Belongs to the C module tls.so.
#ifndef RL_WIRE_TLS_H
#define RL_WIRE_TLS_H

#include "runtime/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { RL_TLS_TEXT = 256, RL_TLS_RECORD = 16384 };

typedef struct rl_tls_context
    rl_tls_context;            // settings that many connections share; reference-counted
typedef struct rl_tls rl_tls;  // one connection

// What a context is made of. Every text is PEM, or the path of a PEM file; NULL: none.
typedef struct rl_tls_settings {
  bool server, verify;
  const char *ca;  // client: trusted roots instead of the system's. server: roots of client
                   // certificates, then required
  const char *cert, *key;
  const char *password;  // of the key
  const char *alpn;      // wire form: length-prefixed names, in order of preference
  size_t alpn_length;
  int min_version;  // 12 or 13
} rl_tls_settings;

// NULL: `error` holds a sentence.
rl_tls_context *rl_tls_context_new(const rl_tls_settings *settings, char error[RL_TLS_TEXT]);
void rl_tls_context_ref(rl_tls_context *c);
void rl_tls_context_unref(rl_tls_context *c);

// `name`: a client's server name or address: checked against the certificate when the context
// verifies, sent as SNI if it is a name. `session`: sessions are kept and resumed under this text,
// or NULL. Keeps a reference of the context.
rl_tls *rl_tls_new(rl_tls_context *c, const char *name, const char *session);
void rl_tls_free(rl_tls *t);

// Gives the engine bytes to read during the next calls; they stay the caller's. rl_tls_left: those
// it has not read.
void rl_tls_feed(rl_tls *t, const void *bytes, size_t n);
size_t rl_tls_left(const rl_tls *t);

enum { RL_TLS_MORE = 0, RL_TLS_END = -1, RL_TLS_FAILED = -2 };

int rl_tls_handshake(rl_tls *t);  // 1: done; MORE: needs input; FAILED
// Bytes; MORE; END: the peer said so; FAILED.
ssize_t rl_tls_read(rl_tls *t, void *bytes, size_t n);
// All of n, at most RL_TLS_RECORD; FAILED.
ssize_t rl_tls_write(rl_tls *t, const void *bytes, size_t n);
void rl_tls_close(rl_tls *t);  // says that nothing more will be written

rl_buf *rl_tls_out(rl_tls *t);              // cipher bytes that are to be sent
const char *rl_tls_error(const rl_tls *t);  // of the last FAILED: a sentence

// After the handshake.
const char *rl_tls_version(const rl_tls *t);
const char *rl_tls_cipher(const rl_tls *t);
const char *rl_tls_server_name(const rl_tls *t);  // SNI; NULL: none
bool rl_tls_resumed(const rl_tls *t);
size_t rl_tls_alpn(const rl_tls *t, const char **name);
// The peer's certificate: its subject on one line. False: none was sent.
bool rl_tls_peer_subject(const rl_tls *t, char *text, size_t size);

#endif
