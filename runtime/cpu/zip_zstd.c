// Zstandard.
#include "runtime/base/error.h"
#include "runtime/cpu/zip.h"

#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

static int refuse(rl_zip *z, size_t code) {
  if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation) return -ENOMEM;
  z->problem = ZSTD_getErrorName(code);
  return RL_INVALID;
}

static int compress_step(rl_zip *z, uint8_t *out, size_t room, size_t *made) {
  ZSTD_inBuffer in = {z->in, rl_zip_bite(z), 0};
  ZSTD_outBuffer to = {out, room, 0};
  bool last = in.size == z->in_size;
  ZSTD_EndDirective how = !last || z->mode == RL_ZIP_GO ? ZSTD_e_continue
                          : z->mode == RL_ZIP_FLUSH     ? ZSTD_e_flush
                                                        : ZSTD_e_end;
  size_t r = ZSTD_compressStream2(z->state, &to, &in, how);
  *made = to.pos;
  rl_zip_took(z, in.pos);
  if (ZSTD_isError(r)) return refuse(z, r);
  if (how == ZSTD_e_end && r == 0) return RL_ZIP_END;
  if (z->in_size > 0 || (how != ZSTD_e_continue && r > 0)) return RL_ZIP_MORE;
  return RL_ZIP_HUNGRY;
}

static int decompress_step(rl_zip *z, uint8_t *out, size_t room, size_t *made) {
  ZSTD_inBuffer in = {z->in, rl_zip_bite(z), 0};
  ZSTD_outBuffer to = {out, room, 0};
  size_t r = ZSTD_decompressStream(z->state, &to, &in);
  *made = to.pos;
  rl_zip_took(z, in.pos);
  if (ZSTD_isError(r)) return refuse(z, r);
  if (r == 0) return RL_ZIP_END;
  return z->in_size == 0 && to.pos < room ? RL_ZIP_HUNGRY : RL_ZIP_MORE;
}

static int decompress_again(rl_zip *z) {
  (void)z;  // the library begins the next frame by itself
  return 0;
}

static void close_compressor(rl_zip *z) { ZSTD_freeCCtx(z->state); }
static void close_decompressor(rl_zip *z) { ZSTD_freeDCtx(z->state); }

static const rl_zip_codec compressor = {compress_step, NULL, close_compressor};
static const rl_zip_codec decompressor = {decompress_step, decompress_again, close_decompressor};

int rl_zip_zstd_open(rl_zip *z, bool compress, int level) {
  if (compress) {
    ZSTD_CCtx *c = ZSTD_createCCtx();
    if (!c) return -ENOMEM;
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    z->state = c;
  } else {
    z->state = ZSTD_createDCtx();
  }
  z->codec = compress ? &compressor : &decompressor;
  return z->state ? 0 : -ENOMEM;
}
