// Compression: what is the same for every format.
#include "runtime/cpu/zip.h"

#include "runtime/base/error.h"

#include <errno.h>
#include <string.h>

enum { ROOM = 64 * 1024 };  // of output offered at a time, at first

static int open_codec(rl_zip *z, rl_zip_format format, bool compress, int level) {
  memset(z, 0, sizeof *z);
  z->format = format;
  switch (format) {
    case RL_ZIP_ZSTD: return rl_zip_zstd_open(z, compress, level);
    case RL_ZIP_BROTLI: return rl_zip_brotli_open(z, compress, level);
    default: return rl_zip_zlib_open(z, compress, level);
  }
}

int rl_zip_open_compressor(rl_zip *z, rl_zip_format format, int level) {
  static const int defaults[] = {6, 6, 6, 3, 6};
  return open_codec(z, format, true, level == RL_ZIP_LEVEL_DEFAULT ? defaults[format] : level);
}

int rl_zip_open_decompressor(rl_zip *z, rl_zip_format format, uint64_t limit) {
  int err = open_codec(z, format, false, 0);
  z->limit = limit;
  z->decompressing = z->hungry = true;
  return err;
}

void rl_zip_close(rl_zip *z) {
  if (z->state) z->codec->close(z);
  memset(z, 0, sizeof *z);
}

bool rl_zip_level_ok(rl_zip_format format, int level) {
  static const int lowest[] = {0, 0, 0, -7, 0}, highest[] = {9, 9, 9, 22, 11};
  return level >= lowest[format] && level <= highest[format];
}

void rl_zip_feed(rl_zip *z, const void *data, size_t size, rl_zip_mode mode) {
  z->in = data;
  z->in_size = size;
  z->mode = mode;
  if (size > 0) z->hungry = false;
}

static int fail(rl_zip *z, const char *problem) {
  z->problem = problem;
  return RL_INVALID;
}

static int at_end(rl_zip *z) {
  z->ended = true;
  return z->in_size == 0 ? 0 : 1;
}

// What follows the end of a stream: another one, where the format allows it.
static int begin_next(rl_zip *z) {
  if (!z->codec->again) return fail(z, "bytes follow the end");
  z->ended = false;
  return z->codec->again(z);
}

int rl_zip_step(rl_zip *z, rl_buf *out, size_t quota) {
  size_t left = z->in_size, before = rl_buf_len(out);
  for (;;) {
    if (z->ended && z->in_size > 0) {
      int err = begin_next(z);
      if (err < 0) return err;
    }
    if (z->ended) return 0;
    size_t room = quota < ROOM ? quota : ROOM, made = 0;
    if (!rl_buf_reserve(out, room)) return -ENOMEM;
    int verdict = z->hungry
                      ? RL_ZIP_HUNGRY
                      : z->codec->step(z, (uint8_t *)rl_buf_tail(out), rl_buf_room(out), &made);
    if (verdict < 0) return verdict;
    rl_buf_added(out, made);
    z->made += made;
    if (z->limit && z->made > z->limit) return RL_LIMIT;
    if (verdict == RL_ZIP_END) {
      int more = at_end(z);
      if (!more) return 0;
    } else if (verdict == RL_ZIP_HUNGRY) {
      z->hungry = z->decompressing;
      return z->mode == RL_ZIP_FINISH ? fail(z, "the data is cut short") : 0;
    }
    if (rl_buf_len(out) - before >= quota || left - z->in_size >= quota) return 1;
  }
}
