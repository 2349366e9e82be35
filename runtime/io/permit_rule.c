// Reading the rules of a permit.
#include "runtime/io/permit_rule.h"

#include "runtime/base/error.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const may_names[RL_MAY_KINDS] = {"net", "read", "write", "run",
                                                    "env", "code", "native"};

const char *rl_may_name(rl_may may) { return may_names[may]; }

bool rl_address_bits(const struct sockaddr *sa, uint8_t out[16]) {
  static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
  if (sa->sa_family == AF_INET6) {
    memcpy(out, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
    return true;
  }
  if (sa->sa_family != AF_INET) return false;
  memcpy(out, mapped, sizeof mapped);
  memcpy(out + 12, &((const struct sockaddr_in *)sa)->sin_addr, 4);
  return true;
}

static int wrong(char *why, const char *text, const char *sentence) {
  snprintf(why, RL_REFUSAL, "'%.200s': %s", text, sentence);
  return RL_INVALID;
}

// The rule owns its flag from here on.
static int add(rl_rules *rules, rl_rule rule, const char *text) {
  if (rules->count == rules->cap) {
    int cap = rules->cap ? rules->cap * 2 : 8;
    rl_rule *bigger = realloc(rules->items, (size_t)cap * sizeof *bigger);
    if (!bigger) return -ENOMEM;
    rules->items = bigger;
    rules->cap = cap;
  }
  int length = asprintf(&rule.flag, "%s-%s%s%s", rule.deny ? "deny" : "allow", may_names[rule.may],
                        text ? "=" : "", text ? text : "");
  if (length < 0) return -ENOMEM;
  rule.text = text ? rule.flag + length - strlen(text) : "";
  rules->items[rules->count++] = rule;
  return 0;
}

// --- net

static bool read_number(const char *text, int most, int *out) {
  char *end;
  if (!isdigit((unsigned char)*text)) return false;
  long n = strtol(text, &end, 10);
  if (*end || n > most) return false;
  *out = (int)n;
  return true;
}

// "127.0.0.1", "::1", each perhaps with "/bits".
static bool read_address(rl_rule *rule, const char *text) {
  char host[INET6_ADDRSTRLEN];
  const char *slash = strchr(text, '/');
  size_t n = slash ? (size_t)(slash - text) : strlen(text);
  if (n >= sizeof host) return false;
  memcpy(host, text, n);
  host[n] = 0;
  union {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
  } u = {0};
  bool v6 = strchr(host, ':');
  u.sa.sa_family = v6 ? AF_INET6 : AF_INET;
  if (inet_pton(u.sa.sa_family, host, v6 ? (void *)&u.in6.sin6_addr : (void *)&u.in.sin_addr) != 1)
    return false;
  rl_address_bits(&u.sa, rule->address);
  rule->bits = 128;
  if (!slash) return true;
  if (!read_number(slash + 1, v6 ? 128 : 32, &rule->bits)) return false;
  if (!v6) rule->bits += 96;
  return true;
}

// Also "*.example.com": every name below it.
static bool is_name(const char *host) {
  if (host[0] == '*' && host[1] == '.') host += 2;
  for (const char *p = host; *p; p++) {
    if (!isalnum((unsigned char)*p) && !strchr("-._", *p) && !(*p & 0x80)) return false;
  }
  struct in_addr loose;
  return *host && !inet_aton(host, &loose);
}

// The resolver answers for localhost itself, so its addresses are known.
static int add_localhost(rl_rules *rules, const rl_rule *rule) {
  static const char *const hosts[] = {"127.0.0.0/8", "[::1]"};
  static const char *const addresses[] = {"127.0.0.0/8", "::1"};
  char text[32];
  for (int i = 0; i < 2; i++) {
    rl_rule local = *rule;
    local.type = RL_RULE_ADDRESS;
    read_address(&local, addresses[i]);
    if (rule->port == RL_PORT_ANY) {
      snprintf(text, sizeof text, "%s", hosts[i]);
    } else {
      snprintf(text, sizeof text, "%s:%d", hosts[i], rule->port);
    }
    int err = add(rules, local, text);
    if (err < 0) return err;
  }
  return 0;
}

// Cuts ":port" off, and the brackets. False: malformed.
static bool split_port(char *text, char **host, int *port) {
  char *colon = strrchr(text, ':'), *close = strrchr(text, ']');
  *port = RL_PORT_ANY;
  *host = text;
  bool bare_v6 = *text != '[' && colon && strchr(text, ':') != colon;
  if (bare_v6) return true;
  if (colon && (!close || colon > close)) {
    if (!read_number(colon + 1, 65535, port)) return false;
    *colon = 0;
  }
  if (*text != '[') return true;
  if (!close) return false;
  memmove(close, close + 1, strlen(close));  // "[::]/64" is "::/64"
  (*host)++;
  return strchr(*host, ':');
}

static int add_path(rl_rules *rules, rl_rule rule, const char *before, const char *path, char *why);

static int add_net(rl_rules *rules, rl_rule rule, const char *text, char *why) {
  char copy[300], *host;
  if (strncmp(text, "unix:", 5) == 0) return add_path(rules, rule, "unix:", text + 5, why);
  if (strlen(text) >= sizeof copy) return wrong(why, text, "too long for a host");
  strcpy(copy, text);
  if (!split_port(copy, &host, &rule.port)) return wrong(why, text, "host:port expected");
  for (char *p = host; *p; p++) *p = (char)tolower((unsigned char)*p);
  if (!*host && rule.port != RL_PORT_ANY) {
    rule.type = RL_RULE_ALL;
  } else if (read_address(&rule, host)) {
    rule.type = RL_RULE_ADDRESS;
  } else if (is_name(host)) {
    rule.type = RL_RULE_NAME;
    int err = strcmp(host, "localhost") == 0 ? add_localhost(rules, &rule) : 0;
    if (err < 0) return err;
  } else {
    return wrong(why, text, "neither a host, an address, a network (10.0.0.0/8), nor :port");
  }
  return add(rules, rule, text);
}

// --- paths

// As realpath, also for what is not there yet: the rest must have no dots.
static int canonical(const char *path, char real[PATH_MAX]) {
  if (realpath(path, real)) return 0;
  if (errno != ENOENT) return -errno;
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  char above[PATH_MAX];
  size_t n = slash ? (size_t)(slash - path) : 1;
  if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || n >= sizeof above) return -ENOENT;
  memcpy(above, slash ? path : ".", n);
  above[n] = 0;
  int err = canonical(n ? above : "/", real);
  if (err < 0) return err;
  size_t at = strlen(real);
  if (at + strlen(name) + 2 > PATH_MAX) return -ENAMETOOLONG;
  sprintf(real + at, "%s%s", at > 1 ? "/" : "", name);
  return 0;
}

