// WebSocket frames: the reader against sound and hostile streams, at every split.
#include "runtime/wire/ws.h"
#include "tests/unit/test.h"

#include <stdlib.h>

typedef struct result {
  int code;  // 0 or what the reader closed with
  int messages, controls;
  char text[1024];  // all message bytes
  size_t size;
} result;

static result play(const char *bytes, size_t len, size_t step, bool masked, bool deflate,
                   uint64_t limit) {
  rl_ws_reader r;
  rl_ws_reader_init(&r, masked, deflate, limit);
  result got = {0};
  for (size_t at = 0; at < len && !got.code; at += step) {
    size_t n = len - at < step ? len - at : step, done = 0;
    char *piece = malloc(n);
    memcpy(piece, bytes + at, n);
    rl_ws_event event;
    do {
      size_t used;
      got.code = rl_ws_next(&r, piece + done, n - done, &used, &event);
      done += used;
      if (got.code) break;
      if (event.what == RL_WS_CONTROL) got.controls++;
      if (event.what == RL_WS_PIECE) {
        if (got.size + event.size <= sizeof got.text)
          memcpy(got.text + got.size, event.data, event.size);
        got.size += event.size;
        got.messages += event.last;
      }
    } while (done < n || event.what != RL_WS_NOTHING);
    free(piece);
  }
  return got;
}

#define PLAY(bytes, step, masked) play(bytes, sizeof bytes - 1, step, masked, false, 1024)
#define CODE(bytes, masked) PLAY(bytes, 1000, masked).code

static void test_sound(void) {
  static const char hello[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";  // of RFC 6455, 5.7
  static const char parts[] = "\x01\x03Hel\x89\x02hi\x80\x02lo\x82\x7e\x01\x00";
  for (size_t step = 1; step < 20; step++) {
    result got = PLAY(hello, step, true);
    EXPECT(got.code == 0 && got.messages == 1 && got.size == 5 &&
           memcmp(got.text, "Hello", 5) == 0);
    got = PLAY(parts, step, false);
    EXPECT(got.code == 0 && got.messages == 1 && got.controls == 1 &&
           memcmp(got.text, "Hello", 5) == 0);
  }
  EXPECT_EQ(PLAY("\x81\x00", 9, false).messages, 1);
}

static void test_refused(void) {
  EXPECT_EQ(CODE("\x81\x05Hello", true), -1002);           // a client's frame without a mask
  EXPECT_EQ(CODE("\x81\x85\0\0\0\0Hello", false), -1002);  // a server's with one
  EXPECT_EQ(CODE("\xc1\x01x", false), -1002);              // RSV1 without deflate
  EXPECT_EQ(CODE("\xa1\x01x", false), -1002);              // RSV2
  EXPECT_EQ(CODE("\x83\x01x", false), -1002);              // an opcode of nobody
  EXPECT_EQ(CODE("\x8b\x01x", false), -1002);
  EXPECT_EQ(CODE("\x80\x01x", false), -1002);                   // a continuation of nothing
  EXPECT_EQ(CODE("\x01\x01x\x81\x01y", false), -1002);          // a message inside a message
  EXPECT_EQ(CODE("\x09\x01x", false), -1002);                   // a control frame in parts
  EXPECT_EQ(CODE("\x89\x7e\x00\x7e", false), -1002);            // or of 126 bytes
  EXPECT_EQ(CODE("\x82\x7f\x80\0\0\0\0\0\0\0", false), -1002);  // 2^63 bytes
  EXPECT_EQ(CODE("\x82\x7e\x00\x05hello", false), -1002);       // a length written too long
  EXPECT_EQ(CODE("\x82\x7f\0\0\0\0\0\0\x04\x01", false), -1002);
  EXPECT_EQ(CODE("\x82\x7f\0\0\0\0\0\x10\0\0", false), -1009);  // past the limit
  EXPECT_EQ(CODE("\x81\x02\xc3\x28", false), -1007);
  EXPECT_EQ(CODE("\x01\x01\xe2\x80\x01\xa2", false),
            -1007);                                       // a character cut by the message's end
  EXPECT_EQ(CODE("\x81\x03\xed\xa0\x80", false), -1007);  // a surrogate
  EXPECT_EQ(CODE("\x82\x03\xed\xa0\x80", false), 0);      // which binary may hold
}

static void test_many_empty(void) {
  rl_ws_reader r;
  rl_ws_reader_init(&r, false, false, 10);
  rl_ws_event event;
  size_t used;
  char first[] = {1, 0}, next[] = {0, 0};
  EXPECT_EQ(rl_ws_next(&r, first, 2, &used, &event), 0);
  for (int i = 0; i < 1000000; i++) EXPECT_EQ(rl_ws_next(&r, next, 2, &used, &event), 0);
}

static void test_write(void) {
  uint8_t head[RL_WS_HEADER_MAX];
  static const uint8_t mask[4] = {1, 2, 3, 4};
  EXPECT_EQ(rl_ws_put_header(head, RL_WS_TEXT, true, false, 125, NULL), 2);
  EXPECT(head[0] == 0x81 && head[1] == 125);
  EXPECT_EQ(rl_ws_put_header(head, RL_WS_BINARY, false, true, 65535, NULL), 4);
  EXPECT(head[0] == 0x42 && head[1] == 126 && head[2] == 255 && head[3] == 255);
  EXPECT_EQ(rl_ws_put_header(head, RL_WS_TEXT, true, false, 65536, mask), 14);
  EXPECT(head[1] == (127 | 0x80) && head[7] == 1 && memcmp(head + 10, mask, 4) == 0);
  char a[100], b[100];
  for (int i = 0; i < 100; i++) a[i] = b[i] = (char)i;
  rl_ws_mask(a, 100, mask, 3);
  uint8_t at = rl_ws_mask(b, 33, mask, 3);
  rl_ws_mask(b + 33, 67, mask, at);
  EXPECT(memcmp(a, b, 100) == 0 && a[0] == (char)(0 ^ 4) && a[1] == (char)(1 ^ 1));
}

static void test_close(void) {
  EXPECT_EQ(rl_ws_read_close("", 0), 1005);
  EXPECT_EQ(rl_ws_read_close("\x03\xe8 bye", 6), 1000);
  EXPECT_EQ(rl_ws_read_close("\x03", 1), -1002);
  EXPECT_EQ(rl_ws_read_close("\x03\xed", 2), -1002);  // 1005 is never sent
  EXPECT_EQ(rl_ws_read_close("\x03\xe8\xff", 3), -1007);
}

static void test_accept(void) {
  char out[RL_WS_ACCEPT_LEN];
  rl_ws_accept("dGhlIHNhbXBsZSBub25jZQ==", 24, out);
  EXPECT(memcmp(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof out) == 0);
  EXPECT(rl_ws_is_key("dGhlIHNhbXBsZSBub25jZQ==", 24));
  EXPECT(!rl_ws_is_key("dGhlIHNhbXBsZSBub25jZQ=", 23) &&
         !rl_ws_is_key("dGhlIHNhbXBsZSBub25jZ!==", 24));
}

int main(void) {
  test_sound();
  test_refused();
  test_many_empty();
  test_write();
  test_close();
  test_accept();
  return test_result();
}
