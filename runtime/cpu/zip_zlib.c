// gzip, zlib and raw deflate, by zlib.
#include "runtime/base/error.h"
#include "runtime/cpu/zip.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

static void offer(rl_zip *z, z_stream *s, uint8_t *out, size_t room) {
  s->next_in = (Bytef *)z->in;
  s->avail_in = (uInt)rl_zip_bite(z);
  s->next_out = out;
  s->avail_out = room > UINT_MAX ? UINT_MAX : (uInt)room;
}

static int inflate_step(rl_zip *z, uint8_t *out, size_t room, size_t *made) {
  z_stream *s = z->state;
  offer(z, s, out, room);
  int r = inflate(s, Z_NO_FLUSH);
  *made = (size_t)(s->next_out - out);
  rl_zip_took(z, (size_t)(s->next_in - z->in));
  switch (r) {
    case Z_STREAM_END: return RL_ZIP_END;
    case Z_OK:
    case Z_BUF_ERROR: return z->in_size == 0 && s->avail_out > 0 ? RL_ZIP_HUNGRY : RL_ZIP_MORE;
    case Z_MEM_ERROR: return -ENOMEM;
    case Z_NEED_DICT: z->problem = "a preset dictionary is needed"; return RL_INVALID;
    default: z->problem = s->msg ? s->msg : "malformed data"; return RL_INVALID;
  }
}

static int deflate_step(rl_zip *z, uint8_t *out, size_t room, size_t *made) {
  z_stream *s = z->state;
  offer(z, s, out, room);
  bool last = s->avail_in == z->in_size;
  int flush = !last || z->mode == RL_ZIP_GO ? Z_NO_FLUSH
              : z->mode == RL_ZIP_FLUSH     ? Z_SYNC_FLUSH
                                            : Z_FINISH;
  int r = deflate(s, flush);
  *made = (size_t)(s->next_out - out);
  rl_zip_took(z, (size_t)(s->next_in - z->in));
  if (r == Z_STREAM_END) return RL_ZIP_END;
  if (r != Z_OK && r != Z_BUF_ERROR) return -ENOMEM;
  return z->in_size == 0 && s->avail_out > 0 ? RL_ZIP_HUNGRY : RL_ZIP_MORE;
}

static int inflate_again(rl_zip *z) { return inflateReset(z->state) == Z_OK ? 0 : -ENOMEM; }

static void close_deflate(rl_zip *z) {
  deflateEnd(z->state);
  free(z->state);
}

static void close_inflate(rl_zip *z) {
  inflateEnd(z->state);
  free(z->state);
}

static const rl_zip_codec deflate_codec = {deflate_step, NULL, close_deflate};
static const rl_zip_codec inflate_codec = {inflate_step, NULL, close_inflate};
static const rl_zip_codec gunzip_codec = {inflate_step, inflate_again, close_inflate};

int rl_zip_zlib_open(rl_zip *z, bool compress, int level) {
  int bits = z->format == RL_ZIP_GZIP ? 31 : z->format == RL_ZIP_RAW ? -15 : 15;
  z_stream *s = calloc(1, sizeof *s);
  if (!s) return -ENOMEM;
  int r = compress ? deflateInit2(s, level, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY)
                   : inflateInit2(s, bits);
  if (r != Z_OK) {
    free(s);
    return -ENOMEM;
  }
  z->state = s;
  z->codec = compress ? &deflate_codec : z->format == RL_ZIP_GZIP ? &gunzip_codec : &inflate_codec;
  return 0;
}
