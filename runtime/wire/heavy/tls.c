// The TLS engine.
#include "runtime/wire/heavy/tls_context.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct rl_tls {
  SSL *ssl;
  rl_tls_context *context;
  const char *in;  // the caller's
  size_t in_length;
  rl_buf out;
  char *session;
  bool failed, closed;
  char error[RL_TLS_TEXT];
};

// OpenSSL's input and output: the caller's bytes, and a buffer.

static int bio_read(BIO *bio, char *bytes, size_t n, size_t *got) {
  rl_tls *t = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *got = n < t->in_length ? n : t->in_length;
  if (*got == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  memcpy(bytes, t->in, *got);
  t->in += *got;
  t->in_length -= *got;
  return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t n, size_t *put) {
  rl_tls *t = BIO_get_data(bio);
  *put = n;
  return rl_buf_put(&t->out, bytes, n);
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *rl_tls_bio_method(void) {
  BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x7f, "rille");
  if (!m) return NULL;
  BIO_meth_set_read_ex(m, bio_read);
  BIO_meth_set_write_ex(m, bio_write);
  BIO_meth_set_ctrl(m, bio_ctrl);
  return m;
}

const char *rl_tls_session_name(SSL *ssl) { return ((rl_tls *)SSL_get_app_data(ssl))->session; }

static bool is_address(const char *name) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

// RFC 6125 and 6066: names are checked in the alternative names alone, addresses exactly; SNI holds
// names only.
static bool expect(rl_tls *t, const char *name) {
  X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
  X509_VERIFY_PARAM_set_hostflags(
      param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (is_address(name)) return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
  return X509_VERIFY_PARAM_set1_host(param, name, 0) == 1 &&
         SSL_set_tlsext_host_name(t->ssl, name) == 1;
}

static void resume(rl_tls *t) {
  SSL_SESSION *session = t->session ? rl_tls_take_session(t->context, t->session) : NULL;
  if (!session) return;
  SSL_set_session(t->ssl, session);
  SSL_SESSION_free(session);
}

rl_tls *rl_tls_new(rl_tls_context *c, const char *name, const char *session) {
  rl_tls *t = calloc(1, sizeof *t);
  if (!t) return NULL;
  rl_tls_context_ref(c);
  t->context = c;
  t->ssl = SSL_new(c->ssl);
  t->session = session ? strdup(session) : NULL;
  BIO *bio = t->ssl ? BIO_new(c->bio) : NULL;
  if (!bio || (session && !t->session) || (name && !expect(t, name))) {
    BIO_free(bio);
    rl_tls_free(t);
    return NULL;
  }
  BIO_set_data(bio, t);
  BIO_set_init(bio, 1);
  SSL_set_bio(t->ssl, bio, bio);
  SSL_set_app_data(t->ssl, t);
  if (c->server) {
    SSL_set_accept_state(t->ssl);
  } else {
    SSL_set_connect_state(t->ssl);
    resume(t);
  }
  return t;
}

void rl_tls_free(rl_tls *t) {
  if (!t) return;
  SSL_free(t->ssl);
  rl_tls_context_unref(t->context);
  rl_buf_fini(&t->out);
  free(t->session);
  free(t);
}

void rl_tls_feed(rl_tls *t, const void *bytes, size_t n) {
  t->in = bytes;
  t->in_length = n;
}

size_t rl_tls_left(const rl_tls *t) { return t->in_length; }

static int failed(rl_tls *t) {
  long verdict = SSL_get_verify_result(t->ssl);
  t->failed = true;
  if (verdict != X509_V_OK && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE) {
    snprintf(t->error, sizeof t->error, "certificate refused: %s",
             X509_verify_cert_error_string(verdict));
    ERR_clear_error();
  } else {
    rl_tls_last_error(t->error, "protocol error");
  }
  return RL_TLS_FAILED;
}

static int outcome(rl_tls *t, int result) {
  switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ: return RL_TLS_MORE;
    case SSL_ERROR_ZERO_RETURN: return RL_TLS_END;
    default: return failed(t);
  }
}

// An error left over by anybody would be taken for this connection's.
static void forget_errors(void) {
  if (ERR_peek_error()) ERR_clear_error();
}

int rl_tls_handshake(rl_tls *t) {
  if (t->failed) return RL_TLS_FAILED;
  forget_errors();
  int result = SSL_do_handshake(t->ssl);
  return result == 1 ? 1 : outcome(t, result);
}

ssize_t rl_tls_read(rl_tls *t, void *bytes, size_t n) {
  if (t->failed) return RL_TLS_FAILED;
  forget_errors();
  size_t got;
  int result = SSL_read_ex(t->ssl, bytes, n, &got);
  return result == 1 ? (ssize_t)got : outcome(t, result);
}

ssize_t rl_tls_write(rl_tls *t, const void *bytes, size_t n) {
  if (t->failed) return RL_TLS_FAILED;
  forget_errors();
  size_t put;
  return SSL_write_ex(t->ssl, bytes, n, &put) == 1 ? (ssize_t)put : failed(t);
}

void rl_tls_close(rl_tls *t) {
  if (t->failed || t->closed || !SSL_is_init_finished(t->ssl)) return;
  t->closed = true;
  ERR_clear_error();
  SSL_shutdown(t->ssl);
  ERR_clear_error();
}

rl_buf *rl_tls_out(rl_tls *t) { return &t->out; }
const char *rl_tls_error(const rl_tls *t) { return t->error; }
const char *rl_tls_version(const rl_tls *t) { return SSL_get_version(t->ssl); }
const char *rl_tls_cipher(const rl_tls *t) { return SSL_get_cipher_name(t->ssl); }
bool rl_tls_resumed(const rl_tls *t) { return SSL_session_reused(t->ssl); }

const char *rl_tls_server_name(const rl_tls *t) {
  return SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
}

size_t rl_tls_alpn(const rl_tls *t, const char **name) {
  const unsigned char *bytes;
  unsigned n;
  SSL_get0_alpn_selected(t->ssl, &bytes, &n);
  *name = (const char *)bytes;
  return n;
}

bool rl_tls_peer_subject(const rl_tls *t, char *text, size_t size) {
  X509 *x = SSL_get0_peer_certificate(t->ssl);
  BIO *bio = x ? BIO_new(BIO_s_mem()) : NULL;
  if (!bio) return false;
  X509_NAME_print_ex(bio, X509_get_subject_name(x), 0, XN_FLAG_RFC2253);
  int n = BIO_read(bio, text, (int)size - 1);
  text[n > 0 ? n : 0] = 0;
  BIO_free(bio);
  return true;
}
