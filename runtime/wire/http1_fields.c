// Field lines of HTTP/1, and the meaning of those that frame a message.
#include "runtime/wire/http1_head.h"
#include "runtime/wire/http1_scan.h"

#include <string.h>

bool rl_http1_same(const char *s, size_t len, const char *lower) {
  for (size_t i = 0; i < len; i++) {
    char c = s[i];
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    if (c != lower[i]) return false;
  }
  return lower[len] == '\0';
}

static bool all_of(const char *s, size_t len, uint8_t class) {
  for (size_t i = 0; i < len; i++) {
    if (!RL_HTTP_IS(s[i], class)) return false;
  }
  return true;
}

bool rl_http1_is_token(const char *s, size_t len) {
  return len > 0 && all_of(s, len, RL_HTTP_TOKEN);
}
bool rl_http1_is_value(const char *s, size_t len) {
  return rl_http_skip_value(s, s + len) == s + len;
}

static bool all_digits(const char *p, const char *end) {
  while (p < end && *p >= '0' && *p <= '9') p++;
  return p == end;
}

// Of a name or an address without brackets.
static bool is_plain_host(char c) {
  if (!RL_HTTP_IS(c, RL_HTTP_HOST)) return false;
  return RL_HTTP_IS(c, RL_HTTP_TOKEN) || (c != ':' && c != '[' && c != ']');
}

// A name or an address, or one in brackets, and perhaps a port.
bool rl_http1_is_host(const char *s, size_t len) {
  const char *p = s, *end = s + len;
  if (len && *s == '[') {
    do p++;
    while (p < end && *p != '[' && *p != ']' && RL_HTTP_IS(*p, RL_HTTP_HOST));
    if (p == end || *p != ']') return false;
    p++;
  } else {
    while (p < end && is_plain_host(*p)) p++;
  }
  return p == end || (*p == ':' && p > s && all_digits(p + 1, end));
}

// The next element of a comma-separated list, without white space; false at its end.
static bool next_element(const char **p, const char *end, const char **s, size_t *len) {
  while (*p < end && (**p == ',' || **p == ' ' || **p == '\t')) ++*p;
  if (*p == end) return false;
  *s = *p;
  while (*p < end && **p != ',') ++*p;
  const char *last = *p;
  while (last[-1] == ' ' || last[-1] == '\t') last--;
  *len = (size_t)(last - *s);
  return true;
}

bool rl_http1_list_has(const char *s, size_t len, const char *token) {
  const char *p = s, *end = s + len, *item;
  size_t size;
  while (next_element(&p, end, &item, &size)) {
    if (rl_http1_same(item, size, token)) return true;
  }
  return false;
}

static void note_connection(rl_http1_reader *r, const char *s, size_t len) {
  const char *p = s, *end = s + len, *item;
  size_t size;
  while (next_element(&p, end, &item, &size)) {
    if (rl_http1_same(item, size, "close")) {
      r->close = true;
    } else if (rl_http1_same(item, size, "keep-alive")) {
      r->keep = true;
    } else if (rl_http1_same(item, size, "upgrade")) {
      r->upgrade = true;
    }
  }
}

static void note_length(rl_http1_reader *r, const char *s, size_t len) {
  uint64_t n = 0;
  r->lengths += r->lengths < 2;
  if (len == 0 || len > 18) r->bad_length = true;
  for (size_t i = 0; i < len && i < 19; i++) {
    if (s[i] < '0' || s[i] > '9') {
      r->bad_length = true;
      return;
    }
    n = n * 10 + (uint64_t)(s[i] - '0');
  }
  r->head->length = n;
}

static bool known_coding(const char *s, size_t len) {
  return rl_http1_same(s, len, "gzip") || rl_http1_same(s, len, "deflate") ||
         rl_http1_same(s, len, "compress") || rl_http1_same(s, len, "x-gzip") ||
         rl_http1_same(s, len, "x-compress");
}

// "chunked" alone is decoded. Codings that exist, with chunked last, are 501; all else has no
// certain length: 400.
static void note_coding(rl_http1_reader *r, const char *s, size_t len) {
  r->codings += r->codings < 2;
  r->chunked = rl_http1_same(s, len, "chunked");
  if (r->chunked) return;
  const char *p = s, *end = s + len, *item;
  size_t size;
  bool last_chunked = false;
  r->coding_error = -501;
  while (next_element(&p, end, &item, &size)) {
    if (last_chunked) r->coding_error = -400;
    last_chunked = rl_http1_same(item, size, "chunked");
    if (!last_chunked && !known_coding(item, size)) r->coding_error = -400;
  }
  if (!last_chunked || s[0] == ',') r->coding_error = -400;
}

