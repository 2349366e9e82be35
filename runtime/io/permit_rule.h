// One rule of a permit, for its two files.
#ifndef RL_IO_PERMIT_RULE_H
#define RL_IO_PERMIT_RULE_H

#include "runtime/io/permit.h"

#include <stdint.h>

typedef enum {
  RL_RULE_ALL,
  RL_RULE_NAME,     // of a host, lower case; of a variable
  RL_RULE_PREFIX,   // of a variable: `text` without its '*'
  RL_RULE_ADDRESS,  // the first `bits` of `address`
  RL_RULE_PATH,     // `text` and all below it
} rl_rule_type;

enum { RL_PORT_ANY = -1 };

typedef struct rl_rule {
  rl_may may;
  bool deny;
  rl_rule_type type;
  int port;             // of a net rule
  uint8_t address[16];  // IPv4 as ::ffff:a.b.c.d
  int bits;
  const char *text;  // in `flag`, after the '='
  char *flag;        // canonical: "allow-net=127.0.0.1:80"
} rl_rule;

typedef struct rl_rules {
  rl_rule *items;
  int count, cap;
} rl_rules;

// Reads "allow-net=...", and adds its rules. Negative: `why` is a sentence.
int rl_rules_add(rl_rules *rules, const char *word, char why[RL_REFUSAL]);
void rl_rules_free(rl_rules *rules);

const char *rl_may_name(rl_may may);
// IPv4 as mapped IPv6. False: of another family.
bool rl_address_bits(const struct sockaddr *sa, uint8_t out[16]);
// The canonical path of the program, as execvp would find it. Negative: there is none.
int rl_find_program(const char *program, const char *cwd, char real[PATH_MAX]);

#endif
