// Digests under one face: OpenSSL's, xxHash and CRC-32. Pure functions of bytes; any thread, one at
// a time per object.
#ifndef RL_CPU_HASH_H
#define RL_CPU_HASH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RL_HASH_MAX = 64 };  // bytes of the longest digest
enum { RL_HASH_KINDS = 13 };

typedef struct rl_hash_kind {
  const char *name;       // "sha256"
  const char *evp;        // OpenSSL's name, or NULL
  uint8_t size;           // of the digest
  uint16_t bytes_per_us;  // about how fast: what is worth a thread depends on it
} rl_hash_kind;

extern const rl_hash_kind rl_hash_kinds[RL_HASH_KINDS];
int rl_hash_find(const char *name);  // an index into rl_hash_kinds, or -1

// The algorithms of one Lua state, fetched from OpenSSL at their first use: a fetch costs more than
// a small digest.
typedef struct rl_hash_kit {
  struct evp_md_st *md[RL_HASH_KINDS];
} rl_hash_kit;
// Fetches `kind`; RL_DENIED where OpenSSL refuses it (FIPS).
int rl_hash_kit_fetch(rl_hash_kit *kit, int kind);
void rl_hash_kit_fini(rl_hash_kit *kit);

// A digest in progress.
typedef struct rl_hash {
  int kind;
  union {
    struct evp_md_ctx_st *evp;
    void *xxh;
    uint32_t crc;
  };
} rl_hash;

// Negative: out of memory, or RL_DENIED. Fetches from `kit`: on the thread that owns it.
int rl_hash_init(rl_hash *h, rl_hash_kit *kit, int kind);
void rl_hash_fini(rl_hash *h);
int rl_hash_reset(rl_hash *h);  // as after init, without its cost
// Stops early once `*cancelled` (may be NULL).
int rl_hash_update(rl_hash *h, const void *data, size_t size, const atomic_bool *cancelled);
int rl_hash_final(const rl_hash *h, unsigned char *out);  // `h` can go on
int rl_hash_finish(rl_hash *h, unsigned char *out);       // cheaper: `h` needs a reset afterwards

// HMAC with an `h` that has been initialised; it needs a reset afterwards.
int rl_hash_hmac(rl_hash *h, const void *key, size_t key_size, const void *data, size_t size,
                 const atomic_bool *cancelled, unsigned char *out);
static inline bool rl_hash_is_cryptographic(int kind) { return rl_hash_kinds[kind].evp != NULL; }

// Reads the regular file `path` to its end. A negative errno; `*op` says in which call ("open",
// "read").
int rl_hash_file(rl_hash *h, const char *path, const atomic_bool *cancelled, const char **op);

bool rl_hash_equal(const void *a, const void *b, size_t size);  // time depends on `size` alone
int rl_hash_random(void *out, size_t size);                     // from the kernel

#endif
