// The inside of a TLS context, for the engine's two files.
#ifndef RL_WIRE_TLS_CONTEXT_H
#define RL_WIRE_TLS_CONTEXT_H

#include "runtime/wire/heavy/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>

enum { RL_TLS_SESSIONS = 32 };

typedef struct rl_tls_session {
  char *name;
  SSL_SESSION *session;
} rl_tls_session;

struct rl_tls_context {
  SSL_CTX *ssl;
  BIO_METHOD *bio;
  FILE *keylog;
  unsigned char *alpn;
  unsigned alpn_length;
  int refs;
  bool server, verify;
  rl_tls_session sessions[RL_TLS_SESSIONS];  // of a client; the oldest is replaced
  int next_session;
};

// OpenSSL's last error as a sentence.
void rl_tls_last_error(char text[RL_TLS_TEXT], const char *otherwise);
// Takes the reference.
void rl_tls_keep_session(rl_tls_context *c, const char *name, SSL_SESSION *session);
SSL_SESSION *rl_tls_take_session(rl_tls_context *c, const char *name);  // gives it; or NULL
BIO_METHOD *rl_tls_bio_method(void);
const char *rl_tls_session_name(SSL *ssl);

#endif
