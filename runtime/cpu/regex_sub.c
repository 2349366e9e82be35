// Replacing matches by a text with references to groups.
#include "runtime/base/error.h"
#include "runtime/cpu/regex.h"

#include <errno.h>
#include <string.h>

const char *rl_regex_template_problem(const rl_regex *re, const char *with, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (with[i] != '%') continue;
    char c = ++i < size ? with[i] : '\0';
    if (c == '%') continue;
    if (c < '0' || c > '9') return "invalid use of '%' in replacement string";
    uint32_t group = (uint32_t)(c - '0');
    if (group > re->groups && group != 1) return "invalid capture index in replacement string";
  }
  return NULL;
}

static bool put_group(rl_buf *out, const char *text, const size_t *spans, uint32_t group) {
  if (spans[2 * group] == SIZE_MAX) return true;
  return rl_buf_put(out, text + spans[2 * group], spans[2 * group + 1] - spans[2 * group]);
}

static bool put_template(rl_buf *out, const rl_regex *re, const char *text, const size_t *spans,
                         const char *with, size_t size) {
  const char *end = with + size;
  for (;;) {
    const char *mark = memchr(with, '%', (size_t)(end - with));
    if (!mark) return rl_buf_put(out, with, (size_t)(end - with));
    if (!rl_buf_put(out, with, (size_t)(mark - with))) return false;
    uint32_t group = (uint32_t)(mark[1] - '0');
    bool ok = mark[1] == '%' ? rl_buf_put(out, "%", 1)
                             : put_group(out, text, spans, group > re->groups ? 0 : group);
    if (!ok) return false;
    with = mark + 2;
  }
}

int rl_regex_substitute(rl_matcher *m, const rl_regex *re, rl_subject *s, const char *with,
                        size_t with_size, size_t max, rl_buf *out, size_t *count,
                        const atomic_bool *cancelled) {
  size_t past = s->from;
  for (*count = 0; *count < max; ++*count) {
    if (cancelled && atomic_load_explicit(cancelled, memory_order_relaxed)) return RL_CANCELLED;
    const size_t *spans;
    int r = rl_matcher_match(m, re, s, &spans, cancelled);
    if (r < 0) return r;
    if (r == 0) break;
    if (!rl_buf_put(out, s->text + past, spans[0] - past)) return -ENOMEM;
    if (!put_template(out, re, s->text, spans, with, with_size)) return -ENOMEM;
    past = s->from = spans[1];
    s->not_empty = true;
  }
  return rl_buf_put(out, s->text + past, s->size - past) ? 0 : -ENOMEM;
}
