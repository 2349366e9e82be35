// rille.hash, second half: keys from passwords. They are made to be slow, so they always run on the
// pool.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/offload.h"
#include "runtime/cpu/kdf.h"
#include "runtime/wire/hex.h"

#include <string.h>

enum { LENGTH_MAX = 65536, SCRYPT_MEMORY_MAX = 1 << 30, ARGON2_MEMORY_MAX = 4 << 20 };

void rl_hash_kdf_open(lua_State *L, rl_hash_kit *kit);

typedef enum { PBKDF2, SCRYPT, ARGON2ID, VERIFY } kdf_name;

typedef struct {
  rl_offload base;
  kdf_name name;
  rl_bytes password, salt;
  const rl_hash_kit *kit;
  int digest;
  uint32_t iterations, r, p;
  uint64_t n;
  rl_argon2 cost;
  const char *text;  // of a VERIFY
  unsigned char fresh_salt[16];
  bool raw, encoded;
  int err;
  size_t size;
  unsigned char out[];
} kdf_job;

static void kdf_run(rl_offload *base, const atomic_bool *cancelled) {
  (void)cancelled;
  kdf_job *j = (kdf_job *)base;
  switch (j->name) {
    case PBKDF2:
      j->err =
          rl_kdf_pbkdf2(j->kit, j->digest, j->password, j->salt, j->iterations, j->out, j->size);
      break;
    case SCRYPT:
      j->err = rl_kdf_scrypt(j->password, j->salt, j->n, j->r, j->p, j->out, j->size);
      break;
    case ARGON2ID: j->err = rl_kdf_argon2id(j->password, j->salt, &j->cost, j->out, j->size); break;
    case VERIFY: j->err = rl_argon2_verify(j->text, j->password, &j->cost); break;
  }
}

static void kdf_drop(rl_offload *base) {
  kdf_job *j = (kdf_job *)base;
  explicit_bzero(j->out, j->size);
}

static int push_key(lua_State *L, const kdf_job *j) {
  if (j->raw) {
    lua_pushlstring(L, (const char *)j->out, j->size);
    return 1;
  }
  luaL_Buffer b;
  char *hex = luaL_buffinitsize(L, &b, 2 * j->size);
  rl_hex_encode(hex, j->out, j->size);
  luaL_pushresultsize(&b, 2 * j->size);
  return 1;
}

static int kdf_finish(lua_State *L, rl_offload *base) {
  kdf_job *j = (kdf_job *)base;
  if (j->err == RL_INVALID) return rl_raise(L, "INVALID", "the parameters do not fit together");
  if (j->name == ARGON2ID && j->err != 0)
    return rl_raise(L, "INVALID", "argon2id: %s", rl_argon2_error(j->err));
  if (j->err < 0) return rl_raise_sys(L, j->err, "hash", NULL, NULL);
  if (!j->encoded) return push_key(L, j);
  char text[RL_ARGON2_TEXT_MAX];
  rl_argon2_format(text, &j->cost, j->salt, (rl_bytes){(char *)j->out, j->size});
  lua_pushstring(L, text);
  return 1;
}

static int verify_finish(lua_State *L, rl_offload *base) {
  kdf_job *j = (kdf_job *)base;
  if (j->err == RL_INVALID) return rl_raise(L, "INVALID", "not the text of an argon2id hash");
  if (j->err == RL_LIMIT)
    return rl_raise(L, "LIMIT", "the hash asks for more work than is allowed");
  if (j->err < 0) return rl_raise_sys(L, j->err, "hash", NULL, NULL);
  lua_pushboolean(L, j->err);
  return 1;
}

static rl_bytes check_bytes(lua_State *L, int index) {
  rl_bytes b;
  b.data = luaL_checklstring(L, index, &b.size);
  luaL_argcheck(L, b.size <= INT32_MAX, index, "too long");
  return b;
}

