// Heads of HTTP/1 requests and responses: the first line, and what the fields add up to.
#include "runtime/wire/http1.h"
#include "runtime/wire/http1_head.h"
#include "runtime/wire/http1_scan.h"

#include <string.h>

enum { METHOD_MAX = 32, VERSION_LEN = 8 };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static void start(rl_http1_reader *r, const char *data, size_t len, const rl_http1_limits *limits,
                  rl_http1_head *head, rl_http1_field *fields) {
  *r = (rl_http1_reader){0};
  r->base = r->p = data;
  r->end = data + len;
  r->limits = limits;
  r->head = head;
  r->fields = fields;
  *head = (rl_http1_head){.host = -1, .upgrade = -1};
}

static int more_of_line(const rl_http1_reader *r, int too_long) {
  return (size_t)(r->end - r->base) > r->limits->line ? too_long : RL_HTTP1_MORE;
}

// "HTTP/d.d": 1.x is DONE.
static int read_version(rl_http1_reader *r, const char *p) {
  if (memcmp(p, "HTTP/", 5) != 0 || !is_digit(p[5]) || p[6] != '.' || !is_digit(p[7])) return -400;
  if (p[5] != '1') return -505;
  r->head->minor = p[7] != '0';
  return RL_HTTP1_DONE;
}

static bool has_scheme(const char *s, size_t len, const char **rest) {
  if (len > 7 && rl_http1_same(s, 7, "http://")) {
    *rest = s + 7;
  } else if (len > 8 && rl_http1_same(s, 8, "https://")) {
    *rest = s + 8;
  } else {
    return false;
  }
  return true;
}

static bool is_connect(const char *method, size_t len) {
  return len == 7 && memcmp(method, "CONNECT", 7) == 0;
}

// RFC 9112, 3.2: the four forms of a target, each where it belongs.
static bool target_fits(const char *method, size_t method_len, const char *s, size_t len) {
  if (is_connect(method, method_len)) return memchr(s, ':', len) && rl_http1_is_host(s, len);
  if (s[0] == '/') return true;
  if (len == 1 && s[0] == '*') return method_len == 7 && memcmp(method, "OPTIONS", 7) == 0;
  const char *host;
  if (!has_scheme(s, len, &host)) return false;
  const char *end = s + len, *p = host;
  while (p < end && *p != '/' && *p != '?') p++;
  return p > host && rl_http1_is_host(host, (size_t)(p - host));
}

static int read_request_line(rl_http1_reader *r) {
  const char *method = r->p, *p = method;
  while (p < r->end && RL_HTTP_IS(*p, RL_HTTP_TOKEN)) p++;
  if (p == r->end) return p - method > METHOD_MAX ? -501 : RL_HTTP1_MORE;
  if (p == method || *p != ' ') return -400;
  if (p - method > METHOD_MAX) return -501;
  const char *method_end = p++, *target = p;
  p = rl_http_skip_target(p, r->end);
  if (p == r->end) return more_of_line(r, -414);
  if (p == target || *p != ' ') return -400;
  const char *target_end = p++;
  if (r->end - p < VERSION_LEN + 2) return more_of_line(r, -414);
  if ((size_t)(p + VERSION_LEN + 2 - r->base) > r->limits->line) return -414;
  size_t method_len = (size_t)(method_end - method), target_len = (size_t)(target_end - target);
  if (p[VERSION_LEN] != '\r' || p[VERSION_LEN + 1] != '\n') return -400;
  if (memcmp(method, "PRI * HTTP/2.0", 14) == 0) return RL_HTTP1_PREFACE;
  int err = read_version(r, p);
  if (err < 0) return err;
  if (!target_fits(method, method_len, target, target_len)) return -400;
  if (is_connect(method, method_len)) return -501;  // whose success would begin a tunnel
  r->head->method = (uint16_t)(method - r->base);
  r->head->method_len = (uint16_t)method_len;
  r->head->target = (uint16_t)(target - r->base);
  r->head->target_len = (uint16_t)target_len;
  r->p = p + VERSION_LEN + 2;
  return RL_HTTP1_DONE;
}

// One length, or none that could be taken for one.
static int judge_framing(rl_http1_reader *r) {
  rl_http1_head *h = r->head;
  if (r->bad_length || r->lengths > 1 || r->codings > 1) return -400;
  if (r->codings) {
    if (r->lengths || h->minor == 0) return -400;
    if (!r->chunked) return r->coding_error;
    h->framing = RL_HTTP1_CHUNKED;
  } else if (r->lengths) {
    h->framing = h->length ? RL_HTTP1_LENGTH : RL_HTTP1_NO_BODY;
  }
  h->keep_alive = !r->close && (h->minor || r->keep);
  h->wants_upgrade = r->upgrade && h->upgrade >= 0 && h->minor;
  return RL_HTTP1_DONE;
}

