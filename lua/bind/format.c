// Taking lines, counts, numerals and the rest out of a stream's bytes.
#include "lua/bind/format.h"

#include "lua/bind/gift.h"

#include <ctype.h>
#include <string.h>

enum { NUMERAL_MAX = 200 };  // characters, as in io

static int give(lua_State *L, rl_stream *s, size_t n, size_t skip) {
  if (n == rl_stream_len(s) && rl_gift_fits(rl_state_of(L), s->in.cap, n)) {
    size_t size = s->in.cap;
    char *block = rl_stream_take_block(s);
    if (block) {
      rl_push_block(L, block, size, n);
      return 1;
    }
  }
  lua_pushlstring(L, rl_stream_len(s) ? rl_buf_head(&s->in) : "",
                  n);  // may raise: nothing is taken yet
  if (n + skip) rl_stream_consume(s, n + skip);
  return 1;
}

static int give_nil(lua_State *L) {
  lua_pushnil(L);
  return 1;
}

static bool at_end(const rl_stream *s) { return s->in_status == UV_EOF; }

// Not enough bytes: waits for more, or fails with what ended the stream.
static int need(const rl_stream *s, size_t *want, size_t n) {
  if (s->in_status < 0) return s->in_status;
  *want = n;
  return 0;
}

static int take_any(lua_State *L, rl_stream *s, size_t *want) {
  if (rl_stream_len(s)) return give(L, s, rl_stream_len(s), 0);
  return at_end(s) ? give_nil(L) : need(s, want, 1);
}

static int take_count(lua_State *L, rl_stream *s, size_t count, size_t *want) {
  size_t len = rl_stream_len(s);
  if (len >= count && (count > 0 || len > 0)) return give(L, s, count, 0);
  if (!at_end(s)) return need(s, want, count ? count : 1);
  return len ? give(L, s, len, 0) : give_nil(L);
}

static int take_all(lua_State *L, rl_stream *s, size_t *want) {
  if (at_end(s)) return give(L, s, rl_stream_len(s), 0);
  return need(s, want, SIZE_MAX);
}

static int take_until(lua_State *L, rl_stream *s, const rl_request *r, size_t *want) {
  size_t len = rl_stream_len(s), dn = r->delimiter_length;
  if (len > s->scanned) {
    size_t from = s->scanned >= dn ? s->scanned - dn + 1 : 0;
    const char *start = rl_buf_head(&s->in);
    const char *at = dn == 1 ? memchr(start + from, *r->delimiter, len - from)
                             : memmem(start + from, len - from, r->delimiter, dn);
    if (at) {
      size_t n = (size_t)(at - start);
      if (n > r->limit) return RL_LIMIT;
      return r->keep ? give(L, s, n + dn, 0) : give(L, s, n, dn);
    }
  }
  if (len > r->limit + dn) return RL_LIMIT;
  if (at_end(s)) return len ? (len > r->limit ? RL_LIMIT : give(L, s, len, 0)) : give_nil(L);
  s->scanned = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
  return need(s, want, len + 1);
}

typedef struct numeral {
  const char *at, *end;
  char text[NUMERAL_MAX + 1];
  int length;
  bool overflow;
} numeral;

static bool accept_one(numeral *n, const char *set) {
  if (n->at == n->end || !*n->at || !strchr(set, *n->at)) return false;
  if (n->length == NUMERAL_MAX) {
    n->overflow = true;
    return false;
  }
  n->text[n->length++] = *n->at++;
  return true;
}

static int accept_digits(numeral *n, bool hex) {
  int count = 0;
  while (accept_one(n, hex ? "0123456789abcdefABCDEF" : "0123456789")) count++;
  return count;
}

static void scan_numeral(numeral *n) {
  accept_one(n, "+-");
  int count = 0;
  bool hex = false;
  if (accept_one(n, "0")) {
    hex = accept_one(n, "xX");
    count = hex ? 0 : 1;
  }
  count += accept_digits(n, hex);
  if (accept_one(n, ".")) count += accept_digits(n, hex);
  if (count > 0 && accept_one(n, hex ? "pP" : "eE")) {
    accept_one(n, "+-");
    accept_digits(n, false);
  }
  n->text[n->length] = 0;
}

static int take_number(lua_State *L, rl_stream *s, size_t *want) {
  size_t blank = 0, len = rl_stream_len(s);
  while (blank < len && isspace((unsigned char)rl_buf_head(&s->in)[blank])) blank++;
  if (blank) rl_stream_consume(s, blank);
  len -= blank;
  if (!len) return at_end(s) ? give_nil(L) : need(s, want, 1);
  numeral n = {.at = rl_buf_head(&s->in), .end = rl_buf_head(&s->in) + len};
  scan_numeral(&n);
  if (n.at == n.end && !n.overflow && !at_end(s)) return need(s, want, len + 1);
  size_t used = (size_t)n.length;
  if (n.overflow || !lua_stringtonumber(L, n.text)) lua_pushnil(L);
  rl_stream_consume(s, used);
  return 1;
}

int rl_take(lua_State *L, rl_stream *s, const rl_request *r, size_t *want) {
  switch (r->what) {
    case RL_READ_ANY: return take_any(L, s, want);
    case RL_READ_COUNT: return take_count(L, s, r->count, want);
    case RL_READ_ALL: return take_all(L, s, want);
    case RL_READ_NUMBER: return take_number(L, s, want);
    case RL_READ_UNTIL: return take_until(L, s, r, want);
  }
  return RL_INVALID;
}