static void note_field(rl_http1_reader *r, const rl_http1_field *f) {
  const char *name = r->base + f->name, *value = r->base + f->value;
  int16_t index = (int16_t)(f - r->fields);
  switch (f->name_len) {
    case 4:
      if (!rl_http1_same(name, 4, "host")) return;
      r->hosts += r->hosts < 2;
      r->bad_host |= !rl_http1_is_host(value, f->value_len);
      r->head->host = index;
      return;
    case 6:
      if (!rl_http1_same(name, 6, "expect")) return;
      r->head->expects_continue = true;
      r->bad_expect |= !rl_http1_same(value, f->value_len, "100-continue");
      return;
    case 7:
      if (rl_http1_same(name, 7, "upgrade")) r->head->upgrade = index;
      return;
    case 10:
      if (rl_http1_same(name, 10, "connection")) note_connection(r, value, f->value_len);
      return;
    case 14:
      if (rl_http1_same(name, 14, "content-length")) note_length(r, value, f->value_len);
      return;
    case 17:
      if (rl_http1_same(name, 17, "transfer-encoding")) note_coding(r, value, f->value_len);
      return;
    default: return;
  }
}

static int more(const rl_http1_reader *r) {
  return (size_t)(r->end - r->base) > r->limits->head ? -431 : RL_HTTP1_MORE;
}

// One line, from its name on.
static int read_field(rl_http1_reader *r) {
  const char *name = r->p, *p = name;
  while (p < r->end && RL_HTTP_IS(*p, RL_HTTP_TOKEN)) p++;
  if (p == r->end) return more(r);
  if (p == name || *p != ':') return -400;
  const char *name_end = p++;
  while (p < r->end && (*p == ' ' || *p == '\t')) p++;
  const char *value = p;
  p = rl_http_skip_value(p, r->end);
  if (p == r->end) return more(r);
  if (*p != '\r') return -400;
  if (r->end - p < 2) return more(r);
  if (p[1] != '\n') return -400;
  if ((size_t)(p + 2 - r->base) > r->limits->head) return -431;
  if (r->head->field_count == r->limits->fields) return -431;
  const char *value_end = p;
  while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) value_end--;
  rl_http1_field *f = &r->fields[r->head->field_count++];
  f->name = (uint16_t)(name - r->base);
  f->name_len = (uint16_t)(name_end - name);
  f->value = (uint16_t)(value - r->base);
  f->value_len = (uint16_t)(value_end - value);
  note_field(r, f);
  r->p = p + 2;
  return RL_HTTP1_DONE;
}

int rl_http1_read_fields(rl_http1_reader *r) {
  for (;;) {
    if (r->p == r->end) return more(r);
    if (*r->p == '\r') {
      if (r->end - r->p < 2) return more(r);
      if (r->p[1] != '\n') return -400;
      r->p += 2;
      return (size_t)(r->p - r->base) > r->limits->head ? -431 : RL_HTTP1_DONE;
    }
    int got = read_field(r);
    if (got != RL_HTTP1_DONE) return got;
  }
}

int rl_http1_find_end(const char *data, size_t len, rl_http1_scan *scan,
                      const rl_http1_limits *limits, int line_error) {
  const char *p = data + scan->seen, *end = data + len, *nl;
  while (p < end && (nl = memchr(p, '\n', (size_t)(end - p)))) {
    if (nl == data || nl[-1] != '\r') return -400;
    size_t size = (size_t)(nl + 1 - data) - scan->line_start;
    if (size == 2 && scan->line_start > 0) return RL_HTTP1_DONE;
    if (scan->lines == 0 && size > limits->line) return line_error;
    if (size > 2) scan->lines++;
    if (scan->lines > limits->fields + 1) return -431;
    p = nl + 1;
    scan->line_start = (size_t)(p - data);
  }
  scan->seen = len;
  if (scan->lines == 0 && len - scan->line_start > limits->line) return line_error;
  return len > limits->head ? -431 : RL_HTTP1_MORE;
}
