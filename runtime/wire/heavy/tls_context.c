// TLS contexts: certificates, keys, trust, versions, sessions.
#include "runtime/wire/heavy/tls_context.h"

#include <stdlib.h>
#include <string.h>

static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK";

void rl_tls_last_error(char text[RL_TLS_TEXT], const char *otherwise) {
  unsigned long code = ERR_peek_last_error();
  const char *reason = code ? ERR_reason_error_string(code) : NULL;
  if (code && ERR_SYSTEM_ERROR(code)) reason = strerror(ERR_GET_REASON(code));
  snprintf(text, RL_TLS_TEXT, "%s", reason ? reason : otherwise);
  ERR_clear_error();
}

static BIO *open_pem(const char *source) {
  if (strstr(source, "-----BEGIN")) return BIO_new_mem_buf(source, -1);
  return BIO_new_file(source, "r");
}

static bool is_path(const char *source) { return !strstr(source, "-----BEGIN"); }

static bool fail(char error[RL_TLS_TEXT], const char *what, const char *source) {
  char reason[RL_TLS_TEXT];
  rl_tls_last_error(reason, "no usable PEM data");
  if (source && is_path(source)) {
    snprintf(error, RL_TLS_TEXT, "%s '%.80s': %.100s", what, source, reason);
  } else {
    snprintf(error, RL_TLS_TEXT, "%s: %.150s", what, reason);
  }
  return false;
}

// Without a password, an encrypted key is an error: nobody is asked at a terminal.
static int give_password(char *out, int size, int writing, void *password) {
  (void)writing;
  if (!password) return -1;
  int n = (int)strlen(password);
  if (n > size) return -1;
  memcpy(out, password, (size_t)n);
  return n;
}

static bool load_chain(SSL_CTX *ssl, const char *source, char error[RL_TLS_TEXT]) {
  BIO *bio = open_pem(source);
  X509 *leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, give_password, NULL) : NULL;
  bool ok = leaf && SSL_CTX_use_certificate(ssl, leaf) == 1;
  X509_free(leaf);
  for (X509 *extra; ok && (extra = PEM_read_bio_X509(bio, NULL, give_password, NULL));) {
    ok = SSL_CTX_add0_chain_cert(ssl, extra) == 1;
    if (!ok) X509_free(extra);
  }
  BIO_free(bio);
  if (ok) ERR_clear_error();  // the end of the file
  return ok || fail(error, "certificate", source);
}

static bool load_key(SSL_CTX *ssl, const char *source, const char *password,
                     char error[RL_TLS_TEXT]) {
  BIO *bio = open_pem(source);
  EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_password, (void *)password) : NULL;
  BIO_free(bio);
  if (!key)
    return fail(error, password ? "private key" : "private key (no password given)", source);
  bool ok = SSL_CTX_use_PrivateKey(ssl, key) == 1 && SSL_CTX_check_private_key(ssl) == 1;
  EVP_PKEY_free(key);
  return ok || fail(error, "private key does not fit the certificate", source);
}

static bool load_trust(SSL_CTX *ssl, const char *source, bool server, char error[RL_TLS_TEXT]) {
  BIO *bio = open_pem(source);
  int count = 0;
  X509_STORE *store = SSL_CTX_get_cert_store(ssl);
  for (X509 *x; bio && (x = PEM_read_bio_X509_AUX(bio, NULL, give_password, NULL)); count++) {
    X509_STORE_add_cert(store, x);
    if (server) SSL_CTX_add_client_CA(ssl, x);
    X509_free(x);
  }
  BIO_free(bio);
  if (count == 0) return fail(error, "CA certificates", source);
  ERR_clear_error();
  return true;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *length,
                       const unsigned char *in, unsigned in_length, void *arg) {
  (void)ssl;
  const rl_tls_context *c = arg;
  unsigned char *chosen;
  int found = SSL_select_next_proto(&chosen, length, c->alpn, c->alpn_length, in, in_length);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool set_alpn(rl_tls_context *c, const rl_tls_settings *s) {
  if (!s->alpn_length) return true;
  c->alpn = malloc(s->alpn_length);
  if (!c->alpn) return false;
  memcpy(c->alpn, s->alpn, s->alpn_length);
  c->alpn_length = (unsigned)s->alpn_length;
  if (!s->server) return SSL_CTX_set_alpn_protos(c->ssl, c->alpn, c->alpn_length) == 0;
  SSL_CTX_set_alpn_select_cb(c->ssl, choose_alpn, c);
  return true;
}

static void write_keylog(const SSL *ssl, const char *line) {
  const rl_tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  fprintf(c->keylog, "%s\n", line);
  fflush(c->keylog);
}

static void open_keylog(rl_tls_context *c) {
  const char *path = getenv("SSLKEYLOGFILE");
  if (path && *path) c->keylog = fopen(path, "ae");
  if (c->keylog) SSL_CTX_set_keylog_callback(c->ssl, write_keylog);
}

static int on_session(SSL *ssl, SSL_SESSION *session) {
  const char *name = rl_tls_session_name(ssl);
  if (!name) return 0;
  rl_tls_keep_session(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)), name, session);
  return 1;
}

