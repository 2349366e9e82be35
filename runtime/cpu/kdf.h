// Keys from passwords: PBKDF2, scrypt, Argon2id. None can be stopped once it runs.
#ifndef RL_CPU_KDF_H
#define RL_CPU_KDF_H

#include "runtime/cpu/hash.h"

typedef struct rl_bytes {
  const char *data;
  size_t size;
} rl_bytes;

int rl_kdf_pbkdf2(const rl_hash_kit *kit, int kind, rl_bytes password, rl_bytes salt,
                  uint32_t iterations, unsigned char *out, size_t size);

// RL_INVALID: parameters that cannot be, such as an `n` that is no power of two.
int rl_kdf_scrypt(rl_bytes password, rl_bytes salt, uint64_t n, uint32_t r, uint32_t p,
                  unsigned char *out, size_t size);

typedef struct rl_argon2 {
  uint32_t time, memory, lanes;  // passes, KiB, lanes (computed one after the other)
} rl_argon2;

enum { RL_ARGON2_TAG_MAX = 128, RL_ARGON2_SALT_MAX = 128, RL_ARGON2_TEXT_MAX = 512 };

int rl_kdf_argon2id(rl_bytes password, rl_bytes salt, const rl_argon2 *cost, unsigned char *out,
                    size_t size);

// "$argon2id$v=19$m=65536,t=3,p=4$salt$tag", the form in which password hashes are stored. `text`
// has RL_ARGON2_TEXT_MAX.
void rl_argon2_format(char *text, const rl_argon2 *cost, rl_bytes salt, rl_bytes tag);

// 1: `password` fits, 0: it does not; RL_INVALID: `text` is not such a string; RL_LIMIT: it asks
// for more than `limit`.
int rl_argon2_verify(const char *text, rl_bytes password, const rl_argon2 *limit);

// Why a call of Argon2 answered `code`, as a sentence; for codes other than the above.
const char *rl_argon2_error(int code);

#endif
