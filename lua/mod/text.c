// rille.text: base64, hex, percent-encoding, UTF-8, shell quoting.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/offload.h"
#include "runtime/wire/base64.h"
#include "runtime/wire/hex.h"
#include "runtime/wire/percent.h"
#include "runtime/wire/unicode.h"

#include <stdlib.h>
#include <string.h>

enum { INLINE_BYTES = 64 * 1024, BYTES_PER_US = 1000 };

int rl_open_text(lua_State *L);

// A kernel: bytes to bytes. The count written, or RL_INVALID with the offset of what is malformed.
typedef struct {
  bool form, padded;
} text_how;

typedef struct {
  const char *what;  // for errors: "base64"
  ptrdiff_t (*run)(char *out, const char *in, size_t n, text_how how, size_t *bad);
  size_t (*room)(size_t n);
} text_kernel;

static ptrdiff_t to_base64(char *out, const char *in, size_t n, text_how how, size_t *bad) {
  (void)bad;
  return (ptrdiff_t)rl_base64_encode(out, in, n, RL_BASE64, how.padded);
}
static ptrdiff_t to_base64url(char *out, const char *in, size_t n, text_how how, size_t *bad) {
  (void)bad;
  return (ptrdiff_t)rl_base64_encode(out, in, n, RL_BASE64_URL, how.padded);
}
static ptrdiff_t from_base64(char *out, const char *in, size_t n, text_how how, size_t *bad) {
  return rl_base64_decode(out, in, n, RL_BASE64, how.padded, bad);
}
static ptrdiff_t from_base64url(char *out, const char *in, size_t n, text_how how, size_t *bad) {
  return rl_base64_decode(out, in, n, RL_BASE64_URL, how.padded, bad);
}
static ptrdiff_t to_hex(char *out, const char *in, size_t n, text_how how, size_t *bad) {
  (void)how;
  (void)bad;
  rl_hex_encode(out, in, n);
  return (ptrdiff_t)(2 * n);
}
static ptrdiff_t from_hex(char *out, const char *in, size_t n, text_how how, size_t *bad) {
  (void)how;
  return rl_hex_decode(out, in, n, bad);
}
static ptrdiff_t to_url(char *out, const char *in, size_t n, text_how how, size_t *bad) {
  (void)bad;
  return (ptrdiff_t)rl_percent_encode(out, in, n, how.form);
}
static ptrdiff_t from_url(char *out, const char *in, size_t n, text_how how, size_t *bad) {
  return rl_percent_decode(out, in, n, how.form, bad);
}
static ptrdiff_t check_utf8(char *out, const char *in, size_t n, text_how how, size_t *bad) {
  (void)out;
  (void)how;
  if (rl_utf8_valid(in, n)) return 0;
  *bad = rl_utf8_first_bad(in, n);
  return RL_INVALID;
}

static size_t room_base64(size_t n) { return n / 3 * 4 + 4; }
static size_t room_same(size_t n) { return n + 3; }
static size_t room_double(size_t n) { return 2 * n; }
static size_t room_triple(size_t n) { return 3 * n; }
static size_t room_none(size_t n) {
  (void)n;
  return 0;
}

enum { UTF8 = 8, KERNELS };
static const text_kernel kernels[KERNELS] = {
    {"base64", to_base64, room_base64},
    {"base64", from_base64, room_same},
    {"base64url", to_base64url, room_base64},
    {"base64url", from_base64url, room_same},
    {"hex", to_hex, room_double},
    {"hex", from_hex, room_same},
    {"url", to_url, room_triple},
    {"url", from_url, room_same},
    [UTF8] = {"utf8", check_utf8, room_none},
};

typedef struct {
  rl_offload base;
  int kernel;
  text_how how;
  const char *in;
  size_t size, bad;
  char *out;
  ptrdiff_t made;
} text_job;

static void text_run(rl_offload *base, const atomic_bool *cancelled) {
  (void)cancelled;
  text_job *j = (text_job *)base;
  j->made = kernels[j->kernel].run(j->out, j->in, j->size, j->how, &j->bad);
}

static int push_verdict(lua_State *L, bool valid, size_t bad) {
  lua_pushboolean(L, valid);
  if (valid) return 1;
  lua_pushinteger(L, (lua_Integer)bad + 1);
  return 2;
}

static int raise_malformed(lua_State *L, int kernel, size_t bad) {
  return rl_raise(L, "INVALID", "malformed %s at byte %I", kernels[kernel].what,
                  (lua_Integer)bad + 1);
}

