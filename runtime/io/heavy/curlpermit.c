// Transfers under permissions: the host before it is looked up, and each address it resolves to
// when its socket is opened. Redirects are transfers of their own.
#include "runtime/base/error.h"
#include "runtime/io/addr.h"
#include "runtime/io/heavy/curlmulti.h"
#include "runtime/io/pin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// The host of a URL, and its port; from malloc, or NULL.
static char *host_of(const char *url, int *port) {
  char *host = NULL, *text = NULL;
  CURLU *u = curl_url();
  if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_GUESS_SCHEME) == CURLUE_OK) {
    curl_url_get(u, CURLUPART_HOST, &host, 0);
    curl_url_get(u, CURLUPART_PORT, &text, CURLU_DEFAULT_PORT);
  }
  curl_url_cleanup(u);
  *port = text ? atoi(text) : 0;
  curl_free(text);
  char *copy = host ? strdup(host) : NULL;
  curl_free(host);
  return copy;
}

enum { PORT_UNKNOWN = -1 };

// Whether the host may be asked for; the addresses of a port that is unknown are seen later.
static int check_host(const rl_permit *p, const char *host, int port, char *why) {
  rl_addr addr;
  bool number = rl_addr_parse(&addr, host, port < 0 ? 0 : port) == 0;
  if (!number) return rl_permit_name(p, host, port, why);
  if (port < 0) return 0;
  return rl_permit_address(p, (struct sockaddr *)&addr.sa, NULL, RL_NET_CONNECT, why);
}

static int check_socket_path(rl_transfer *t, struct sockaddr_un *un) {
  rl_pin pin;
  int err =
      rl_pin_open(&pin, t->curl->loop->permit, RL_PIN_OBJECT, RL_PIN_SOCKET, un->sun_path, t->why);
  if (err < 0) return err;
  strcpy(un->sun_path, pin.path);  // short: it is /proc/self/fd/N
  if (t->pinned >= 0) close(t->pinned);
  t->pinned = pin.fd;
  return 0;
}

static int check_address(rl_transfer *t, struct curl_sockaddr *a) {
  if (a->family != AF_UNIX)
    return rl_permit_address(t->curl->loop->permit, &a->addr, t->host, RL_NET_CONNECT, t->why);
  a->addrlen = sizeof(struct sockaddr_un);
  return check_socket_path(t, (struct sockaddr_un *)&a->addr);
}

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *a) {
  rl_transfer *t = user;
  if (purpose != CURLSOCKTYPE_IPCXN || check_address(t, a) < 0) {
    t->denied = true;
    return CURL_SOCKET_BAD;
  }
  return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

int rl_transfer_permit(rl_transfer *t, const char *url, const char *proxy, bool unix_socket) {
  const rl_permit *p = t->curl->loop->permit;
  int port;
  t->why = calloc(1, RL_REFUSAL);
  if (!t->why) return UV_ENOMEM;
  curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
  curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
  // Those of the environment are not asked: which host a socket is for would be unknown.
  curl_easy_setopt(t->easy, CURLOPT_PROXY, proxy ? proxy : "");
  curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "");
  if (unix_socket) return 0;
  t->host = host_of(url, &port);
  if (!t->host) return UV_EINVAL;
  int err = check_host(p, t->host, port, t->why);
  if (err < 0 || !proxy || !*proxy) return err;
  free(t->host);
  t->host = host_of(proxy, &port);
  return t->host ? check_host(p, t->host, PORT_UNKNOWN, t->why) : UV_EINVAL;
}
