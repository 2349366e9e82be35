// rille.hash: digests of strings, pieces and files, HMAC, random bytes. Keys from passwords are in
// hash_kdf.c.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/offload.h"
#include "lua/bind/permit.h"
#include "runtime/cpu/hash.h"
#include "runtime/wire/hex.h"

#include <string.h>

enum { INLINE_US = 44 };  // below this a round trip to the pool costs more than it spares
enum { RANDOM_MAX = 64 << 20 };

typedef struct {
  rl_box box;
  rl_hash_kit kit;
  rl_hash scratch[RL_HASH_KINDS];  // for what is hashed at once
  bool ready[RL_HASH_KINDS];
} kit_box;

void rl_hash_kdf_open(lua_State *L,
                      rl_hash_kit *kit);  // adds to the table at the top, with the kit box at -2

static int kit_gc(lua_State *L) {
  kit_box *k = lua_touserdata(L, 1);
  for (int i = 0; i < RL_HASH_KINDS; i++) {
    if (k->ready[i]) rl_hash_fini(&k->scratch[i]);
  }
  rl_hash_kit_fini(&k->kit);
  return 0;
}

static const luaL_Reg kit_methods[] = {{"__gc", kit_gc}, {NULL, NULL}};
static const rl_class kit_class = {"rille.HashKit", sizeof(kit_box), kit_methods};

static kit_box *kit_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

static int raise_hash(lua_State *L, int err, int kind) {
  if (err == RL_DENIED)
    return rl_raise(L, "DENIED", "%s is not available here", rl_hash_kinds[kind].name);
  return rl_raise_sys(L, err, "hash", NULL, NULL);
}

static rl_hash *scratch_of(lua_State *L, int kind) {
  kit_box *k = kit_of(L);
  int err = 0;
  if (!k->ready[kind]) {
    err = rl_hash_init(&k->scratch[kind], &k->kit, kind);
    k->ready[kind] = err == 0;
    if (err < 0) rl_hash_fini(&k->scratch[kind]);
  } else {
    err = rl_hash_reset(&k->scratch[kind]);
  }
  if (err < 0) raise_hash(L, err, kind);
  return &k->scratch[kind];
}

static int check_kind(lua_State *L, int index) {
  const char *name = luaL_checkstring(L, index);
  int kind = rl_hash_find(name);
  if (kind < 0) luaL_argerror(L, index, lua_pushfstring(L, "no digest is called '%s'", name));
  return kind;
}

static bool check_raw(lua_State *L, int index) {
  static const char *const forms[] = {"hex", "raw", NULL};
  return luaL_checkoption(L, index, "hex", forms) == 1;
}

static int push_digest(lua_State *L, const unsigned char *digest, int kind, bool raw) {
  size_t size = rl_hash_kinds[kind].size;
  char hex[2 * RL_HASH_MAX];
  if (raw) {
    lua_pushlstring(L, (const char *)digest, size);
  } else {
    rl_hex_encode(hex, digest, size);
    lua_pushlstring(L, hex, 2 * size);
  }
  return 1;
}

static size_t cost_of(int kind, size_t size) { return size / rl_hash_kinds[kind].bytes_per_us; }

// One digest or HMAC, or a file's digest, on the pool.
typedef struct {
  rl_offload base;
  rl_hash hash;
  const char *data, *key;  // `key` NULL: a digest
  size_t size, key_size;
  const char *path, *op;
  char *why;  // of a file that may not be read, from malloc
  bool raw;
  int err;
  unsigned char digest[RL_HASH_MAX];
} digest_job;

static void digest_drop(rl_offload *base) {
  digest_job *j = (digest_job *)base;
  free(j->why);
  rl_hash_fini(&j->hash);
}

static int digest_path(digest_job *j, const atomic_bool *cancelled) {
  const rl_permit *permit = j->base.state->loop.permit;
  if (!permit) return rl_hash_file(&j->hash, j->path, cancelled, &j->op);
  j->op = "open";
  j->why = malloc(RL_REFUSAL);
  if (!j->why) return UV_ENOMEM;
  rl_pin pin;
  int err = rl_pin_open(&pin, permit, RL_PIN_OBJECT, RL_PIN_READ, j->path, j->why);
  if (err == 0) err = rl_hash_file(&j->hash, pin.path, cancelled, &j->op);
  rl_pin_drop(&pin);
  return err;
}

static void digest_run(rl_offload *base, const atomic_bool *cancelled) {
  digest_job *j = (digest_job *)base;
  if (j->key) {
    j->err = rl_hash_hmac(&j->hash, j->key, j->key_size, j->data, j->size, cancelled, j->digest);
    return;
  }
  j->err =
      j->path ? digest_path(j, cancelled) : rl_hash_update(&j->hash, j->data, j->size, cancelled);
  if (j->err == 0) j->err = rl_hash_finish(&j->hash, j->digest);
}