// A job for the password at 1 (2 for a VERIFY) and the salt at 2, which it keeps alive.
static kdf_job *kdf_new(lua_State *L, kdf_name name, size_t size) {
  lua_createtable(L, 2, 0);
  for (int i = 1; i <= 2; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  kdf_job *j = rl_offload_new(L, sizeof *j + size, lua_gettop(L));
  j->base.run = kdf_run;
  j->base.finish = kdf_finish;
  j->base.drop = kdf_drop;
  j->name = name;
  j->size = size;
  return j;
}

static int hash_pbkdf2(lua_State *L) {
  static const char *const names[] = {"iterations", "length", "hash", "raw", NULL};
  rl_hash_kit *kit = lua_touserdata(L, lua_upvalueindex(2));
  rl_bytes password = check_bytes(L, 1), salt = check_bytes(L, 2);
  rl_check_options(L, 3, names);
  lua_Integer iterations = rl_option_integer(L, 3, "iterations", 1, INT32_MAX, 600000);
  lua_Integer length = rl_option_integer(L, 3, "length", 1, LENGTH_MAX, 32);
  const char *name = rl_option_string(L, 3, "hash", NULL, "sha256");
  bool raw = rl_option_bool(L, 3, "raw", false);
  int digest = rl_hash_find(name);
  if (digest < 0 || !rl_hash_is_cryptographic(digest))
    return luaL_argerror(L, 3, lua_pushfstring(L, "no cryptographic digest is called '%s'", name));
  if (rl_hash_kit_fetch(kit, digest) < 0)
    return rl_raise(L, "DENIED", "%s is not available here", name);
  kdf_job *j = kdf_new(L, PBKDF2, (size_t)length);
  j->password = password;
  j->salt = salt;
  j->kit = kit;
  j->digest = digest;
  j->iterations = (uint32_t)iterations;
  j->raw = raw;
  return rl_offload_run(L, &j->base);
}

static int hash_scrypt(lua_State *L) {
  static const char *const names[] = {"n", "r", "p", "length", "raw", NULL};
  rl_bytes password = check_bytes(L, 1), salt = check_bytes(L, 2);
  rl_check_options(L, 3, names);
  lua_Integer n = rl_option_integer(L, 3, "n", 2, 1 << 24, 1 << 17);
  lua_Integer r = rl_option_integer(L, 3, "r", 1, 1 << 20, 8);
  lua_Integer p = rl_option_integer(L, 3, "p", 1, 1 << 20, 1);
  lua_Integer length = rl_option_integer(L, 3, "length", 1, LENGTH_MAX, 32);
  bool raw = rl_option_bool(L, 3, "raw", false);
  luaL_argcheck(L, (n & (n - 1)) == 0, 3, "'n' must be a power of two");
  if (128 * r * (n + p) > SCRYPT_MEMORY_MAX)
    return rl_raise(L, "LIMIT", "scrypt would need more than 1 GiB");
  kdf_job *j = kdf_new(L, SCRYPT, (size_t)length);
  j->password = password;
  j->salt = salt;
  j->n = (uint64_t)n;
  j->r = (uint32_t)r;
  j->p = (uint32_t)p;
  j->raw = raw;
  return rl_offload_run(L, &j->base);
}

// argon2id(password [, salt] [, options])
static int hash_argon2id(lua_State *L) {
  static const char *const names[] = {"salt",   "time", "memory", "parallelism",
                                      "length", "raw",  NULL};
  rl_bytes password = check_bytes(L, 1), salt = {0};
  if (!lua_isstring(L, 2)) {
    lua_settop(L, 2);
    rl_check_options(L, 2, names);
    lua_pushnil(L);
    lua_insert(L, 2);
  } else {
    rl_check_options(L, 3, names);
  }
  lua_Integer time = rl_option_integer(L, 3, "time", 1, 1 << 20, 3);
  lua_Integer memory = rl_option_integer(L, 3, "memory", 8, ARGON2_MEMORY_MAX, 64 << 10);
  lua_Integer lanes = rl_option_integer(L, 3, "parallelism", 1, 255, 4);
  lua_Integer length = rl_option_integer(L, 3, "length", 4, RL_ARGON2_TAG_MAX, 32);
  bool raw = rl_option_bool(L, 3, "raw", false);
  const char *option = rl_option_string(L, 3, "salt", NULL, NULL);
  if (lua_isnil(L, 2) && option) {
    lua_getfield(L, 3, "salt");
    lua_replace(L, 2);
  }
  if (!lua_isnil(L, 2)) salt = check_bytes(L, 2);
  luaL_argcheck(L, lua_isnil(L, 2) || (salt.size >= 8 && salt.size <= RL_ARGON2_SALT_MAX), 2,
                "a salt has 8 to 128 bytes");
  luaL_argcheck(L, memory >= 8 * lanes, 3, "'memory' must be at least 8 times 'parallelism'");
  unsigned char fresh[16];
  int err = rl_hash_random(fresh, sizeof fresh);
  if (err < 0) return rl_raise_sys(L, err, "getrandom", NULL, NULL);
  kdf_job *j = kdf_new(L, ARGON2ID, (size_t)length);
  memcpy(j->fresh_salt, fresh, sizeof fresh);
  j->password = password;
  j->salt = salt.data ? salt : (rl_bytes){(char *)j->fresh_salt, sizeof j->fresh_salt};
  j->cost = (rl_argon2){(uint32_t)time, (uint32_t)memory, (uint32_t)lanes};
  j->raw = raw;
  j->encoded = !raw;
  return rl_offload_run(L, &j->base);
}

// verify(encoded, password [, limits])
static int hash_verify(lua_State *L) {
  static const char *const names[] = {"time", "memory", "parallelism", NULL};
  const char *text = check_bytes(L, 1).data;
  rl_bytes password = check_bytes(L, 2);
  rl_check_options(L, 3, names);
  rl_argon2 limit = {
      .time = (uint32_t)rl_option_integer(L, 3, "time", 1, 1 << 20, 64),
      .memory = (uint32_t)rl_option_integer(L, 3, "memory", 8, ARGON2_MEMORY_MAX, 1 << 20),
      .lanes = (uint32_t)rl_option_integer(L, 3, "parallelism", 1, 255, 64),
  };
  kdf_job *j = kdf_new(L, VERIFY, 0);
  j->base.finish = verify_finish;
  j->text = text;
  j->password = password;
  j->cost = limit;
  return rl_offload_run(L, &j->base);
}

void rl_hash_kdf_open(lua_State *L, rl_hash_kit *kit) {
  static const luaL_Reg functions[] = {{"pbkdf2", hash_pbkdf2},
                                       {"scrypt", hash_scrypt},
                                       {"argon2id", hash_argon2id},
                                       {"verify", hash_verify},
                                       {NULL, NULL}};
  lua_pushvalue(L, -2);
  lua_pushlightuserdata(L, kit);
  luaL_setfuncs(L, functions, 2);
}
