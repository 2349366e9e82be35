// Brotli.
#include "runtime/base/error.h"
#include "runtime/cpu/zip.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <errno.h>

static int compress_step(rl_zip *z, uint8_t *out, size_t room, size_t *made) {
  size_t bite = rl_zip_bite(z), in_left = bite, out_left = room;
  const uint8_t *in = z->in;
  bool last = bite == z->in_size;
  BrotliEncoderOperation how = !last || z->mode == RL_ZIP_GO ? BROTLI_OPERATION_PROCESS
                               : z->mode == RL_ZIP_FLUSH     ? BROTLI_OPERATION_FLUSH
                                                             : BROTLI_OPERATION_FINISH;
  BROTLI_BOOL ok = BrotliEncoderCompressStream(z->state, how, &in_left, &in, &out_left, &out, NULL);
  *made = room - out_left;
  rl_zip_took(z, bite - in_left);
  if (!ok) return -ENOMEM;
  if (BrotliEncoderIsFinished(z->state)) return RL_ZIP_END;
  return z->in_size > 0 || BrotliEncoderHasMoreOutput(z->state) ? RL_ZIP_MORE : RL_ZIP_HUNGRY;
}

static int decompress_step(rl_zip *z, uint8_t *out, size_t room, size_t *made) {
  size_t bite = rl_zip_bite(z), in_left = bite, out_left = room;
  const uint8_t *in = z->in;
  BrotliDecoderResult r =
      BrotliDecoderDecompressStream(z->state, &in_left, &in, &out_left, &out, NULL);
  *made = room - out_left;
  rl_zip_took(z, bite - in_left);
  switch (r) {
    case BROTLI_DECODER_RESULT_SUCCESS: return RL_ZIP_END;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
      return z->in_size > 0 ? RL_ZIP_MORE : RL_ZIP_HUNGRY;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: return RL_ZIP_MORE;
    default: break;
  }
  z->problem = BrotliDecoderErrorString(BrotliDecoderGetErrorCode(z->state));
  return RL_INVALID;
}

static void close_compressor(rl_zip *z) { BrotliEncoderDestroyInstance(z->state); }
static void close_decompressor(rl_zip *z) { BrotliDecoderDestroyInstance(z->state); }

static const rl_zip_codec compressor = {compress_step, NULL, close_compressor};
static const rl_zip_codec decompressor = {decompress_step, NULL, close_decompressor};

int rl_zip_brotli_open(rl_zip *z, bool compress, int level) {
  if (compress) {
    BrotliEncoderState *e = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    if (!e) return -ENOMEM;
    BrotliEncoderSetParameter(e, BROTLI_PARAM_QUALITY, (uint32_t)level);
    z->state = e;
  } else {
    z->state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
  }
  z->codec = compress ? &compressor : &decompressor;
  return z->state ? 0 : -ENOMEM;
}
