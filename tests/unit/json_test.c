// JSON texts against the grammar of RFC 8259, and numbers against the C library.
#include "runtime/base/error.h"
#include "runtime/wire/decimal.h"
#include "runtime/wire/json.h"
#include "runtime/wire/unicode.h"
#include "tests/unit/test.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static const rl_json_rules rules = {512, false};

static int parse(const char *text, size_t n) {
  rl_json j;
  rl_json_init(&j);
  char *copy = malloc(n + 1);  // so that a sanitizer sees what is read behind the end
  memcpy(copy, text, n);
  copy[n] = '\0';
  int err = rl_json_parse(&j, copy, n, &rules);
  EXPECT(err == 0 || j.reason);
  EXPECT(j.at <= n);
  rl_json_fini(&j);
  free(copy);
  return err;
}

typedef struct text {
  const char *bytes;
  size_t size;
} text;

#define T(s) \
  { s, sizeof(s) - 1 }

static const text good[] = {
    T("[]"),
    T("{}"),
    T(" [ ] "),
    T("\t\n\r[\t\n\r]\t\n\r"),
    T("null"),
    T("true"),
    T("false"),
    T("0"),
    T("-0"),
    T("-0.0"),
    T("1"),
    T("-1"),
    T("123456789"),
    T("0.5"),
    T("1e5"),
    T("1E5"),
    T("1e+5"),
    T("1e-5"),
    T("0e1"),
    T("0e+1"),
    T("0E0"),
    T("1.5e10"),
    T("-1.5E-10"),
    T("123.456e78"),
    T("1e-400"),
    T("\"\""),
    T("\"a\""),
    T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    T("\"\\u0000\""),
    T("\"\\u00e9\""),
    T("\"\\uD83D\\uDE00\""),
    T("\"\\ud83d\\ude00\""),
    T("\"\\uDBFF\\uDFFF\""),
    T("\"\\uFFFF\""),
    T("\"\\ufdd0\""),
    T("\"\x7f\""),
    T("\"\xc3\xa9\""),
    T("\"\xe2\x82\xac\""),
    T("\"\xf0\x9f\x98\x80\""),
    T("\"\xf4\x8f\xbf\xbf\""),
    T("\"\xef\xbf\xbf\""),
    T("\"\xe2\x80\xa8\""),
    T("\"\xee\x80\x80\""),
    T("[1,2,3]"),
    T("[[[[[[]]]]]]"),
    T("[null, 1, \"1\", {}]"),
    T("[1\n]"),
    T("[ 1]"),
    T("[1 ]"),
    T("[1 , 2]"),
    T("{\"a\":1}"),
    T("{ \"a\" : 1 }"),
    T("{\"a\":1,\"b\":2}"),
    T("{\"a\":1,\"a\":2}"),
    T("{\"\":0}"),
    T("{\"a\":{\"b\":[]}}"),
    T("{\"foo\\u0000bar\":42}"),
    T("{\"a\":[]}\n"),
    T("[[]   ]"),
    T("[\"\"]"),
    T("[\"a\"]\n"),
    T("[-0]"),
    T("[1e1, 0.1e1, 1e-1, 1e00,2e+00,2e-00,\"rosebud\"]"),
    T("[9223372036854775807]"),
    T("[-9223372036854775808]"),
    T("[9223372036854775808]"),
    T("[0.4e006]"),
    T("[1.0000000000000000000001]"),
    T("[\"\\u002c\"]"),
    T("[\"\\\\u0000\"]"),
    T("[\"/*\"]"),
    T("[\"a/*b*/c/*d//e\"]"),
    T("[\"new\\u00A0line\"]"),
    T("[\"\\u0022\"]"),
    T("[\"\\\\a\"]"),
    T("[\"\\u200B\"]"),
    T("\"asd \""),
    T("{\"min\":-1.0e+28,\"max\":1.0e+28}"),
    T("[\"                                                              \"]"),
    T("[\"0123456789abcdef0123456789abcde\\n0123456789abcdef0123456789abcdef\"]"),
};

