// TLS, the floor: C and OpenSSL on epoll; who sends anything is served alone. Prints its port and
// serves until killed.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL_CTX *context;
static char block[65536];

static void push(SSL *ssl) {
  fcntl(SSL_get_fd(ssl), F_SETFL, 0);
  while (SSL_write(ssl, block, sizeof block) > 0) continue;
}

// False: it is over.
static bool go_on(SSL *ssl) {
  char byte;
  int n = SSL_is_init_finished(ssl) ? 1 : SSL_accept(ssl);
  if (n == 1) n = SSL_read(ssl, &byte, 1);
  if (n == 1) push(ssl);
  return n <= 0 && SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ;
}

static SSL_CTX *make_context(void) {
  const char *build = getenv("BUILD");
  char crt[300], key[300];
  snprintf(crt, sizeof crt, "%s/bench/tls.crt", build ? build : "build");
  snprintf(key, sizeof key, "%s/bench/tls.key", build ? build : "build");
  SSL_CTX *c = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
  if (SSL_CTX_use_certificate_chain_file(c, crt) != 1 ||
      SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
    exit(1);
  return c;
}

static int listen_anywhere(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 511) < 0) exit(1);
  getsockname(fd, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

static void watch(int epoll, int fd, void *data) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void accept_one(int epoll, int server) {
  int on = 1, fd = accept4(server, NULL, NULL, SOCK_NONBLOCK);
  if (fd < 0) return;
  SSL *ssl = SSL_new(context);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  SSL_set_fd(ssl, fd);
  watch(epoll, fd, ssl);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  context = make_context();
  int server = listen_anywhere(), epoll = epoll_create1(0);
  watch(epoll, server, NULL);
  for (struct epoll_event events[64];;) {
    int n = epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < n; i++) {
      SSL *ssl = events[i].data.ptr;
      if (!ssl) {
        accept_one(epoll, server);
      } else if (!go_on(ssl)) {
        close(SSL_get_fd(ssl));
        SSL_free(ssl);
      }
    }
  }
}
