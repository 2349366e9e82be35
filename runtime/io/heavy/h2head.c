// The head of a request, field by field as nghttp2 decodes it.
#include "runtime/io/heavy/h2conn.h"
#include "runtime/wire/http1_scan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool put(rl_h2stream *s, const uint8_t *p, size_t n, uint16_t *at) {
  *at = (uint16_t)rl_buf_len(&s->bytes);
  return rl_buf_len(&s->bytes) + n <= RL_HTTP1_HEAD_MAX && rl_buf_put(&s->bytes, p, n);
}

static bool add_field(rl_h2stream *s, const char *name, size_t name_len, const uint8_t *value,
                      size_t len) {
  if (s->head.field_count == s->conn->limits.fields) return false;
  if (s->head.field_count == s->room) {
    uint32_t room = s->room ? s->room * 2 : 8;
    rl_http1_field *fields = realloc(s->fields, room * sizeof *fields);
    if (!fields) return false;
    s->fields = fields;
    s->room = room;
  }
  rl_http1_field *f = &s->fields[s->head.field_count++];
  f->name_len = (uint16_t)name_len;
  f->value_len = (uint16_t)len;
  return put(s, (const uint8_t *)name, name_len, &f->name) && put(s, value, len, &f->value);
}

static bool is(const uint8_t *name, size_t len, const char *word) {
  return len == strlen(word) && memcmp(name, word, len) == 0;
}

static bool take_pseudo(rl_h2stream *s, const uint8_t *name, size_t name_len, const uint8_t *value,
                        size_t len) {
  if (is(name, name_len, ":method")) {
    s->has_method = true;
    s->head.method_len = (uint16_t)len;
    return put(s, value, len, &s->head.method);
  }
  if (is(name, name_len, ":path")) {
    const char *p = (const char *)value;
    s->has_target = len > 0 && (*p == '/' || (len == 1 && *p == '*'));
    s->malformed |= rl_http_skip_target(p, p + len) != p + len;
    s->head.target_len = (uint16_t)len;
    return put(s, value, len, &s->head.target);
  }
  if (is(name, name_len, ":authority")) {
    s->malformed |= !rl_http1_is_host((const char *)value, len);
    s->head.host = (int16_t)s->head.field_count;
    return add_field(s, "host", 4, value, len);
  }
  return true;
}

// Beside :authority it may only repeat it (RFC 9113, 8.3.1).
static bool take_host(rl_h2stream *s, const uint8_t *value, size_t len) {
  s->malformed |= !rl_http1_is_host((const char *)value, len);
  if (s->head.host < 0) {
    s->head.host = (int16_t)s->head.field_count;
    return add_field(s, "host", 4, value, len);
  }
  const rl_http1_field *f = &s->fields[s->head.host];
  const char *known = rl_buf_head(&s->bytes) + f->value;
  s->malformed |= len != f->value_len || strncasecmp((const char *)value, known, len) != 0;
  return true;
}

bool rl_h2stream_field(rl_h2stream *s, const uint8_t *name, size_t name_len, const uint8_t *value,
                       size_t len) {
  const rl_h2conn *c = s->conn;
  s->list_size += (uint32_t)(name_len + len + 32);
  if (s->too_large || s->list_size > c->limits.head) {
    s->too_large = true;
    return s->list_size <= 16 * c->limits.head;
  }
  if (*name == ':') {
    s->too_large |= !take_pseudo(s, name, name_len, value, len);
  } else if (is(name, name_len, "host")) {
    s->too_large |= !take_host(s, value, len);
  } else {
    s->too_large |= !add_field(s, (const char *)name, name_len, value, len);
  }
  return true;
}