static int text_finish(lua_State *L, rl_offload *base) {
  text_job *j = (text_job *)base;
  if (j->kernel == UTF8) return push_verdict(L, j->made >= 0, j->bad);
  if (j->made < 0) return raise_malformed(L, j->kernel, j->bad);
  lua_pushlstring(L, j->out, (size_t)j->made);
  return 1;
}

static void text_drop(rl_offload *base) { free(((text_job *)base)->out); }

static text_how check_how(lua_State *L, int kernel) {
  static const char *const pad_names[] = {"pad", NULL}, *const form_names[] = {"form", NULL},
                           *const none[] = {NULL};
  bool base64 = kernel < 4, url = kernel == 6 || kernel == 7;
  rl_check_options(L, 2, base64 ? pad_names : url ? form_names : none);
  text_how how = {.form = url && rl_option_bool(L, 2, "form", false),
                  .padded = base64 && rl_option_bool(L, 2, "pad", kernel < 2)};
  return how;
}

static int text_now(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  int kernel = (int)ctx;
  size_t size, bad = 0;
  const char *in = lua_tolstring(L, 1, &size);
  text_how how = check_how(L, kernel);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, kernels[kernel].room(size));
  ptrdiff_t made = kernels[kernel].run(out, in, size, how, &bad);
  if (kernel == UTF8) return push_verdict(L, made >= 0, bad);
  if (made < 0) return raise_malformed(L, kernel, bad);
  luaL_pushresultsize(&b, (size_t)made);
  return 1;
}

static int text_convert(lua_State *L) {
  int kernel = (int)lua_tointeger(L, lua_upvalueindex(1));
  size_t size;
  const char *in = luaL_checklstring(L, 1, &size);
  text_how how = check_how(L, kernel);
  if (size <= INLINE_BYTES) {
    rl_checkpoint(L);
    return rl_work_now(L, size / BYTES_PER_US, text_now, kernel);
  }
  text_job *j = rl_offload_new(L, sizeof *j, 1);
  j->base.run = text_run;
  j->base.finish = text_finish;
  j->base.drop = text_drop;
  j->kernel = kernel;
  j->how = how;
  j->in = in;
  j->size = size;
  j->out = malloc(kernels[kernel].room(size) + 1);
  if (j->out) return rl_offload_run(L, &j->base);
  return rl_offload_refuse(L, &j->base, UV_ENOMEM);
}

static bool is_plain(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i], lower = c | 0x20;
    if ((lower < 'a' || lower > 'z') && (c < '0' || c > '9') && !strchr("@%+=:,./_-", c))
      return false;
  }
  return n > 0;
}

static void add_quoted(luaL_Buffer *b, const char *s, size_t n) {
  luaL_addchar(b, '\'');
  for (size_t i = 0; i < n; i++) {
    if (s[i] == '\'') {
      luaL_addstring(b, "'\\''");
    } else {
      luaL_addchar(b, s[i]);
    }
  }
  luaL_addchar(b, '\'');
}

static int text_shell_quote(lua_State *L) {
  int count = lua_gettop(L);
  for (int i = 1; i <= count; i++) {
    size_t n;
    const char *s = luaL_checklstring(L, i, &n);
    luaL_argcheck(L, !memchr(s, '\0', n), i, "no shell word can contain a NUL byte");
  }
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 1; i <= count; i++) {
    size_t n;
    const char *s = lua_tolstring(L, i, &n);
    if (i > 1) luaL_addchar(&b, ' ');
    if (is_plain(s, n)) {
      luaL_addlstring(&b, s, n);
    } else {
      add_quoted(&b, s, n);
    }
  }
  luaL_pushresult(&b);
  return 1;
}

int rl_open_text(lua_State *L) {
  static const char *const names[KERNELS] = {
      "base64_encode", "base64_decode", "base64url_encode", "base64url_decode",   "hex_encode",
      "hex_decode",    "url_encode",    "url_decode",       [UTF8] = "utf8_valid"};
  lua_createtable(L, 0, KERNELS + 1);
  for (int i = 0; i < KERNELS; i++) {
    lua_pushinteger(L, i);
    lua_pushcclosure(L, text_convert, 1);
    lua_setfield(L, -2, names[i]);
  }
  lua_pushcfunction(L, text_shell_quote);
  lua_setfield(L, -2, "shell_quote");
  return 1;
}
