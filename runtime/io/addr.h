// Socket addresses as text and back. Numbers only: names are for the resolver.
#ifndef RL_IO_ADDR_H
#define RL_IO_ADDR_H

#include <stddef.h>
#include <uv.h>

enum { RL_ADDR_TEXT = 128 };  // holds any formatted address but a Unix path

typedef struct rl_addr {
  struct sockaddr_storage sa;
} rl_addr;

// "127.0.0.1", "::1", "fe80::1%eth0", "[::1]": four decimal numbers, or RFC 4291 with an optional
// zone, and nothing else. UV_EINVAL for what is not; UV_EAI_NONAME for what other parsers would
// take for an address ("127.1", "0x7f000001").
int rl_addr_parse(rl_addr *addr, const char *host, int port);
void rl_addr_set_port(rl_addr *addr, int port);
int rl_addr_port(const rl_addr *addr);
size_t rl_addr_size(const rl_addr *addr);
// The host alone, and "host:port" ("[host]:port" with IPv6).
void rl_addr_host(const struct sockaddr *sa, char *text, size_t size);
void rl_addr_format(const struct sockaddr *sa, char *text, size_t size);

#endif
