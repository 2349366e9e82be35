// The proof of a WebSocket handshake: SHA-1 of the key and a fixed word, in base64.
#include "runtime/wire/base64.h"
#include "runtime/wire/ws.h"

#include <string.h>

enum { KEY_LEN = 24, BLOCK = 64 };

static uint32_t turn(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void sha1_block(uint32_t h[5], const uint8_t *p) {
  uint32_t w[80];
  for (int i = 0; i < 16; i++, p += 4) {
    w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  }
  for (int i = 16; i < 80; i++) w[i] = turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
  for (int i = 0; i < 80; i++) {
    uint32_t f, k;
    if (i < 20) {
      f = (b & c) | (~b & d), k = 0x5a827999;
    } else if (i < 40) {
      f = b ^ c ^ d, k = 0x6ed9eba1;
    } else if (i < 60) {
      f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
    } else {
      f = b ^ c ^ d, k = 0xca62c1d6;
    }
    uint32_t next = turn(a, 5) + f + e + k + w[i];
    e = d, d = c, c = turn(b, 30), b = a, a = next;
  }
  h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

// Of at most 119 bytes: two blocks.
static void sha1_short(const uint8_t *data, size_t len, uint8_t out[20]) {
  uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  uint8_t blocks[2 * BLOCK] = {0};
  memcpy(blocks, data, len);
  blocks[len] = 0x80;
  size_t total = len < BLOCK - 8 ? BLOCK : 2 * BLOCK;
  blocks[total - 2] = (uint8_t)(len * 8 >> 8);
  blocks[total - 1] = (uint8_t)(len * 8);
  for (size_t i = 0; i < total; i += BLOCK) sha1_block(h, blocks + i);
  for (int i = 0; i < 20; i++) out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

void rl_ws_accept(const char *key, size_t len, char out[RL_WS_ACCEPT_LEN]) {
  static const char word[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  uint8_t both[KEY_LEN + sizeof word], digest[20];
  if (len > KEY_LEN) len = KEY_LEN;
  memcpy(both, key, len);
  memcpy(both + len, word, sizeof word - 1);
  sha1_short(both, len + sizeof word - 1, digest);
  rl_base64_encode(out, digest, sizeof digest, RL_BASE64, true);
}

bool rl_ws_is_key(const char *key, size_t len) {
  char bytes[KEY_LEN];
  size_t bad;
  return len == KEY_LEN && rl_base64_decode(bytes, key, len, RL_BASE64, true, &bad) == 16;
}
