// Any bytes as percent-encoding: decoding ends inside of its input, and encoding what came out
// brings it back.
#include "runtime/base/error.h"
#include "runtime/wire/percent.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_form(const char *text, size_t size, bool form) {
  char *plain = malloc(size + 1), *coded = malloc(3 * size + 1), *again = malloc(3 * size + 1);
  size_t bad = 0;
  ptrdiff_t n = rl_percent_decode(plain, text, size, form, &bad);
  if (n < 0 && (bad >= size || text[bad] != '%')) abort();
  if (n > (ptrdiff_t)size) abort();
  if (n >= 0) {
    size_t length = rl_percent_encode(coded, plain, (size_t)n, form);
    ptrdiff_t m = rl_percent_decode(again, coded, length, form, &bad);
    if (m != n || memcmp(again, plain, (size_t)n) != 0) abort();
  }
  free(plain);
  free(coded);
  free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try_form((const char *)data, size, false);
  try_form((const char *)data, size, true);
  return 0;
}
