// Regular expressions, by PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/cpu/regex.h"

#include "runtime/base/error.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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
        problem->at = RL_REGEX_NOWHERE;
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
  re->whole = memmem(pattern, size, "\\G", 2) != NULL;
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

typedef struct {
  size_t from, last;  // starting places
  bool not_empty;
} window;

static int match_window(rl_matcher *m, const rl_regex *re, const rl_subject *s, const window *w,
                        const size_t **spans) {
  uint32_t options =
      (re->utf ? PCRE2_NO_UTF_CHECK : 0) | (w->not_empty ? PCRE2_NOTEMPTY_ATSTART : 0);
  pcre2_set_match_limit(m->context, s->limit);
  pcre2_set_offset_limit(m->context, w->last);
  int r;
  do {
    r = pcre2_match(re->code, (PCRE2_SPTR)s->text, s->size, w->from, options, m->data, m->context);
  } while (r == PCRE2_ERROR_JIT_STACKLIMIT && grow_stack(m));
  size_t *out = pcre2_get_ovector_pointer(m->data);
  if (r > 0 && out[0] > out[1]) out[0] = out[1];  // \K moved the start behind the end
  *spans = out;
  return verdict(r);
}

static uint64_t clock_ns(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static size_t next_start(const rl_regex *re, const rl_subject *s, size_t at) {
  at++;
  while (re->utf && at < s->size && (s->text[at] & 0xc0) == 0x80) at++;
  return at;
}

// PCRE2 counts steps anew for each starting place, and cannot be stopped: so the search goes by
// windows of starting places, wide where they are done soon and narrow where they are not, with a
// look at the clock and the flag between them.
int rl_matcher_match(rl_matcher *m, const rl_regex *re, const rl_subject *s, const size_t **spans,
                     const atomic_bool *cancelled) {
  enum { FEW = 64, WIDEN = 16, SOON_NS = 200000, LATE_NS = 2000000 };
  const uint64_t budget = s->budget ? s->budget : UINT64_C(1000000000) + 50 * (uint64_t)s->size;
  const clockid_t id = s->budget ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
  const bool few = s->size - s->from <= FEW && s->limit <= RL_REGEX_LIMIT_SMALL;
  window w = {s->from, s->start_limit, s->not_empty};
  if (re->whole || few) return match_window(m, re, s, &w, spans);
  uint64_t begun = clock_ns(id), before = begun;
  for (size_t width = 1;;) {
    bool last = s->size - w.from < width || s->start_limit - w.from < width;
    w.last = last ? s->start_limit : w.from + width - 1;
    int r = match_window(m, re, s, &w, spans);
    if (r != 0 || last) return r;
    if (cancelled && atomic_load_explicit(cancelled, memory_order_relaxed)) return RL_CANCELLED;
    uint64_t now = clock_ns(id), took = now - before;
    if (now - begun > budget) return RL_LIMIT;
    if (took < SOON_NS) width *= WIDEN;
    if (took > LATE_NS) width = width * LATE_NS / took + 1;
    before = now;
    w.from = next_start(re, s, w.last);
    w.not_empty = false;
    if (w.from > s->size) return 0;
  }
}

int rl_matcher_scan(rl_matcher *m, const rl_regex *re, rl_subject *s, size_t max, rl_buf *spans,
                    const atomic_bool *cancelled) {
  size_t each = 2 * sizeof(size_t) * (re->groups + 1);
  for (size_t i = 0; i < max; i++) {
    if (cancelled && atomic_load_explicit(cancelled, memory_order_relaxed)) return RL_CANCELLED;
    const size_t *found;
    int r = rl_matcher_match(m, re, s, &found, cancelled);
    if (r <= 0) return r;
    if (!rl_buf_put(spans, found, each)) return -ENOMEM;
    s->from = found[1];
    s->not_empty = true;
  }
  return 1;
}
