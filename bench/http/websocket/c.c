// websocket, the floor: C on epoll, for texts of 32 bytes in whole frames; what one read brought is
// answered by one write. Prints its port and serves until killed.
#include "bench/http/epoll.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

enum { TEXT = 32, FRAME = 6 + TEXT };

static void shake_hands(int fd, const char *head) {
  static const char field[] = "Sec-WebSocket-Key: ";
  char key[128], answer[256], accept[64];
  unsigned char sum[SHA_DIGEST_LENGTH];
  const char *at = strstr(head, field);
  if (!at) exit(1);
  snprintf(key, sizeof key, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", at + sizeof field - 1);
  SHA1((unsigned char *)key, strlen(key), sum);
  EVP_EncodeBlock((unsigned char *)accept, sum, sizeof sum);
  int n = snprintf(answer, sizeof answer,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                   accept);
  if (write(fd, answer, (size_t)n) != n) exit(1);
}

static void serve(int fd) {
  static char in[1 << 16], out[1 << 16];
  ssize_t n = read(fd, in, sizeof in - 1);
  size_t size = 0;
  if (n <= 0) {
    close(fd);
    return;
  }
  in[n] = 0;
  if (*in == 'G') {
    shake_hands(fd, in);
    return;
  }
  if (n % FRAME) abort();
  for (const char *p = in; p < in + n; p += FRAME) {
    out[size++] = p[0];
    out[size++] = TEXT;
    for (int i = 0; i < TEXT; i++) out[size++] = (char)(p[6 + i] ^ p[2 + (i & 3)]);
  }
  if (write(fd, out, size) < 0) close(fd);
}

int main(void) { serve_all(); }
