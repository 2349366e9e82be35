// What a runtime may reach.
#include "runtime/io/permit.h"

#include "runtime/base/error.h"
#include "runtime/io/addr.h"
#include "runtime/io/permit_rule.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct rl_permit {
  atomic_int refs;
  bool strict;  // some rule allows something besides code
  rl_rules rules;
};

// What a rule is held against.
typedef struct subject {
  const char *text;        // as an option would name it
  const char *name;        // a host, a variable, a path; or NULL
  const uint8_t *address;  // or NULL
  int port;
  bool everywhere;  // an address that stands for all of them: no rule of a part may deny it
  bool lookup;      // no port yet: a rule of one port does not deny it, and may allow it
} subject;

static bool same_bits(const uint8_t *a, const uint8_t *b, int bits) {
  int whole = bits / 8, rest = bits % 8;
  if (memcmp(a, b, (size_t)whole) != 0) return false;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool covers(const char *root, const char *path) {
  size_t n = strlen(root);
  if (n == 1 && *root == '/') return *path == '/';
  return strncmp(path, root, n) == 0 && (path[n] == '/' || !path[n]);
}

static bool port_fits(const rl_rule *rule, const subject *s) {
  if (rule->port == RL_PORT_ANY || rule->port == s->port) return true;
  return s->lookup && !rule->deny;
}

// "example.com." is "example.com"; a rule's text goes on with its port.
static bool same_host(const rl_rule *rule, const char *host) {
  size_t n = strlen(host);
  if (n > 0 && host[n - 1] == '.') n--;
  const char *text = rule->text;
  if (*text == '*') {
    size_t tail = strcspn(++text, ":");
    if (n <= tail) return false;
    host += n - tail;
    n = tail;
  }
  return strncasecmp(text, host, n) == 0 && strchr(":", text[n]);
}

static bool matches(const rl_rule *rule, const subject *s) {
  if (!port_fits(rule, s)) return false;
  switch (rule->type) {
    case RL_RULE_ALL: return true;
    case RL_RULE_NAME:
      if (!s->name) return false;
      return rule->may == RL_MAY_ENV ? strcmp(rule->text, s->name) == 0 : same_host(rule, s->name);
    case RL_RULE_PREFIX:
      return s->name && strncmp(rule->text, s->name, strlen(rule->text) - 1) == 0;
    case RL_RULE_ADDRESS:
      if (!s->address) return false;
      return same_bits(rule->address, s->address, rule->bits) || (rule->deny && s->everywhere);
    case RL_RULE_PATH: return s->name && !s->address && covers(rule->text, s->name);
  }
  return false;
}

static const rl_rule *find(const rl_permit *p, rl_may may, bool deny, const subject *s) {
  for (int i = 0; i < p->rules.count; i++) {
    const rl_rule *rule = &p->rules.items[i];
    if (rule->may == may && rule->deny == deny && matches(rule, s)) return rule;
  }
  return NULL;
}

static int forbid(const rl_rule *rule, char *why) {
  snprintf(why, RL_REFUSAL, "--%.400s forbids it", rule->flag);
  return RL_DENIED;
}

static int miss(rl_may may, const subject *s, char *why) {
  snprintf(why, RL_REFUSAL, "it needs --allow-%s%s%.400s", rl_may_name(may), *s->text ? "=" : "",
           s->text);
  return RL_DENIED;
}

static int decide(const rl_permit *p, rl_may may, const subject *s, char *why) {
  const rl_rule *denial = find(p, may, true, s);
  if (denial) return forbid(denial, why);
  return !p->strict || find(p, may, false, s) ? 0 : miss(may, s, why);
}

// --- net

// Connecting to 0.0.0.0 or :: reaches this machine. False: some other address.
static bool to_loopback(struct sockaddr *sa) {
  static const uint8_t zero[16], mapped[16] = {[10] = 0xff, [11] = 0xff};
  if (sa->sa_family == AF_INET) {
    struct in_addr *in = &((struct sockaddr_in *)sa)->sin_addr;
    if (in->s_addr != 0) return false;
    in->s_addr = htonl(INADDR_LOOPBACK);
    return true;
  }
  uint8_t *a = ((struct sockaddr_in6 *)sa)->sin6_addr.s6_addr;
  bool v4 = memcmp(a, mapped, 16) == 0;
  if (!v4 && memcmp(a, zero, 16) != 0) return false;
  if (v4) a[12] = 127;
  a[15] = 1;
  return true;
}

int rl_permit_address(const rl_permit *p, const struct sockaddr *sa, const char *name,
                      rl_net_use use, char *why) {
  uint8_t address[16];
  char text[RL_ADDR_TEXT + 8];
  rl_addr copy = {0};
  subject s = {.text = "", .name = name, .address = address};
  if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6) return miss(RL_MAY_NET, &s, why);
  memcpy(&copy.sa, sa,
         sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
  rl_address_bits(sa, address);
  bool unspecified = to_loopback((struct sockaddr *)&copy.sa);
  s.everywhere = unspecified && use == RL_NET_LISTEN;
  if (!s.everywhere) {
    sa = (struct sockaddr *)&copy.sa;
    rl_address_bits(sa, address);
  }
  rl_addr_format(sa, text, sizeof text);
  s.text = text;
  s.port = rl_addr_port(&copy);
  return decide(p, RL_MAY_NET, &s, why);
}

// RFC 6761, section 6.3: names that no server is asked for.
static bool is_local(const char *host) {
  size_t n = strlen(host);
  return n >= 9 && strcasecmp(host + n - 9, "localhost") == 0 && (n == 9 || host[n - 10] == '.');
}

int rl_permit_name(const rl_permit *p, const char *host, int port, char *why) {
  char text[300];
  snprintf(text, sizeof text, port < 0 ? "%.255s" : "%.255s:%d", host, port);
  subject s = {.text = text, .name = host, .port = port, .lookup = port < 0};
  if (!is_local(host)) return decide(p, RL_MAY_NET, &s, why);
  const rl_rule *denial = find(p, RL_MAY_NET, true, &s);
  return denial ? forbid(denial, why) : 0;
}

// --- paths

// /proc leads into processes: into the memory of this one, and to its variables.
static int check_proc(const rl_permit *p, rl_may may, const char *real, char *why) {
  if (strncmp(real, "/proc/", 6) != 0) return 0;
  if (may == RL_MAY_WRITE) return rl_permit_all(p, RL_MAY_NATIVE, why);
  const char *name = strrchr(real, '/') + 1;
  bool variables = strcmp(name, "environ") == 0 || strcmp(name, "mem") == 0;
  return variables ? rl_permit_env(p, NULL, why) : 0;
}

int rl_permit_path(const rl_permit *p, rl_may may, const char *real, char *why) {
  subject s = {.text = real, .name = real};
  if (may == RL_MAY_CODE) {
    const rl_rule *denial = find(p, RL_MAY_READ, true, &s);
    if (denial) return forbid(denial, why);
    bool readable = find(p, RL_MAY_READ, false, &s) && !find(p, RL_MAY_CODE, true, &s);
    if (readable) return 0;
  }
  int err = decide(p, may, &s, why);
  return err < 0 ? err : check_proc(p, may, real, why);
}

int rl_permit_below(const rl_permit *p, rl_may may, const char *real, char *why) {
  for (int i = 0; i < p->rules.count; i++) {
    const rl_rule *rule = &p->rules.items[i];
    if (rule->may == may && rule->deny && rule->type == RL_RULE_PATH && covers(real, rule->text))
      return forbid(rule, why);
  }
  return 0;
}

int rl_permit_replace(const rl_permit *p, const char *real, char *why) {
  for (int i = 0; i < p->rules.count; i++) {
    const rl_rule *rule = &p->rules.items[i];
    if (rule->type != RL_RULE_PATH || !covers(real, rule->text)) continue;
    snprintf(why, RL_REFUSAL, "--%.400s names it", rule->flag);
    return RL_DENIED;
  }
  return 0;
}

int rl_permit_socket(const rl_permit *p, const char *real, char *why) {
  char text[PATH_MAX + 8];
  snprintf(text, sizeof text, "unix:%s", real);
  subject s = {.text = text, .name = real, .port = -2};  // that of no rule
  const rl_rule *denial = find(p, RL_MAY_NET, true, &s);
  if (denial) return forbid(denial, why);
  if (!p->strict || find(p, RL_MAY_NET, false, &s)) return 0;
  char files[RL_REFUSAL];
  bool both = rl_permit_path(p, RL_MAY_READ, real, files) == 0 &&
              rl_permit_path(p, RL_MAY_WRITE, real, files) == 0;
  return both ? 0 : miss(RL_MAY_NET, &s, why);
}

// --- programs, variables, the rest

int rl_permit_program(const rl_permit *p, const char *program, const char *cwd, char real[PATH_MAX],
                      char *why) {
  int found = rl_find_program(program, cwd, real);
  subject s = {.text = found < 0 ? program : real, .name = found < 0 ? program : real};
  int err = decide(p, RL_MAY_RUN, &s, why);
  return err < 0 ? err : found;
}

int rl_permit_env(const rl_permit *p, const char *name, char *why) {
  subject s = {.text = name, .name = name};
  return name ? decide(p, RL_MAY_ENV, &s, why) : rl_permit_all(p, RL_MAY_ENV, why);
}

int rl_permit_setenv(const rl_permit *p, const char *name, char *why) {
  subject s = {.text = name, .name = name};
  int err = decide(p, RL_MAY_ENV, &s, why);
  if (err < 0 || rl_permit_all(p, RL_MAY_NATIVE, why) == 0) return err;
  for (int i = 0; i < p->rules.count; i++) {
    const rl_rule *rule = &p->rules.items[i];
    bool names = rule->may == RL_MAY_ENV && !rule->deny && rule->type != RL_RULE_ALL;
    if (names && matches(rule, &s)) return 0;
  }
  return miss(RL_MAY_ENV, &s, why);
}

int rl_permit_all(const rl_permit *p, rl_may may, char *why) {
  bool allowed = !p->strict;
  for (int i = 0; i < p->rules.count; i++) {
    const rl_rule *rule = &p->rules.items[i];
    if (rule->may != may) continue;
    if (rule->deny) return forbid(rule, why);
    allowed |= rule->type == RL_RULE_ALL;
  }
  subject s = {.text = ""};
  return allowed ? 0 : miss(may, &s, why);
}

// --- life

int rl_permit_new(rl_permit **out, const char *const *rules, char why[RL_REFUSAL]) {
  *out = NULL;
  if (!rules || !*rules) return 0;
  rl_permit *p = calloc(1, sizeof *p);
  int err = p ? 0 : -ENOMEM;
  if (!p) return err;
  atomic_init(&p->refs, 1);
  for (; *rules && err == 0; rules++) err = rl_rules_add(&p->rules, *rules, why);
  for (int i = 0; i < p->rules.count; i++) {
    const rl_rule *rule = &p->rules.items[i];
    p->strict |= !rule->deny && rule->may != RL_MAY_CODE;
  }
  if (err == 0) {
    *out = p;
  } else {
    rl_permit_unref(p);
  }
  return err;
}

rl_permit *rl_permit_ref(rl_permit *p) {
  if (p) atomic_fetch_add(&p->refs, 1);
  return p;
}

void rl_permit_unref(rl_permit *p) {
  if (!p || atomic_fetch_sub(&p->refs, 1) > 1) return;
  rl_rules_free(&p->rules);
  free(p);
}

const char *rl_permit_rule(const rl_permit *p, int index) {
  return p && index < p->rules.count ? p->rules.items[index].flag : NULL;
}