static int judge_request(rl_http1_reader *r) {
  rl_http1_head *h = r->head;
  if (r->bad_host || r->hosts > 1 || (r->hosts == 0 && h->minor)) return -400;
  int err = judge_framing(r);
  if (err < 0) return err;
  if (!h->minor) h->expects_continue = false;
  return h->expects_continue && r->bad_expect ? -417 : RL_HTTP1_DONE;
}

// An empty line before a request is skipped (RFC 9112, 2.2).
static int skip_empty_line(rl_http1_reader *r) {
  if (r->p == r->end) return RL_HTTP1_MORE;
  if (*r->p != '\r') return RL_HTTP1_DONE;
  if (r->end - r->p < 2) return RL_HTTP1_MORE;
  if (r->p[1] != '\n') return -400;
  r->p += 2;
  return r->p == r->end ? RL_HTTP1_MORE : RL_HTTP1_DONE;
}

static int read_request(rl_http1_reader *r) {
  int got = skip_empty_line(r);
  if (got == RL_HTTP1_DONE) got = read_request_line(r);
  if (got == RL_HTTP1_DONE) got = rl_http1_read_fields(r);
  if (got == RL_HTTP1_DONE) got = judge_request(r);
  return got == RL_HTTP1_DONE ? (int)(r->p - r->base) : got;
}

int rl_http1_parse_request(const char *data, size_t len, rl_http1_scan *scan,
                           const rl_http1_limits *limits, rl_http1_head *head,
                           rl_http1_field *fields) {
  if (scan->seen) {  // a piece came before: parse once more only when the head is whole
    int got = rl_http1_find_end(data, len, scan, limits, -414);
    if (got != RL_HTTP1_DONE) return got;
  }
  rl_http1_reader r;
  start(&r, data, len, limits, head, fields);
  int got = read_request(&r);
  if (got == RL_HTTP1_MORE) got = rl_http1_find_end(data, len, scan, limits, -414);
  return got == RL_HTTP1_DONE ? RL_HTTP1_MORE : got;
}

static int read_status_line(rl_http1_reader *r) {
  const char *p = r->p;
  if (r->end - p < VERSION_LEN + 6) return more_of_line(r, -431);
  int err = read_version(r, p);
  if (err < 0) return -400;
  p += VERSION_LEN;
  if (p[0] != ' ' || p[1] < '1' || p[1] > '9' || !is_digit(p[2]) || !is_digit(p[3])) return -400;
  r->head->status = (uint16_t)((p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0'));
  p += 4;
  if (*p == ' ')
    p++;
  else if (*p != '\r')
    return -400;
  const char *reason = p;
  p = rl_http_skip_value(p, r->end);
  if (p == r->end || r->end - p < 2) return more_of_line(r, -431);
  if (p[0] != '\r' || p[1] != '\n') return -400;
  if ((size_t)(p + 2 - r->base) > r->limits->line) return -431;
  r->head->reason = (uint16_t)(reason - r->base);
  r->head->reason_len = (uint16_t)(p - reason);
  r->p = p + 2;
  return RL_HTTP1_DONE;
}

// RFC 9112, 6.3.
static int judge_response(rl_http1_reader *r, const char *method) {
  rl_http1_head *h = r->head;
  int err = judge_framing(r);
  if (err < 0) return -400;
  bool bodiless =
      h->status < 200 || h->status == 204 || h->status == 304 || strcmp(method, "HEAD") == 0;
  bool tunnel = strcmp(method, "CONNECT") == 0 && h->status / 100 == 2;
  if (bodiless || tunnel) {
    h->framing = RL_HTTP1_NO_BODY;
  } else if (!r->codings && !r->lengths) {
    h->framing = RL_HTTP1_TO_THE_END;
    h->keep_alive = false;
  }
  return RL_HTTP1_DONE;
}

int rl_http1_parse_response(const char *data, size_t len, rl_http1_scan *scan,
                            const rl_http1_limits *limits, const char *method, rl_http1_head *head,
                            rl_http1_field *fields) {
  if (scan->seen) {
    int got = rl_http1_find_end(data, len, scan, limits, -431);
    if (got != RL_HTTP1_DONE) return got;
  }
  rl_http1_reader r;
  start(&r, data, len, limits, head, fields);
  int got = read_status_line(&r);
  if (got == RL_HTTP1_DONE) got = rl_http1_read_fields(&r);
  if (got == RL_HTTP1_DONE) got = judge_response(&r, method);
  if (got == RL_HTTP1_DONE) return (int)(r.p - r.base);
  if (got == RL_HTTP1_MORE) got = rl_http1_find_end(data, len, scan, limits, -431);
  return got == RL_HTTP1_DONE ? RL_HTTP1_MORE : got;
}
