// A pattern, a NUL byte and a subject: whatever they are, matching ends within its steps, and
// matches lie in the subject in order.
#include "runtime/base/error.h"
#include "runtime/cpu/regex.h"
#include "runtime/wire/unicode.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Each match replaced by itself leaves the subject as it was.
static void replace(rl_matcher *m, const rl_regex *re, rl_subject s) {
  rl_buf out;
  rl_buf_init(&out);
  size_t count;
  if (rl_regex_substitute(m, re, &s, "%0", 2, 200, &out, &count, NULL) == 0) {
    if (rl_buf_len(&out) != s.size) abort();
    if (s.size > 0 && memcmp(rl_buf_head(&out), s.text, s.size) != 0) abort();
  }
  rl_buf_fini(&out);
}

static void scan(const rl_regex *re, const char *text, size_t size) {
  rl_matcher m;
  if (rl_matcher_init(&m, re) != 0) abort();
  rl_subject s = {.text = text, .size = size, .start_limit = SIZE_MAX, .limit = 5000};
  rl_buf spans;
  rl_buf_init(&spans);
  if (!re->utf || rl_utf8_valid(text, size)) {
    rl_matcher_scan(&m, re, &s, 200, &spans, NULL);
    size_t each = 2 * (re->groups + 1), end = 0;
    const size_t *at = (const size_t *)(const void *)spans.data;
    for (size_t n = rl_buf_len(&spans) / (each * sizeof *at); n > 0; n--, at += each) {
      if (at[0] > at[1] || at[1] > size || at[1] < end) abort();
      end = at[1];
    }
    s.from = 0;
    s.not_empty = false;
    replace(&m, re, s);
  }
  rl_buf_fini(&spans);
  rl_matcher_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *split = size ? memchr(data, 0, size) : NULL;
  if (!split || split == data) return 0;
  static const char *const flags[] = {"", "i", "ms", "u", "ux", "U", "n", "a"};
  rl_regex re;
  rl_regex_problem problem;
  size_t pattern = (size_t)(split - data) - 1;
  int err = rl_regex_compile(&re, (const char *)data + 1, pattern, flags[data[0] % 8], &problem);
  if (err == RL_INVALID && (problem.at > pattern || !problem.text[0])) abort();
  if (err == 0) scan(&re, (const char *)split + 1, size - pattern - 2);
  rl_regex_free(&re);
  return 0;
}