static int digest_finish(lua_State *L, rl_offload *base) {
  digest_job *j = (digest_job *)base;
  if (j->err == 0) return push_digest(L, j->digest, j->hash.kind, j->raw);
  if (j->path && j->err == RL_DENIED) return rl_raise_denied(L, j->op, "path", j->path, j->why);
  if (j->path) return rl_raise_sys(L, j->err, j->op, "path", j->path);
  return raise_hash(L, j->err, j->hash.kind);
}

static digest_job *digest_new(lua_State *L, int kind, bool raw, int pinned) {
  kit_box *k = kit_of(L);
  if (rl_hash_kinds[kind].evp && rl_hash_kit_fetch(&k->kit, kind) < 0)
    raise_hash(L, RL_DENIED, kind);
  digest_job *j = rl_offload_new(L, sizeof *j, pinned);
  j->base.run = digest_run;
  j->base.finish = digest_finish;
  j->base.drop = digest_drop;
  j->raw = raw;
  j->err = rl_hash_init(&j->hash, &k->kit, kind);
  return j;
}

static int run_digest(lua_State *L, digest_job *j) {
  if (j->err < 0) return rl_offload_inline(L, &j->base);  // run fails the same way
  return rl_offload_run(L, &j->base);
}

static int digest_now(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  int kind = (int)ctx;
  size_t size;
  const char *data = lua_tolstring(L, 1, &size);
  rl_hash *h = scratch_of(L, kind);
  unsigned char digest[RL_HASH_MAX];
  int err = rl_hash_update(h, data, size, NULL);
  if (err == 0) err = rl_hash_finish(h, digest);
  if (err < 0) return raise_hash(L, err, kind);
  return push_digest(L, digest, kind, check_raw(L, 2));
}

static int hash_digest(lua_State *L) {
  int kind = (int)lua_tointeger(L, lua_upvalueindex(2));
  size_t size;
  const char *data = luaL_checklstring(L, 1, &size);
  bool raw = check_raw(L, 2);
  size_t cost = cost_of(kind, size);
  if (cost < INLINE_US) {
    rl_checkpoint(L);
    return rl_work_now(L, cost, digest_now, kind);
  }
  digest_job *j = digest_new(L, kind, raw, 1);
  j->data = data;
  j->size = size;
  return run_digest(L, j);
}

static int hmac_now(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  int kind = (int)ctx;
  size_t size, key_size;
  const char *key = lua_tolstring(L, 2, &key_size), *data = lua_tolstring(L, 3, &size);
  unsigned char digest[RL_HASH_MAX];
  int err = rl_hash_hmac(scratch_of(L, kind), key, key_size, data, size, NULL, digest);
  if (err < 0) return raise_hash(L, err, kind);
  return push_digest(L, digest, kind, check_raw(L, 4));
}

static int hash_hmac(lua_State *L) {
  int kind = check_kind(L, 1);
  size_t size, key_size;
  const char *key = luaL_checklstring(L, 2, &key_size), *data = luaL_checklstring(L, 3, &size);
  bool raw = check_raw(L, 4);
  luaL_argcheck(L, rl_hash_is_cryptographic(kind), 1, "HMAC needs a cryptographic digest");
  size_t cost = cost_of(kind, size + key_size);
  if (cost < INLINE_US) {
    rl_checkpoint(L);
    return rl_work_now(L, cost, hmac_now, kind);
  }
  rl_offload_pair(L, 2, 3);
  digest_job *j = digest_new(L, kind, raw, lua_gettop(L));
  j->key = key;
  j->key_size = key_size;
  j->data = data;
  j->size = size;
  return run_digest(L, j);
}

static int hash_file(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, strlen(path) == length, 1, "a path cannot contain a NUL byte");
  int kind = check_kind(L, 2);
  digest_job *j = digest_new(L, kind, check_raw(L, 3), 1);
  j->path = path;
  j->op = "hash";
  return run_digest(L, j);
}

// A digest made piece by piece.
typedef struct {
  rl_box box;
  rl_hash hash;
  bool open, busy;
  bool torn;  // an update was cut short: the digest would be of nothing in particular
} hash_box;

typedef struct {
  rl_offload base;
  hash_box *target;
  const char *data;
  size_t size;
  int err;
} update_job;

static int hash_close(lua_State *L);
static int hash_update(lua_State *L);
static int hash_object_digest(lua_State *L);

static int hash_gc(lua_State *L) {
  hash_box *h = lua_touserdata(L, 1);
  if (h->open) rl_hash_fini(&h->hash);
  h->open = false;
  return 0;
}