void rl_tls_keep_session(rl_tls_context *c, const char *name, SSL_SESSION *session) {
  rl_tls_session *slot = &c->sessions[c->next_session];
  char *copy = strdup(name);
  if (!copy) {
    SSL_SESSION_free(session);
    return;
  }
  free(slot->name);
  SSL_SESSION_free(slot->session);
  slot->name = copy;
  slot->session = session;
  c->next_session = (c->next_session + 1) % RL_TLS_SESSIONS;
}

SSL_SESSION *rl_tls_take_session(rl_tls_context *c, const char *name) {
  for (int back = 1; back <= RL_TLS_SESSIONS; back++) {  // the newest first
    rl_tls_session *slot =
        &c->sessions[(c->next_session + RL_TLS_SESSIONS - back) % RL_TLS_SESSIONS];
    if (!slot->name || strcmp(slot->name, name) != 0) continue;
    SSL_SESSION *session = slot->session;
    free(slot->name);
    *slot = (rl_tls_session){NULL, NULL};
    return session;
  }
  return NULL;
}

static bool configure(rl_tls_context *c, const rl_tls_settings *s, char error[RL_TLS_TEXT]) {
  SSL_CTX *ssl = c->ssl;
  SSL_CTX_set_app_data(ssl, c);
  SSL_CTX_set_min_proto_version(ssl, s->min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_cipher_list(ssl, ciphers);
  SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"rille", 5);
  if (!s->server) {
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, on_session);
  }
  if (s->cert && !load_chain(ssl, s->cert, error)) return false;
  if (s->key && !load_key(ssl, s->key, s->password, error)) return false;
  if (s->ca) {
    if (!load_trust(ssl, s->ca, s->server, error)) return false;
  } else if (!s->server && s->verify) {
    SSL_CTX_set_default_verify_paths(ssl);
  }
  int peer = s->server
                 ? (s->ca ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE)
                 : (s->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE);
  SSL_CTX_set_verify(ssl, peer, NULL);
  open_keylog(c);
  return set_alpn(c, s) || fail(error, "alpn", NULL);
}

rl_tls_context *rl_tls_context_new(const rl_tls_settings *s, char error[RL_TLS_TEXT]) {
  rl_tls_context *c = calloc(1, sizeof *c);
  snprintf(error, RL_TLS_TEXT, "not enough memory");
  if (!c) return NULL;
  c->refs = 1;
  c->server = s->server;
  c->verify = s->verify;
  ERR_clear_error();
  c->bio = rl_tls_bio_method();
  c->ssl = SSL_CTX_new(s->server ? TLS_server_method() : TLS_client_method());
  if (c->bio && c->ssl && configure(c, s, error)) return c;
  rl_tls_context_unref(c);
  return NULL;
}

void rl_tls_context_ref(rl_tls_context *c) { c->refs++; }

void rl_tls_context_unref(rl_tls_context *c) {
  if (--c->refs) return;
  for (int i = 0; i < RL_TLS_SESSIONS; i++) {
    free(c->sessions[i].name);
    SSL_SESSION_free(c->sessions[i].session);
  }
  SSL_CTX_free(c->ssl);
  BIO_meth_free(c->bio);
  if (c->keylog) fclose(c->keylog);
  free(c->alpn);
  free(c);
}