static const text bad[] = {
    T(""),
    T(" "),
    T("["),
    T("]"),
    T("{"),
    T("}"),
    T("[1"),
    T("[1,"),
    T("[1,]"),
    T("[,1]"),
    T("[,]"),
    T("[1,,2]"),
    T("[1 2]"),
    T("[1:2]"),
    T("[]]"),
    T("[[]"),
    T("[}"),
    T("{]"),
    T("[1}"),
    T("{\"a\"}"),
    T("{\"a\":}"),
    T("{\"a\" 1}"),
    T("{\"a\":1,}"),
    T("{,}"),
    T("{\"a\":1,,\"b\":2}"),
    T("{a:1}"),
    T("{'a':1}"),
    T("{1:1}"),
    T("{null:1}"),
    T("{\"a\":1 \"b\":2}"),
    T("{\"a\",1}"),
    T("{\"a\":1:2}"),
    T("{\"a\":1}}"),
    T("{\"a\":1}{}"),
    T("[] []"),
    T("1 2"),
    T("[]x"),
    T("x"),
    T("nul"),
    T("nulll"),
    T("True"),
    T("TRUE"),
    T("tru"),
    T("fals"),
    T("nan"),
    T("NaN"),
    T("Infinity"),
    T("-Infinity"),
    T("inf"),
    T("-"),
    T("+1"),
    T("+"),
    T("- 1"),
    T("--1"),
    T("01"),
    T("-01"),
    T("00"),
    T("-00"),
    T("1."),
    T(".5"),
    T("-.5"),
    T("1.e5"),
    T("0.e1"),
    T("1e"),
    T("1e+"),
    T("1e-"),
    T("1E"),
    T("0e"),
    T("0e+"),
    T("1e1.5"),
    T("1.2.3"),
    T("1.2a"),
    T("1a"),
    T("0x1"),
    T("1_000"),
    T("1,000"),
    T("1eE2"),
    T("1e5e5"),
    T("1 000.0"),
    T("\xef\xbc\x91"),
    T("1e400"),
    T("-1e400"),
    T("[1e99999999999]"),
    T("\""),
    T("\"a"),
    T("\"\\\""),
    T("\"\\"),
    T("\"\\x\""),
    T("\"\\a\""),
    T("\"\\'\""),
    T("\"\\0\""),
    T("\"\\u\""),
    T("\"\\u1\""),
    T("\"\\u12\""),
    T("\"\\u123\""),
    T("\"\\u123g\""),
    T("\"\\U0041\""),
    T("\"\\ud800\""),
    T("\"\\udc00\""),
    T("\"\\ud800\\u0041\""),
    T("\"\\ud800\\ud800\""),
    T("\"\\ud800x\""),
    T("\"\\ud800\\n\""),
    T("\"\\udc00\\ud800\""),
    T("\"\\uD834\\uDd\""),
    T("\"\\ud83d\\\""),
    T("\"\t\""),
    T("\"\n\""),
    T("\"\r\""),
    T("\"\x01\""),
    T("\"\x1f\""),
    T("\"\0\""),
    T("\"a\0b\""),
    T("[\"a\0b\"]"),
    T("'a'"),
    T("\"a\"b"),
    T("\"a\" \"b\""),
    T("\"\x80\""),
    T("\"\xbf\""),
    T("\"\xc0\x80\""),
    T("\"\xc1\xbf\""),
    T("\"\xc3\""),
    T("\"\xc3(\""),
    T("\"\xe0\x80\x80\""),
    T("\"\xe0\x9f\xbf\""),
    T("\"\xe2\x82\""),
    T("\"\xe2(\xa1\""),
    T("\"\xed\xa0\x80\""),
    T("\"\xed\xbf\xbf\""),
    T("\"\xf0\x80\x80\x80\""),
    T("\"\xf0\x8f\xbf\xbf\""),
    T("\"\xf0\x9f\x98\""),
    T("\"\xf4\x90\x80\x80\""),
    T("\"\xf5\x80\x80\x80\""),
    T("\"\xf8\x88\x80\x80\x80\""),
    T("\"\xff\""),
    T("\"\xfe\""),
    T("\"\\n\xc3\""),
    T("\"0123456789abcdef\xff\""),
    T("\xef\xbb\xbf[]"),
    T("\xff\xfe[\0]\0"),
    T("[\xa0]"),
    T("[\x0c]"),
    T("[\x0b]"),
    T("\x0c[]"),
    T("[1]\0"),
    T("\0"),
    T("[\0]"),
    T("1\0"),
    T("// c\n1"),
    T("1 // c"),
    T("/**/1"),
    T("[1/**/]"),
    T("#1"),
    T("<null>"),
    T("*"),
    T("[*]"),
    T("[1+1]"),
    T("{\"a\":\"b\"}#"),
    T("{\"a\":\"b\"}/**/"),
    T("[\"\": 1]"),
    T("[\"a\",\n4\n,1,"),
    T("[1,\n1\n,1"),
    T("[{}"),
    T("{\"a\":[}"),
    T("{[: \"x\"}\n"),
    T("[\"x\"]]"),
    T("[\x22\\u00\xc3\xa9\x22]"),
    T("{\"a\":true"),
    T("{}}"),
    T("{{}}"),
    T("[\"\\\xf0\x9f\x98\x80\"]"),
    T("[<a>]"),
    T("@"),
    T("[nul]"),
};

static void grammar(void) {
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    if (parse(good[i].bytes, good[i].size) == 0) continue;
    fprintf(stderr, "refused: %s\n", good[i].bytes);
    test_failed_checks++;
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (parse(bad[i].bytes, bad[i].size) == RL_INVALID) continue;
    fprintf(stderr, "accepted: %s\n", bad[i].bytes);
    test_failed_checks++;
  }
}

