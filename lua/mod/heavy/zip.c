// rille.zip: compression, one-shot and as streams.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/offload.h"
#include "runtime/cpu/zip.h"

#include <string.h>

enum { INLINE_IN = 8 * 1024, INLINE_OUT = 32 * 1024, QUOTA = 1 << 20 };
static const lua_Integer LIMIT_DEFAULT = 1 << 30;

// By rl_zip_format; "deflate" is zlib's format, as in HTTP, unless `raw` is asked for.
static const char *const format_names[] = {"gzip", "zlib", "deflate", "zstd", "brotli", NULL};

static int raise_zip(lua_State *L, int err, const rl_zip *z) {
  const char *name = format_names[z->format];
  if (err == RL_INVALID) return rl_raise(L, "INVALID", "%s: %s", name, z->problem);
  if (err == RL_LIMIT)
    return rl_raise(L, "LIMIT", "%s: more than %I bytes of output", name, (lua_Integer)z->limit);
  return rl_raise_sys(L, err, "zip", NULL, NULL);
}

// Some input to its output: of a whole string, or of the next piece of a stream that a box owns.
typedef struct zip_box zip_box;
typedef struct {
  rl_offload base;
  rl_zip own;  // of a one-shot
  rl_zip *zip;
  zip_box *box;  // of a stream, or NULL
  rl_buf out;
  int err;
  bool settled;  // done before it came to the pool
} zip_job;

struct zip_box {
  rl_box box;
  rl_zip zip;
  bool open, busy;
  bool torn;  // a write was cut short: what follows would not fit
};

static void zip_run(rl_offload *base, const atomic_bool *cancelled) {
  zip_job *j = (zip_job *)base;
  if (j->settled) return;
  do {
    j->err = rl_zip_step(j->zip, &j->out, QUOTA);
  } while (j->err == 1 && !atomic_load_explicit(cancelled, memory_order_relaxed));
}

static int zip_finish(lua_State *L, rl_offload *base) {
  zip_job *j = (zip_job *)base;
  if (j->err < 0) return raise_zip(L, j->err, j->zip);
  lua_pushlstring(L, rl_buf_head(&j->out), rl_buf_len(&j->out));
  if (j->box) j->box->torn = false;
  return 1;
}

static void zip_drop(rl_offload *base) {
  zip_job *j = (zip_job *)base;
  rl_buf_fini(&j->out);
  rl_zip_close(&j->own);
  if (j->box) j->box->busy = false;
}

static zip_job *zip_new(lua_State *L, int pinned) {
  zip_job *j = rl_offload_new(L, sizeof *j, pinned);
  j->base.run = zip_run;
  j->base.finish = zip_finish;
  j->base.drop = zip_drop;
  j->zip = &j->own;
  return j;
}

// Small work is begun at once; what turns out to be large goes on on the pool.
static int zip_start(lua_State *L, zip_job *j) {
  if (j->err == 0 && j->zip->in_size <= INLINE_IN)
    j->err = rl_zip_step(j->zip, &j->out, INLINE_OUT);
  j->settled = j->err < 0 || (j->err == 0 && j->zip->in_size == 0);
  return j->settled ? rl_offload_inline(L, &j->base) : rl_offload_run(L, &j->base);
}

static rl_zip_format format_of(lua_State *L, int options) {
  rl_zip_format format = (rl_zip_format)lua_tointeger(L, lua_upvalueindex(1));
  return format == RL_ZIP_ZLIB && rl_option_bool(L, options, "raw", false) ? RL_ZIP_RAW : format;
}

static int check_level(lua_State *L, int options, rl_zip_format format) {
  lua_Integer level = rl_option_integer(L, options, "level", -100, 100, RL_ZIP_LEVEL_DEFAULT);
  if (level != RL_ZIP_LEVEL_DEFAULT && !rl_zip_level_ok(format, (int)level))
    luaL_argerror(L, options,
                  lua_pushfstring(L, "%s has no level %I", format_names[format], level));
  return (int)level;
}

static int zip_compress(lua_State *L) {
  static const char *const names[] = {"level", "limit", "raw", NULL};
  size_t size;
  const char *data = luaL_checklstring(L, 1, &size);
  rl_check_options(L, 2, names);
  rl_zip_format format = format_of(L, 2);
  int level = check_level(L, 2, format);
  lua_Integer limit = rl_option_integer(L, 2, "limit", 1, INT64_MAX, 0);
  zip_job *j = zip_new(L, 1);
  j->err = rl_zip_open_compressor(&j->own, format, level);
  j->own.limit = (uint64_t)limit;
  rl_zip_feed(&j->own, data, size, RL_ZIP_FINISH);
  return zip_start(L, j);
}

static int zip_decompress(lua_State *L) {
  static const char *const names[] = {"limit", "raw", NULL};
  size_t size;
  const char *data = luaL_checklstring(L, 1, &size);
  rl_check_options(L, 2, names);
  rl_zip_format format = format_of(L, 2);
  lua_Integer limit = rl_option_integer(L, 2, "limit", 1, INT64_MAX, LIMIT_DEFAULT);
  zip_job *j = zip_new(L, 1);
  j->err = rl_zip_open_decompressor(&j->own, format, (uint64_t)limit);
  rl_zip_feed(&j->own, data, size, RL_ZIP_FINISH);
  return zip_start(L, j);
}

