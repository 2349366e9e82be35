// Regular expressions, by PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/cpu/regex.h"

#include "runtime/base/error.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

enum { HEAP_KIB = 64 * 1024, STACK_FIRST = 64 * 1024, STACK_MAX = 8 * 1024 * 1024 };

static int parse_flags(const char *flags, uint32_t *options, rl_regex_problem *problem) {
  *options = PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT;
  for (const char *f = flags; *f; f++) {
    switch (*f) {
      case 'i': *options |= PCRE2_CASELESS; break;
      case 'm': *options |= PCRE2_MULTILINE; break;
      case 's': *options |= PCRE2_DOTALL; break;
      case 'x': *options |= PCRE2_EXTENDED; break;
      case 'u': *options |= PCRE2_UTF | PCRE2_UCP; break;
      case 'U': *options |= PCRE2_UNGREEDY; break;
      case 'a': *options |= PCRE2_ANCHORED; break;
      case 'n': *options |= PCRE2_NO_AUTO_CAPTURE; break;
      default:
        snprintf(problem->text, sizeof problem->text, "no flag is called '%c'", *f);
        return RL_INVALID;
    }
  }
  return 0;
}

static void read_code(rl_regex *re) {
  uint32_t all = 0;
  pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &re->groups);
  pcre2_pattern_info(re->code, PCRE2_INFO_ALLOPTIONS, &all);  // (*UTF) in the pattern counts
  pcre2_pattern_info(re->code, PCRE2_INFO_NAMECOUNT, &re->name_count);
  pcre2_pattern_info(re->code, PCRE2_INFO_NAMEENTRYSIZE, &re->name_size);
  pcre2_pattern_info(re->code, PCRE2_INFO_NAMETABLE, &re->names);
  re->utf = (all & PCRE2_UTF) != 0;
}

int rl_regex_compile(rl_regex *re, const char *pattern, size_t size, const char *flags,
                     rl_regex_problem *problem) {
  memset(re, 0, sizeof *re);
  memset(problem, 0, sizeof *problem);
  uint32_t options;
  int err = parse_flags(flags, &options, problem);
  if (err < 0) return err;
  int code = 0;
  re->limit = RL_REGEX_LIMIT;
  re->code = pcre2_compile((PCRE2_SPTR)pattern, size, options, &code, &problem->at, NULL);
  if (!re->code) {
    pcre2_get_error_message(code, (PCRE2_UCHAR *)problem->text, sizeof problem->text);
    return code == PCRE2_ERROR_NOMEMORY ? -ENOMEM : RL_INVALID;
  }
  pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE);  // without it, the interpreter does the work
  read_code(re);
  return 0;
}

void rl_regex_free(rl_regex *re) {
  pcre2_code_free(re->code);
  re->code = NULL;
}

int rl_matcher_init(rl_matcher *m, const rl_regex *re) {
  *m = (rl_matcher){0};
  m->data = pcre2_match_data_create_from_pattern(re->code, NULL);
  m->context = pcre2_match_context_create(NULL);
  if (m->data && m->context) {
    pcre2_set_heap_limit(m->context, HEAP_KIB);
    return 0;
  }
  rl_matcher_fini(m);
  return -ENOMEM;
}

void rl_matcher_fini(rl_matcher *m) {
  pcre2_match_data_free(m->data);
  pcre2_match_context_free(m->context);
  pcre2_jit_stack_free(m->stack);
  *m = (rl_matcher){0};
}

// The 32 KiB of the machine stack do for most; a larger one is made when they do not.
static bool grow_stack(rl_matcher *m) {
  if (m->stack) return false;
  m->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MAX, NULL);
  if (m->stack) pcre2_jit_stack_assign(m->context, NULL, m->stack);
  return m->stack != NULL;
}

static int verdict(int r) {
  switch (r) {
    case PCRE2_ERROR_NOMATCH: return 0;
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_RECURSELOOP:
    case PCRE2_ERROR_JIT_STACKLIMIT: return RL_LIMIT;
    case PCRE2_ERROR_NOMEMORY: return -ENOMEM;
    default: return r >= 0 ? 1 : RL_INVALID;
  }
}

int rl_matcher_match(rl_matcher *m, const rl_regex *re, const rl_subject *s, const size_t **spans) {
  uint32_t options =
      (re->utf ? PCRE2_NO_UTF_CHECK : 0) | (s->not_empty ? PCRE2_NOTEMPTY_ATSTART : 0);
  pcre2_set_match_limit(m->context, s->limit);
  pcre2_set_offset_limit(m->context, s->start_limit);
  int r;
  do {
    r = pcre2_match(re->code, (PCRE2_SPTR)s->text, s->size, s->from, options, m->data, m->context);
  } while (r == PCRE2_ERROR_JIT_STACKLIMIT && grow_stack(m));
  size_t *out = pcre2_get_ovector_pointer(m->data);
  if (r > 0 && out[0] > out[1]) out[0] = out[1];  // \K moved the start behind the end
  *spans = out;
  return verdict(r);
}

int rl_matcher_scan(rl_matcher *m, const rl_regex *re, rl_subject *s, size_t max, rl_buf *spans,
                    const atomic_bool *cancelled) {
  size_t each = 2 * sizeof(size_t) * (re->groups + 1);
  for (size_t i = 0; i < max; i++) {
    if (cancelled && atomic_load_explicit(cancelled, memory_order_relaxed)) return RL_CANCELLED;
    const size_t *found;
    int r = rl_matcher_match(m, re, s, &found);
    if (r <= 0) return r;
    if (!rl_buf_put(spans, found, each)) return -ENOMEM;
    s->from = found[1];
    s->not_empty = true;
  }
  return 1;
}