static int add_path(rl_rules *rules, rl_rule rule, const char *before, const char *path,
                    char *why) {
  char real[PATH_MAX], trimmed[PATH_MAX], text[PATH_MAX + 8];
  size_t n = strlen(path);
  if (n == 0 || n >= sizeof trimmed) return wrong(why, path, "a path expected");
  strcpy(trimmed, path);
  while (n > 1 && trimmed[n - 1] == '/') trimmed[--n] = 0;
  int err = canonical(trimmed, real);
  if (err < 0) return wrong(why, path, strerror(-err));
  rule.type = RL_RULE_PATH;
  snprintf(text, sizeof text, "%s%s", before, real);
  int added = add(rules, rule, text);
  if (added == 0) rules->items[rules->count - 1].text += strlen(before);
  return added;
}

// --- programs

static bool executable(const char *path, char real[PATH_MAX]) {
  struct stat st;
  return realpath(path, real) && stat(real, &st) == 0 && S_ISREG(st.st_mode) &&
         access(real, X_OK) == 0;
}

static int join(char out[PATH_MAX], const char *dir, size_t n, const char *name) {
  int length = snprintf(out, PATH_MAX, "%.*s%s%s", (int)n, dir, n ? "/" : "", name);
  return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int rl_find_program(const char *program, const char *cwd, char real[PATH_MAX]) {
  char path[PATH_MAX];
  if (!*program) return -ENOENT;
  if (strchr(program, '/')) {
    size_t n = cwd && *program != '/' ? strlen(cwd) : 0;
    if (join(path, cwd, n, program) < 0) return -ENAMETOOLONG;
    if (executable(path, real)) return 0;
    return access(path, F_OK) == 0 ? -EACCES : -ENOENT;
  }
  const char *dirs = getenv("PATH");
  for (const char *at = dirs ? dirs : "/bin:/usr/bin"; at;) {
    const char *end = strchrnul(at, ':');
    if (join(path, at, (size_t)(end - at), program) == 0 && executable(path, real)) return 0;
    at = *end ? end + 1 : NULL;
  }
  return -ENOENT;
}

static int add_program(rl_rules *rules, rl_rule rule, const char *text, char *why) {
  char real[PATH_MAX];
  if (strchr(text, '/')) return add_path(rules, rule, "", text, why);
  if (rl_find_program(text, NULL, real) < 0) return wrong(why, text, "no such program along PATH");
  return add_path(rules, rule, "", real, why);
}

// --- variables

static int add_variable(rl_rules *rules, rl_rule rule, const char *text, char *why) {
  size_t n = strlen(text);
  bool prefix = n > 0 && text[n - 1] == '*';
  if (strchr(text, '=') || (size_t)(strchrnul(text, '*') - text) < n - prefix)
    return wrong(why, text, "a variable's name expected, perhaps with * at its end");
  if (strcmp(text, "*") == 0) return add(rules, rule, NULL);
  rule.type = prefix ? RL_RULE_PREFIX : RL_RULE_NAME;
  return add(rules, rule, text);
}

// --- all

static int add_item(rl_rules *rules, rl_rule rule, const char *text, char *why) {
  if (!*text) return wrong(why, text, "an empty item in a list");
  switch (rule.may) {
    case RL_MAY_NET: return add_net(rules, rule, text, why);
    case RL_MAY_RUN: return add_program(rules, rule, text, why);
    case RL_MAY_ENV: return add_variable(rules, rule, text, why);
    case RL_MAY_NATIVE: return wrong(why, text, "native takes no list");
    default: return add_path(rules, rule, "", text, why);
  }
}

static int add_list(rl_rules *rules, rl_rule rule, const char *list, char *why) {
  char *copy = strdup(list), *rest = copy;
  int err = copy ? 0 : -ENOMEM;
  for (char *item; err == 0 && (item = strsep(&rest, ","));) err = add_item(rules, rule, item, why);
  free(copy);
  return err;
}

int rl_rules_add(rl_rules *rules, const char *word, char why[RL_REFUSAL]) {
  bool deny = strncmp(word, "deny-", 5) == 0;
  strcpy(why, "out of memory");
  if (!deny && strncmp(word, "allow-", 6) != 0)
    return wrong(why, word, "allow-... or deny-... expected");
  const char *name = word + (deny ? 5 : 6), *equals = strchrnul(name, '=');
  for (int i = 0; i < RL_MAY_KINDS; i++) {
    if (strlen(may_names[i]) != (size_t)(equals - name) ||
        strncmp(may_names[i], name, (size_t)(equals - name)) != 0)
      continue;
    rl_rule rule = {.may = (rl_may)i, .deny = deny, .port = RL_PORT_ANY};
    return *equals ? add_list(rules, rule, equals + 1, why) : add(rules, rule, NULL);
  }
  return wrong(why, word, "net, read, write, run, env, code or native expected");
}

void rl_rules_free(rl_rules *rules) {
  for (int i = 0; i < rules->count; i++) free(rules->items[i].flag);
  free(rules->items);
}
