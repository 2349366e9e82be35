// Addresses: what is one, what is refused, and how it is written.
#include "runtime/io/addr.h"

#include "runtime/io/dns.h"
#include "tests/unit/test.h"

static void parses(const char *host, const char *expected) {
  rl_addr addr;
  char text[RL_ADDR_TEXT];
  EXPECT(rl_addr_parse(&addr, host, 80) == 0);
  EXPECT(rl_addr_port(&addr) == 80);
  rl_addr_format((struct sockaddr *)&addr.sa, text, sizeof text);
  EXPECT(strcmp(text, expected) == 0);
}

static void refuses(const char *host, int err) {
  rl_addr addr;
  EXPECT(rl_addr_parse(&addr, host, 80) == err);
}

static struct addrinfo entry(rl_addr *addr, const char *host, struct addrinfo *next) {
  EXPECT(rl_addr_parse(addr, host, 0) == 0);
  return (struct addrinfo){.ai_family = addr->sa.ss_family,
                           .ai_addr = (struct sockaddr *)&addr->sa,
                           .ai_addrlen = (socklen_t)rl_addr_size(addr),
                           .ai_next = next};
}

static void check_interleave(void) {
  const char *hosts[] = {"::1", "::2", "::3", "10.0.0.1", "10.0.0.2"};
  const char *order[] = {"::1", "10.0.0.1", "::2", "10.0.0.2", "::3"};
  rl_addr addrs[5], out[5];
  struct addrinfo list[5];
  for (int i = 4; i >= 0; i--) list[i] = entry(&addrs[i], hosts[i], i < 4 ? &list[i + 1] : NULL);
  EXPECT(rl_addrs_interleave(list, 443, out, 5) == 5);
  for (int i = 0; i < 5; i++) {
    char text[RL_ADDR_TEXT];
    rl_addr_host((struct sockaddr *)&out[i].sa, text, sizeof text);
    EXPECT(strcmp(text, order[i]) == 0);
    EXPECT(rl_addr_port(&out[i]) == 443);
  }
  EXPECT(rl_addrs_interleave(list, 443, out, 2) == 2);
  EXPECT(rl_addrs_interleave(NULL, 443, out, 5) == 0);
}

int main(void) {
  parses("127.0.0.1", "127.0.0.1:80");
  parses("::1", "[::1]:80");
  parses("[2001:db8::7]", "[2001:db8::7]:80");
  parses("::ffff:10.0.0.1", "[::ffff:10.0.0.1]:80");
  parses("::1%lo", "[::1%lo]:80");
  refuses("localhost", UV_EINVAL);
  refuses("", UV_EINVAL);
  refuses("256.0.0.1", UV_EINVAL);
  refuses("1.2.3.4.5", UV_EINVAL);
  refuses("::1::", UV_EINVAL);
  refuses("127.1", UV_EAI_NONAME);
  refuses("0x7f000001", UV_EAI_NONAME);
  refuses("2130706433", UV_EAI_NONAME);
  refuses("010.0.0.1", UV_EAI_NONAME);
  check_interleave();
  return test_result();
}