// Every beginning of a text is unfinished, and says so without reading on.
static void cut_short(void) {
  static const char whole[] =
      "[{\"key\":\"a\\ud83d\\ude00\xf0\x9f\x98\x80 "
      "0123456789abcdef\",\"n\":-12.5e-3},null,true,false]";
  for (size_t n = 0; n < sizeof whole - 1; n++) EXPECT_EQ(parse(whole, n), RL_INVALID);
  EXPECT_EQ(parse(whole, sizeof whole - 1), 0);
}

static void nesting(void) {
  enum { DEEP = 100000 };
  char *deep = malloc(2 * DEEP);
  memset(deep, '[', DEEP);
  memset(deep + DEEP, ']', DEEP);
  EXPECT_EQ(parse(deep, 2 * DEEP), RL_LIMIT);
  EXPECT_EQ(parse(deep + DEEP - 512, 1024), 0);
  EXPECT_EQ(parse(deep + DEEP - 513, 1026), RL_LIMIT);
  free(deep);
}

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static double random_double(void) {
  uint64_t bits = next_random();
  if (bits % 3 == 0) bits &= ~((UINT64_C(1) << next_random() % 52) - 1);
  double d;
  memcpy(&d, &bits, sizeof d);
  return d;
}

static double read_number(const char *s, size_t n) {
  rl_json j;
  rl_json_init(&j);
  double d = NAN;
  if (rl_json_parse(&j, s, n, &rules) == 0) {
    bool whole = rl_json_kind_of(j.nodes) == RL_JSON_INTEGER;
    d = whole ? (double)j.nodes->as.integer : j.nodes->as.number;
  }
  rl_json_fini(&j);
  return d;
}

static void check_double(double d) {
  char text[64];
  size_t n = rl_decimal_write(text, d);
  text[n] = '\0';
  EXPECT(n <= RL_DECIMAL_MAX);
  EXPECT(strtod(text, NULL) == d);
  EXPECT(read_number(text, n) == d);
  int shorter = snprintf(text, sizeof text, "%.15e", fabs(d));  // 16 digits
  if (strtod(text, NULL) != fabs(d)) return;
  int exponent;
  EXPECT(rl_decimal_shortest(fabs(d), &exponent) < UINT64_C(10000000000000000));
  EXPECT(read_number(text, (size_t)shorter) == fabs(d));
}

static void numbers(void) {
  static const double edges[] = {5e-324,
                                 1.7976931348623157e308,
                                 2.2250738585072014e-308,
                                 2.225073858507201e-308,
                                 0.1,
                                 0.3,
                                 1e22,
                                 1e23,
                                 9007199254740992.0,
                                 1e16,
                                 1e17,
                                 1e-5,
                                 4.35,
                                 1e-320};
  for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) check_double(edges[i]);
  for (int i = 0; i < 200000; i++) {
    double d = random_double();
    if (isfinite(d) && d != 0) check_double(d);
    char text[64];
    int n = snprintf(text, sizeof text, "%llu.%llue%d",
                     (unsigned long long)(next_random() >> next_random() % 64),
                     (unsigned long long)next_random(), (int)(next_random() % 660) - 340);
    double want = strtod(text, NULL);
    if (isfinite(want)) EXPECT(read_number(text, (size_t)n) == want);
  }
}

// Half way between two doubles, and a digit far behind that decides.
static void long_numbers(void) {
  char text[1000];
  int n = snprintf(text, sizeof text, "9007199254740993.0");
  EXPECT(read_number(text, (size_t)n) == 9007199254740992.0);
  memset(text + n, '0', 900);
  text[n + 900] = '\0';
  EXPECT(read_number(text, (size_t)n + 900) == 9007199254740992.0);
  text[n + 899] = '1';
  EXPECT(read_number(text, (size_t)n + 900) == 9007199254740994.0);
}

static void characters(void) {
  for (uint32_t v = 0; v < 0x1000000; v += 1 + v % 3) {
    char b[4] = {(char)(v >> 16), (char)(v >> 8), (char)v, (char)0x80};
    for (size_t n = 3; n <= 4; n++) {
      const unsigned char *p = (const unsigned char *)b, *end = p + n;
      bool right = true;
      while (right && p < end) {
        size_t k = rl_utf8_sequence(p, end);
        right = k > 0;
        p += k;
      }
      EXPECT_EQ(rl_utf8_valid(b, n), right);
      EXPECT_EQ(rl_utf8_first_bad(b, n) == n, right);
    }
  }
}

int main(void) {
  grammar();
  cut_short();
  nesting();
  numbers();
  long_numbers();
  characters();
  return test_result();
}
