// Compression as a stream: gzip, zlib, raw deflate, zstd, Brotli, one face for both directions. Any
// thread, one at a time per stream.
#ifndef RL_CPU_ZIP_H
#define RL_CPU_ZIP_H

#include "runtime/base/buf.h"

#include <stdint.h>

typedef enum { RL_ZIP_GZIP, RL_ZIP_ZLIB, RL_ZIP_RAW, RL_ZIP_ZSTD, RL_ZIP_BROTLI } rl_zip_format;
typedef enum { RL_ZIP_GO, RL_ZIP_FLUSH, RL_ZIP_FINISH } rl_zip_mode;
enum { RL_ZIP_LEVEL_DEFAULT = -1000 };

typedef struct rl_zip rl_zip;
struct rl_zip {
  const struct rl_zip_codec *codec;
  rl_zip_format format;
  void *state;        // of the codec
  const uint8_t *in;  // what has been fed and not yet taken
  size_t in_size;
  rl_zip_mode mode;
  uint64_t made, limit;  // bytes of output so far, and at most
  bool decompressing;
  bool hungry;          // of a decompressor: without input it would give nothing
  bool ended;           // a whole stream has been seen or made
  const char *problem;  // of a failure with RL_INVALID
};

// Negative: -ENOMEM. `limit` 0: none. A zeroed rl_zip may be closed.
int rl_zip_open_compressor(rl_zip *z, rl_zip_format format, int level);
int rl_zip_open_decompressor(rl_zip *z, rl_zip_format format, uint64_t limit);
void rl_zip_close(rl_zip *z);
bool rl_zip_level_ok(rl_zip_format format, int level);

// The bytes to work on next; they stay where they are until rl_zip_step has answered 0.
void rl_zip_feed(rl_zip *z, const void *data, size_t size, rl_zip_mode mode);
// Appends to `out` until about `quota` bytes more are in it or so many have been taken: 1, or there
// is nothing more to do: 0. RL_INVALID: malformed or cut short; RL_LIMIT: more output than allowed;
// -ENOMEM.
int rl_zip_step(rl_zip *z, rl_buf *out, size_t quota);

// What each library provides; `step` takes from z->in and writes to `out`.
typedef enum { RL_ZIP_HUNGRY, RL_ZIP_MORE, RL_ZIP_END } rl_zip_verdict;
typedef struct rl_zip_codec {
  int (*step)(rl_zip *z, uint8_t *out, size_t room, size_t *made);  // a verdict or an error
  int (*again)(rl_zip *z);  // another stream may follow the first; NULL: it may not
  void (*close)(rl_zip *z);
} rl_zip_codec;

int rl_zip_zlib_open(rl_zip *z, bool compress, int level);
int rl_zip_zstd_open(rl_zip *z, bool compress, int level);
int rl_zip_brotli_open(rl_zip *z, bool compress, int level);

enum { RL_ZIP_BITE = 256 * 1024 };  // input taken in one step, so that work can be interrupted
static inline size_t rl_zip_bite(const rl_zip *z) {
  return z->in_size < RL_ZIP_BITE ? z->in_size : RL_ZIP_BITE;
}
static inline void rl_zip_took(rl_zip *z, size_t n) {
  z->in += n;
  z->in_size -= n;
}

#endif
