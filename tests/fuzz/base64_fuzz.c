// Any bytes as base64: what is accepted is what encoding its bytes gives, to the letter; and any
// bytes survive encoding.
#include "runtime/base/error.h"
#include "runtime/wire/base64.h"
#include "runtime/wire/hex.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const char *text, size_t size, rl_base64_alphabet alphabet) {
  char *plain = malloc(rl_base64_decoded_size(size)), *coded = malloc(size + 8);
  size_t bad = 0;
  ptrdiff_t n = rl_base64_decode(plain, text, size, alphabet, true, &bad);
  if (n >= 0) {
    size_t length = rl_base64_encode(coded, plain, (size_t)n, alphabet, true);
    if (length != size || memcmp(coded, text, size) != 0) abort();
  } else if (bad > size) {
    abort();
  }
  free(plain);
  free(coded);
}

static void encode(const void *data, size_t size, rl_base64_alphabet alphabet, bool padded) {
  size_t length = rl_base64_encoded_size(size, padded), bad;
  char *coded = malloc(length + 1), *plain = malloc(rl_base64_decoded_size(length));
  if (rl_base64_encode(coded, data, size, alphabet, padded) != length) abort();
  if (rl_base64_decode(plain, coded, length, alphabet, padded, &bad) != (ptrdiff_t)size) abort();
  if (size > 0 && memcmp(plain, data, size) != 0) abort();
  free(coded);
  free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  for (int alphabet = RL_BASE64; alphabet <= RL_BASE64_URL; alphabet++) {
    decode((const char *)data, size, (rl_base64_alphabet)alphabet);
    encode(data, size, (rl_base64_alphabet)alphabet, true);
    encode(data, size, (rl_base64_alphabet)alphabet, false);
  }
  char *plain = malloc(size + 1);
  size_t bad = 0;
  if (rl_hex_decode(plain, (const char *)data, size, &bad) < 0 && bad > size) abort();
  free(plain);
  return 0;
}