static const luaL_Reg hash_methods[] = {
    {"update", hash_update}, {"digest", hash_object_digest},
    {"close", hash_close},   {"__close", hash_close},
    {"__gc", hash_gc},       {NULL, NULL},
};
static const rl_class hash_class = {"rille.Hash", sizeof(hash_box), hash_methods};

static hash_box *check_hash(lua_State *L) {
  hash_box *h = rl_check_object(L, 1, &hash_class);
  if (!h->open) rl_raise(L, "CLOSED", "the digest is closed");
  if (h->busy) rl_raise(L, "EBUSY", "another task is updating the digest");
  if (h->torn) rl_raise(L, "BROKEN", "an update of the digest was cancelled");
  return h;
}

static void update_run(rl_offload *base, const atomic_bool *cancelled) {
  update_job *j = (update_job *)base;
  j->err = rl_hash_update(&j->target->hash, j->data, j->size, cancelled);
}

static int update_finish(lua_State *L, rl_offload *base) {
  update_job *j = (update_job *)base;
  if (j->err < 0) return raise_hash(L, j->err, j->target->hash.kind);
  j->target->torn = false;
  lua_rawgeti(L, 1, 1);
  return 1;
}

static void update_drop(rl_offload *base) { ((update_job *)base)->target->busy = false; }

static int update_now(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  size_t size;
  const char *data = lua_tolstring(L, 2, &size);
  hash_box *h = check_hash(L);
  int err = rl_hash_update(&h->hash, data, size, NULL);
  if (err < 0) return raise_hash(L, err, h->hash.kind);
  lua_settop(L, 1);
  return 1;
}

static int hash_update(lua_State *L) {
  hash_box *h = check_hash(L);
  size_t size;
  const char *data = luaL_checklstring(L, 2, &size);
  size_t cost = cost_of(h->hash.kind, size);
  if (cost < INLINE_US) {
    rl_checkpoint(L);
    return rl_work_now(L, cost, update_now, 0);
  }
  rl_offload_pair(L, 1, 2);
  update_job *j = rl_offload_new(L, sizeof *j, lua_gettop(L));
  j->base.run = update_run;
  j->base.finish = update_finish;
  j->base.drop = update_drop;
  j->target = h;
  j->data = data;
  j->size = size;
  h->busy = h->torn = true;
  return rl_offload_run(L, &j->base);
}

static int hash_object_digest(lua_State *L) {
  hash_box *h = check_hash(L);
  bool raw = check_raw(L, 2);
  unsigned char digest[RL_HASH_MAX];
  int err = rl_hash_final(&h->hash, digest);
  if (err < 0) return raise_hash(L, err, h->hash.kind);
  return push_digest(L, digest, h->hash.kind, raw);
}

static int hash_close(lua_State *L) {
  hash_box *h = rl_check_object(L, 1, &hash_class);
  if (h->busy) return rl_raise(L, "EBUSY", "another task is updating the digest");
  return hash_gc(L);
}

static int hash_new(lua_State *L) {
  int kind = check_kind(L, 1);
  hash_box *h = rl_object_new(L, &hash_class, 0);
  int err = rl_hash_init(&h->hash, &kit_of(L)->kit, kind);
  h->open = true;
  if (err < 0) return raise_hash(L, err, kind);
  return 1;
}

static int hash_random(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 0 && n <= RANDOM_MAX, 1, "between 0 and 64 MiB");
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, (size_t)n);
  int err = rl_hash_random(out, (size_t)n);
  if (err < 0) return rl_raise_sys(L, err, "getrandom", NULL, NULL);
  luaL_pushresultsize(&b, (size_t)n);
  return 1;
}

static int hash_equal(lua_State *L) {
  size_t left, right;
  const char *a = luaL_checklstring(L, 1, &left), *b = luaL_checklstring(L, 2, &right);
  lua_pushboolean(L, left == right && rl_hash_equal(a, b, left));
  return 1;
}

static const luaL_Reg functions[] = {
    {"new", hash_new},       {"file", hash_file},   {"hmac", hash_hmac},
    {"random", hash_random}, {"equal", hash_equal}, {NULL, NULL},
};

__attribute__((visibility("default"))) int luaopen_rille_native_hash(lua_State *L) {
  rl_class_open(L, &kit_class);
  rl_class_open(L, &hash_class);
  kit_box *k = rl_object_new(L, &kit_class, 0);
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, functions, 1);
  for (int i = 0; i < RL_HASH_KINDS; i++) {
    lua_pushvalue(L, -2);
    lua_pushinteger(L, i);
    lua_pushcclosure(L, hash_digest, 2);
    lua_setfield(L, -2, rl_hash_kinds[i].name);
  }
  rl_hash_kdf_open(L, &k->kit);
  return 1;
}
