// Any bytes as compressed data: the first byte chooses the format and how the rest is cut. What is
// accepted comes back the same after a round trip; output stays within its limit.
#include "runtime/base/error.h"
#include "runtime/cpu/zip.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 1 << 20, QUOTA = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int drive(rl_zip *z, rl_buf *out) {
  int r;
  while ((r = rl_zip_step(z, out, QUOTA)) == 1) {}
  return r;
}

static int unpack(rl_zip_format format, const uint8_t *data, size_t size, size_t cut, rl_buf *out) {
  rl_zip z;
  int r = rl_zip_open_decompressor(&z, format, LIMIT);
  if (r == 0) rl_zip_feed(&z, data, cut, RL_ZIP_GO);
  if (r == 0) r = drive(&z, out);
  if (r == 0) rl_zip_feed(&z, data + cut, size - cut, RL_ZIP_FINISH);
  if (r == 0) r = drive(&z, out);
  if (r == RL_INVALID && !z.problem) abort();
  rl_zip_close(&z);
  return r;
}

static void again(rl_zip_format format, const rl_buf *plain) {
  rl_zip z;
  rl_buf packed, out;
  rl_buf_init(&packed);
  rl_buf_init(&out);
  if (rl_zip_open_compressor(&z, format, 1) != 0) abort();
  rl_zip_feed(&z, rl_buf_len(plain) ? rl_buf_head(plain) : "", rl_buf_len(plain), RL_ZIP_FINISH);
  if (drive(&z, &packed) != 0) abort();
  rl_zip_close(&z);
  if (unpack(format, (uint8_t *)rl_buf_head(&packed), rl_buf_len(&packed), 0, &out) != 0) abort();
  if (rl_buf_len(&out) != rl_buf_len(plain)) abort();
  if (rl_buf_len(plain) && memcmp(rl_buf_head(&out), rl_buf_head(plain), rl_buf_len(plain)) != 0)
    abort();
  rl_buf_fini(&packed);
  rl_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  rl_zip_format format = (rl_zip_format)(data[0] % 5);
  size_t cut = (size - 1) * (data[0] / 5) / 52;
  rl_buf out;
  rl_buf_init(&out);
  if (unpack(format, data + 1, size - 1, cut, &out) == 0) again(format, &out);
  if (rl_buf_len(&out) > LIMIT + (1 << 18)) abort();
  rl_buf_fini(&out);
  return 0;
}
