// HTTP/1 heads: what the parser tells of them, and what the serialiser writes.
#include "runtime/wire/http1.h"
#include "runtime/wire/http1_put.h"
#include "tests/unit/test.h"

#include <stdlib.h>

static const rl_http1_limits limits = {.line = 8192, .head = 32768, .fields = 16};
static rl_http1_head head;
static rl_http1_field fields[16];

static int request(const char *s) {
  rl_http1_scan scan = {0};
  return rl_http1_parse_request(s, strlen(s), &scan, &limits, &head, fields);
}

static int response(const char *s, const char *method) {
  rl_http1_scan scan = {0};
  return rl_http1_parse_response(s, strlen(s), &scan, &limits, method, &head, fields);
}

static bool is(const char *s, int at, int len, const char *want) {
  return strlen(want) == (size_t)len && memcmp(s + at, want, (size_t)len) == 0;
}

static void test_request(void) {
  const char *s =
      "POST /a?b=c HTTP/1.1\r\nHost: example.org\r\nX-A:  v w \r\nContent-Length: 7\r\n\r\nrest";
  EXPECT_EQ(request(s), (int)strlen(s) - 4);
  EXPECT(is(s, head.method, head.method_len, "POST"));
  EXPECT(is(s, head.target, head.target_len, "/a?b=c"));
  EXPECT_EQ(head.field_count, 3);
  EXPECT_EQ(head.host, 0);
  EXPECT(is(s, fields[0].value, fields[0].value_len, "example.org"));
  EXPECT(is(s, fields[1].name, fields[1].name_len, "X-A"));
  EXPECT(is(s, fields[1].value, fields[1].value_len, "v w"));
  EXPECT_EQ(head.framing, RL_HTTP1_LENGTH);
  EXPECT_EQ(head.length, 7);
  EXPECT(head.keep_alive && head.minor == 1 && !head.wants_upgrade);
}

static void test_connection(void) {
  request(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT(head.wants_upgrade && head.upgrade == 2);
  request("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
  EXPECT(!head.wants_upgrade);
  EXPECT_EQ(request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), RL_HTTP1_PREFACE);
}

static void test_response(void) {
  const char *s = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n";
  EXPECT_EQ(response(s, "GET"), (int)strlen(s));
  EXPECT_EQ(head.status, 404);
  EXPECT(is(s, head.reason, head.reason_len, "Not Found"));
  EXPECT_EQ(head.framing, RL_HTTP1_LENGTH);
  response(s, "HEAD");
  EXPECT_EQ(head.framing, RL_HTTP1_NO_BODY);
  response("HTTP/1.1 200 OK\r\n\r\n", "GET");
  EXPECT_EQ(head.framing, RL_HTTP1_TO_THE_END);
  EXPECT(!head.keep_alive);
  response("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET");
  EXPECT_EQ(head.framing, RL_HTTP1_NO_BODY);
  response("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", "GET");
  EXPECT_EQ(head.framing, RL_HTTP1_CHUNKED);
  EXPECT_EQ(response("HTTP/1.1 20 OK\r\n\r\n", "GET"), -400);
  EXPECT_EQ(response("ICY 200 OK\r\n\r\n", "GET"), -400);
  EXPECT_EQ(response("HTTP/1.1 200 OK\nX: y\n\n", "GET"), -400);
  EXPECT_EQ(response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "GET"),
            -400);
}

static void test_words(void) {
  EXPECT(rl_http1_is_token("X-Name", 6));
  EXPECT(!rl_http1_is_token("", 0) && !rl_http1_is_token("a b", 3) && !rl_http1_is_token("a:", 2));
  EXPECT(rl_http1_is_value("a b\tc\xff and more than sixteen", 28));
  EXPECT(!rl_http1_is_value("a\r\nb", 4) && !rl_http1_is_value("a\0b", 3));
  EXPECT(!rl_http1_is_value("0123456789abcdef0123456789\n", 27));
  EXPECT(rl_http1_list_has("a, GZip ,b", 10, "gzip") && !rl_http1_list_has("gzipped", 7, "gzip"));
}

static void test_dates(void) {
  char date[RL_HTTP_DATE_LEN];
  rl_http_date(date, 784111777);
  EXPECT(memcmp(date, "Sun, 06 Nov 1994 08:49:37 GMT", sizeof date) == 0);
  for (int64_t t = 0; t < INT64_C(8000000000); t += 86399 * 7 + 1) {
    rl_http_date(date, t);
    EXPECT_EQ(rl_http_read_date(date, sizeof date), t);
  }
  EXPECT_EQ(rl_http_read_date("Sun, 06 Nov 99999 08:49:37 GMT", 30), -1);
  EXPECT_EQ(rl_http_read_date("Sunday, 06-Nov-94 08:49:37 GMT", 30), 784111777);
  EXPECT_EQ(rl_http_read_date("Sun Nov  6 08:49:37 1994", 24), 784111777);
}

static void test_put(void) {
  rl_buf out;
  rl_buf_init(&out);
  rl_http1_put_status(&out, 404);
  rl_http1_put_field(&out, "A", 1, "b", 1);
  rl_http1_put_length(&out, 0);
  rl_http1_put_length(&out, UINT64_MAX);
  rl_http1_put_chunk(&out, 255);
  const char *want =
      "HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 0\r\nContent-Length: "
      "18446744073709551615\r\nff\r\n";
  EXPECT(rl_buf_len(&out) == strlen(want) && memcmp(rl_buf_head(&out), want, strlen(want)) == 0);
  rl_buf_fini(&out);
}

int main(void) {
  test_request();
  test_connection();
  test_response();
  test_words();
  test_dates();
  test_put();
  return test_result();
}
