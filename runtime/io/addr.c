// Socket addresses as text and back.
#include "runtime/io/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int parse_v6(rl_addr *addr, const char *host, int port) {
  char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 4];
  size_t n = strlen(host);
  if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
    host++;
    n -= 2;
  }
  if (n >= sizeof text) return UV_EINVAL;
  memcpy(text, host, n);
  text[n] = 0;
  return uv_ip6_addr(text, port, (struct sockaddr_in6 *)&addr->sa);
}

int rl_addr_parse(rl_addr *addr, const char *host, int port) {
  memset(addr, 0, sizeof *addr);
  if (uv_ip4_addr(host, port, (struct sockaddr_in *)&addr->sa) == 0) return 0;
  memset(addr, 0, sizeof *addr);
  if (strchr(host, ':')) return parse_v6(addr, host, port) == 0 ? 0 : UV_EINVAL;
  struct in_addr loose;
  return inet_aton(host, &loose) ? UV_EAI_NONAME : UV_EINVAL;
}

void rl_addr_set_port(rl_addr *addr, int port) {
  if (addr->sa.ss_family == AF_INET6) {
    ((struct sockaddr_in6 *)&addr->sa)->sin6_port = htons((uint16_t)port);
  } else {
    ((struct sockaddr_in *)&addr->sa)->sin_port = htons((uint16_t)port);
  }
}

int rl_addr_port(const rl_addr *addr) {
  if (addr->sa.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&addr->sa)->sin6_port);
  return ntohs(((struct sockaddr_in *)&addr->sa)->sin_port);
}

size_t rl_addr_size(const rl_addr *addr) {
  return addr->sa.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

void rl_addr_host(const struct sockaddr *sa, char *text, size_t size) {
  text[0] = 0;
  if (sa->sa_family == AF_INET) {
    uv_ip4_name((const struct sockaddr_in *)sa, text, size);
  } else if (sa->sa_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
    uv_ip6_name(in6, text, size);
    char zone[IF_NAMESIZE];
    size_t n = strlen(text);
    if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, zone))
      snprintf(text + n, size - n, "%%%s", zone);
  }
}

void rl_addr_format(const struct sockaddr *sa, char *text, size_t size) {
  char host[RL_ADDR_TEXT];
  rl_addr_host(sa, host, sizeof host);
  rl_addr addr = {0};
  bool v6 = sa->sa_family == AF_INET6;
  memcpy(&addr.sa, sa, v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
  snprintf(text, size, v6 ? "[%s]:%d" : "%s:%d", host, rl_addr_port(&addr));
}
