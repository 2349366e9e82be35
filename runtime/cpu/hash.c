// Digests: OpenSSL's EVP, xxHash, zlib's CRC-32.
#include "runtime/cpu/hash.h"

#include "runtime/base/error.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <zlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { PIECE = 1 << 20 };  // bytes between two looks at the cancel flag

enum { KIND_XXH64 = 11, KIND_CRC32 = 12 };

const rl_hash_kind rl_hash_kinds[RL_HASH_KINDS] = {
    {"md5", "MD5", 16, 600},
    {"sha1", "SHA1", 20, 1500},
    {"sha224", "SHA224", 28, 1500},
    {"sha256", "SHA256", 32, 1500},
    {"sha384", "SHA384", 48, 600},
    {"sha512", "SHA512", 64, 600},
    {"sha512_256", "SHA512-256", 32, 600},
    {"sha3_256", "SHA3-256", 32, 400},
    {"sha3_512", "SHA3-512", 64, 250},
    {"blake2b", "BLAKE2B-512", 64, 800},
    {"blake2s", "BLAKE2S-256", 32, 500},
    [KIND_XXH64] = {"xxh64", NULL, 8, 10000},
    [KIND_CRC32] = {"crc32", NULL, 4, 1500},
};

int rl_hash_find(const char *name) {
  for (int i = 0; i < RL_HASH_KINDS; i++) {
    if (strcmp(rl_hash_kinds[i].name, name) == 0) return i;
  }
  return -1;
}

void rl_hash_kit_fini(rl_hash_kit *kit) {
  for (int i = 0; i < RL_HASH_KINDS; i++) {
    EVP_MD_free(kit->md[i]);
    kit->md[i] = NULL;
  }
}

int rl_hash_kit_fetch(rl_hash_kit *kit, int kind) {
  if (!kit->md[kind]) kit->md[kind] = EVP_MD_fetch(NULL, rl_hash_kinds[kind].evp, NULL);
  return kit->md[kind] ? 0 : RL_DENIED;
}

int rl_hash_init(rl_hash *h, rl_hash_kit *kit, int kind) {
  *h = (rl_hash){.kind = kind};
  if (kind == KIND_CRC32) return 0;
  if (kind == KIND_XXH64) {
    h->xxh = XXH64_createState();
    return h->xxh ? rl_hash_reset(h) : -ENOMEM;
  }
  int err = rl_hash_kit_fetch(kit, kind);
  if (err < 0) return err;
  h->evp = EVP_MD_CTX_new();
  if (!h->evp) return -ENOMEM;
  return EVP_DigestInit_ex2(h->evp, kit->md[kind], NULL) ? 0 : RL_DENIED;
}

void rl_hash_fini(rl_hash *h) {
  if (h->kind == KIND_XXH64) {
    XXH64_freeState(h->xxh);
  } else if (h->kind != KIND_CRC32) {
    EVP_MD_CTX_free(h->evp);
  }
  *h = (rl_hash){0};
}

int rl_hash_reset(rl_hash *h) {
  switch (h->kind) {
    case KIND_CRC32: h->crc = 0; return 0;
    case KIND_XXH64: XXH64_reset(h->xxh, 0); return 0;
    default: return EVP_DigestInit_ex2(h->evp, NULL, NULL) ? 0 : -ENOMEM;
  }
}

static int update_piece(rl_hash *h, const void *data, size_t size) {
  switch (h->kind) {
    case KIND_CRC32: h->crc = (uint32_t)crc32_z(h->crc, data, size); return 0;
    case KIND_XXH64: XXH64_update(h->xxh, data, size); return 0;
    default: return EVP_DigestUpdate(h->evp, data, size) ? 0 : -ENOMEM;
  }
}

int rl_hash_update(rl_hash *h, const void *data, size_t size, const atomic_bool *cancelled) {
  const char *at = data;
  while (size > 0) {
    if (cancelled && atomic_load_explicit(cancelled, memory_order_relaxed)) return RL_CANCELLED;
    size_t n = size < PIECE ? size : PIECE;
    int err = update_piece(h, at, n);
    if (err < 0) return err;
    at += n;
    size -= n;
  }
  return 0;
}

static void put_big_endian(unsigned char *out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; i--, value >>= 8) out[i] = (unsigned char)value;
}

int rl_hash_finish(rl_hash *h, unsigned char *out) {
  switch (h->kind) {
    case KIND_CRC32: put_big_endian(out, h->crc, 4); return 0;
    case KIND_XXH64: put_big_endian(out, XXH64_digest(h->xxh), 8); return 0;
    default: return EVP_DigestFinal_ex(h->evp, out, NULL) ? 0 : -ENOMEM;
  }
}

int rl_hash_final(const rl_hash *h, unsigned char *out) {
  if (!rl_hash_is_cryptographic(h->kind)) return rl_hash_finish((rl_hash *)h, out);
  EVP_MD_CTX *copy = EVP_MD_CTX_new();
  bool ok = copy && EVP_MD_CTX_copy_ex(copy, h->evp) && EVP_DigestFinal_ex(copy, out, NULL);
  EVP_MD_CTX_free(copy);
  return ok ? 0 : -ENOMEM;
}

// One of HMAC's two passes: digest(pad xor key, data).
static int hmac_pass(rl_hash *h, const unsigned char *key, size_t block, unsigned char pad,
                     const void *data, size_t size, const atomic_bool *cancelled,
                     unsigned char *out) {
  unsigned char padded[256];
  for (size_t i = 0; i < block; i++) padded[i] = key[i] ^ pad;
  int err = rl_hash_reset(h);
  if (err == 0) err = rl_hash_update(h, padded, block, NULL);
  if (err == 0) err = rl_hash_update(h, data, size, cancelled);
  if (err == 0) err = rl_hash_finish(h, out);
  OPENSSL_cleanse(padded, sizeof padded);
  return err;
}

int rl_hash_hmac(rl_hash *h, const void *key, size_t key_size, const void *data, size_t size,
                 const atomic_bool *cancelled, unsigned char *out) {
  unsigned char block_key[256] = {0}, inner[RL_HASH_MAX];
  size_t block = (size_t)EVP_MD_CTX_get_block_size(h->evp);
  int err = rl_hash_reset(h);
  if (key_size > block) {
    if (err == 0) err = rl_hash_update(h, key, key_size, NULL);
    if (err == 0) err = rl_hash_finish(h, block_key);
  } else if (key_size > 0) {
    memcpy(block_key, key, key_size);
  }
  if (err == 0) err = hmac_pass(h, block_key, block, 0x36, data, size, cancelled, inner);
  if (err == 0)
    err = hmac_pass(h, block_key, block, 0x5c, inner, rl_hash_kinds[h->kind].size, NULL, out);
  OPENSSL_cleanse(block_key, sizeof block_key);
  OPENSSL_cleanse(inner, sizeof inner);
  return err;
}

bool rl_hash_equal(const void *a, const void *b, size_t size) {
  return CRYPTO_memcmp(a, b, size) == 0;
}

int rl_hash_random(void *out, size_t size) {
  char *at = out;
  while (size > 0) {
    ssize_t n = getrandom(at, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    at += n;
    size -= (size_t)n;
  }
  return 0;
}