static int filter_gc(lua_State *L) {
  zip_box *b = lua_touserdata(L, 1);
  if (b->open) rl_zip_close(&b->zip);
  b->open = false;
  return 0;
}

static int filter_close(lua_State *L);
static int filter_write(lua_State *L);
static int filter_flush(lua_State *L);
static int filter_finish(lua_State *L);

static const luaL_Reg filter_methods[] = {
    {"write", filter_write},
    {"flush", filter_flush},
    {"finish", filter_finish},
    {"close", filter_close},
    {"__close", filter_close},
    {"__gc", filter_gc},
    {NULL, NULL},
};
static const rl_class filter_class = {"rille.ZipFilter", sizeof(zip_box), filter_methods};

static int filter_close(lua_State *L) {
  zip_box *b = rl_check_object(L, 1, &filter_class);
  if (b->busy) return rl_raise(L, "EBUSY", "another task is using the filter");
  return filter_gc(L);
}

static int filter_feed(lua_State *L, const char *data, size_t size, rl_zip_mode mode) {
  zip_box *b = rl_check_object(L, 1, &filter_class);
  if (!b->open) return rl_raise(L, "CLOSED", "the filter is closed");
  if (b->busy) return rl_raise(L, "EBUSY", "another task is using the filter");
  if (b->torn) return rl_raise(L, "BROKEN", "an earlier piece failed or was cancelled");
  lua_createtable(L, 2, 0);
  for (int i = 1; i <= 2; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  zip_job *j = zip_new(L, lua_gettop(L));
  j->zip = &b->zip;
  j->box = b;
  b->busy = b->torn = true;
  rl_zip_feed(&b->zip, data, size, mode);
  return zip_start(L, j);
}

static int filter_write(lua_State *L) {
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  return filter_feed(L, data, size, RL_ZIP_GO);
}

static int filter_flush(lua_State *L) {
  lua_settop(L, 2);
  return filter_feed(L, "", 0, RL_ZIP_FLUSH);
}

static int filter_finish(lua_State *L) {
  lua_settop(L, 2);
  return filter_feed(L, "", 0, RL_ZIP_FINISH);
}

static rl_zip_format check_format(lua_State *L, int index) {
  static const rl_zip_format formats[] = {RL_ZIP_GZIP, RL_ZIP_ZLIB, RL_ZIP_ZLIB, RL_ZIP_ZSTD,
                                          RL_ZIP_BROTLI};
  rl_zip_format format = formats[luaL_checkoption(L, index, NULL, format_names)];
  return format == RL_ZIP_ZLIB && rl_option_bool(L, 2, "raw", false) ? RL_ZIP_RAW : format;
}

static int opened(lua_State *L, zip_box *b, int err) {
  if (err < 0) return rl_raise_sys(L, err, "zip", NULL, NULL);
  b->open = true;
  return 1;
}

static int zip_compressor(lua_State *L) {
  static const char *const names[] = {"level", "raw", NULL};
  rl_check_options(L, 2, names);
  rl_zip_format format = check_format(L, 1);
  int level = check_level(L, 2, format);
  zip_box *b = rl_object_new(L, &filter_class, 0);
  return opened(L, b, rl_zip_open_compressor(&b->zip, format, level));
}

static int zip_decompressor(lua_State *L) {
  static const char *const names[] = {"limit", "raw", NULL};
  rl_check_options(L, 2, names);
  rl_zip_format format = check_format(L, 1);
  lua_Integer limit = rl_option_integer(L, 2, "limit", 1, INT64_MAX, 0);
  zip_box *b = rl_object_new(L, &filter_class, 0);
  return opened(L, b, rl_zip_open_decompressor(&b->zip, format, (uint64_t)limit));
}

static const luaL_Reg functions[] = {
    {"compressor", zip_compressor}, {"decompressor", zip_decompressor}, {NULL, NULL}};

static void add(lua_State *L, const char *name, lua_CFunction f, rl_zip_format format) {
  lua_pushinteger(L, format);
  lua_pushcclosure(L, f, 1);
  lua_setfield(L, -2, name);
}

__attribute__((visibility("default"))) int luaopen_rille_native_zip(lua_State *L) {
  rl_class_open(L, &filter_class);
  luaL_newlib(L, functions);
  add(L, "gzip", zip_compress, RL_ZIP_GZIP);
  add(L, "gunzip", zip_decompress, RL_ZIP_GZIP);
  add(L, "deflate", zip_compress, RL_ZIP_ZLIB);
  add(L, "inflate", zip_decompress, RL_ZIP_ZLIB);
  add(L, "zstd", zip_compress, RL_ZIP_ZSTD);
  add(L, "unzstd", zip_decompress, RL_ZIP_ZSTD);
  add(L, "brotli", zip_compress, RL_ZIP_BROTLI);
  add(L, "unbrotli", zip_decompress, RL_ZIP_BROTLI);
  return 1;
}
