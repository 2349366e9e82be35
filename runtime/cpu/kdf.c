// Keys from passwords, by OpenSSL and Argon2's reference.
#include "runtime/cpu/kdf.h"

#include "runtime/base/error.h"
#include "runtime/wire/base64.h"

#include <argon2.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

int rl_kdf_pbkdf2(const rl_hash_kit *kit, int kind, rl_bytes password, rl_bytes salt,
                  uint32_t iterations, unsigned char *out, size_t size) {
  int ok = PKCS5_PBKDF2_HMAC(password.data, (int)password.size, (const unsigned char *)salt.data,
                             (int)salt.size, (int)iterations, kit->md[kind], (int)size, out);
  return ok ? 0 : RL_INVALID;
}

int rl_kdf_scrypt(rl_bytes password, rl_bytes salt, uint64_t n, uint32_t r, uint32_t p,
                  unsigned char *out, size_t size) {
  int ok = EVP_PBE_scrypt(password.data, password.size, (const unsigned char *)salt.data, salt.size,
                          n, r, p, UINT64_MAX, out, size);
  return ok ? 0 : RL_INVALID;
}

int rl_kdf_argon2id(rl_bytes password, rl_bytes salt, const rl_argon2 *cost, unsigned char *out,
                    size_t size) {
  argon2_context ctx = {
      .out = out,
      .outlen = (uint32_t)size,
      .pwd = (uint8_t *)password.data,
      .pwdlen = (uint32_t)password.size,
      .salt = (uint8_t *)salt.data,
      .saltlen = (uint32_t)salt.size,
      .t_cost = cost->time,
      .m_cost = cost->memory,
      .lanes = cost->lanes,
      .threads = 1,
      .version = ARGON2_VERSION_13,
  };
  return argon2id_ctx(&ctx);
}

const char *rl_argon2_error(int code) { return argon2_error_message(code); }

void rl_argon2_format(char *text, const rl_argon2 *cost, rl_bytes salt, rl_bytes tag) {
  int n = snprintf(text, RL_ARGON2_TEXT_MAX, "$argon2id$v=19$m=%u,t=%u,p=%u$", cost->memory,
                   cost->time, cost->lanes);
  char *at = text + n;
  at += rl_base64_encode(at, salt.data, salt.size, RL_BASE64, false);
  *at++ = '$';
  at += rl_base64_encode(at, tag.data, tag.size, RL_BASE64, false);
  *at = '\0';
}

// Decodes the run of base64 at `*at`, up to '$' or the end, and steps behind it. The count of
// bytes, or RL_INVALID.
static ptrdiff_t take_base64(const char **at, unsigned char *out, size_t room) {
  size_t n = strcspn(*at, "$");
  if (rl_base64_decoded_size(n) > room + 3) return RL_INVALID;
  unsigned char buffer[RL_ARGON2_TAG_MAX + 8];
  ptrdiff_t size = rl_base64_decode(buffer, *at, n, RL_BASE64, false, NULL);
  if (size < 0 || (size_t)size > room) return RL_INVALID;
  memcpy(out, buffer, (size_t)size);
  *at += n;
  return size;
}

int rl_argon2_verify(const char *text, rl_bytes password, const rl_argon2 *limit) {
  rl_argon2 cost;
  int used = 0;
  if (sscanf(text, "$argon2id$v=19$m=%9u,t=%9u,p=%9u$%n", &cost.memory, &cost.time, &cost.lanes,
             &used) != 3 ||
      used == 0)
    return RL_INVALID;
  const char *at = text + used;
  unsigned char salt[RL_ARGON2_SALT_MAX], tag[RL_ARGON2_TAG_MAX], again[RL_ARGON2_TAG_MAX];
  ptrdiff_t salt_size = take_base64(&at, salt, sizeof salt);
  if (salt_size < 0 || *at++ != '$') return RL_INVALID;
  ptrdiff_t tag_size = take_base64(&at, tag, sizeof tag);
  if (tag_size < 4 || *at != '\0') return RL_INVALID;
  if (cost.memory > limit->memory || cost.time > limit->time || cost.lanes > limit->lanes)
    return RL_LIMIT;
  int err = rl_kdf_argon2id(password, (rl_bytes){(char *)salt, (size_t)salt_size}, &cost, again,
                            (size_t)tag_size);
  if (err == ARGON2_MEMORY_ALLOCATION_ERROR) return -ENOMEM;
  if (err != ARGON2_OK) return RL_INVALID;
  return rl_hash_equal(tag, again, (size_t)tag_size);
}
