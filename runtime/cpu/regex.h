// Regular expressions: PCRE2 with its JIT and with limits. A compiled expression may be used by
// many threads; a matcher by one at a time.
#ifndef RL_CPU_REGEX_H
#define RL_CPU_REGEX_H

#include "runtime/base/buf.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
  RL_REGEX_LIMIT_SMALL = 20000,  // steps: a fraction of a millisecond
  RL_REGEX_LIMIT = 10000000,
  RL_REGEX_BUDGET_SMALL = 1000000,  // ns
};

typedef struct rl_regex {
  struct pcre2_real_code_8 *code;
  uint32_t groups;  // captures, without the whole match
  uint32_t limit;   // steps of one match at most
  bool utf;         // subjects must be valid UTF-8
  bool whole;       // a search must not be cut into windows: \G means where it begins
  uint32_t name_count, name_size;
  const char *names;  // entries of name_size: two bytes of group number, a name ended by NUL
} rl_regex;

typedef struct rl_regex_problem {
  char text[256];
  size_t at;  // offset in the pattern, or RL_REGEX_NOWHERE: it is the flags
} rl_regex_problem;

#define RL_REGEX_NOWHERE SIZE_MAX

// `flags` of "imsxuUan"; RL_INVALID with the problem if one is unknown or the pattern is wrong;
// -ENOMEM.
int rl_regex_compile(rl_regex *re, const char *pattern, size_t size, const char *flags,
                     rl_regex_problem *problem);
void rl_regex_free(rl_regex *re);

typedef struct rl_matcher {
  struct pcre2_real_match_data_8 *data;
  struct pcre2_real_match_context_8 *context;
  struct pcre2_real_jit_stack_8 *stack;
} rl_matcher;

int rl_matcher_init(rl_matcher *m, const rl_regex *re);
void rl_matcher_fini(rl_matcher *m);

typedef struct rl_subject {
  const char *text;
  size_t size, from;
  size_t start_limit;  // a match must start at or before; SIZE_MAX: anywhere
  uint32_t limit;      // steps from one starting place
  uint64_t budget;     // ns for a match; 0: a second of processor time, and 50 ns a byte
  bool not_empty;      // not the empty match at `from`
} rl_subject;

// 1: matched, and `*spans` points to 2 * (groups + 1) offsets that live until the next call,
// SIZE_MAX for a group that took no part; 0: no match; RL_LIMIT: too many steps or too deep.
int rl_matcher_match(rl_matcher *m, const rl_regex *re, const rl_subject *s, const size_t **spans,
                     const atomic_bool *cancelled);

// Appends the spans of up to `max` matches, none empty right behind another, and moves s->from on.
// 1: there may be more.
int rl_matcher_scan(rl_matcher *m, const rl_regex *re, rl_subject *s, size_t max, rl_buf *spans,
                    const atomic_bool *cancelled);

// Appends the text between s->from and each of up to `max` matches, and `with` in the place of the
// match: in it "%0" to "%9" stand for groups ("%1" for the match where there are none), "%%" for
// "%". rl_regex_template_problem has found none in `with`. 0, or an error; `*count` matches were
// replaced, and the rest of the subject is appended too.
int rl_regex_substitute(rl_matcher *m, const rl_regex *re, rl_subject *s, const char *with,
                        size_t with_size, size_t max, rl_buf *out, size_t *count,
                        const atomic_bool *cancelled);
// NULL, or what is wrong with it.
const char *rl_regex_template_problem(const rl_regex *re, const char *with, size_t size);

#endif
