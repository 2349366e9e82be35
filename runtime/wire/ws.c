// WebSocket frames: headers, masks, fragments, control frames between them.
#include "runtime/wire/ws.h"

#include <string.h>

void rl_ws_reader_init(rl_ws_reader *r, bool masked, bool deflate, uint64_t limit) {
  *r = (rl_ws_reader){.masked = masked, .deflate = deflate, .limit = limit};
}

uint8_t rl_ws_mask(char *data, size_t len, const uint8_t mask[4], uint8_t at) {
  uint8_t turned[8];
  for (int i = 0; i < 8; i++) turned[i] = mask[(at + i) & 3];
  uint64_t key, word;
  memcpy(&key, turned, sizeof key);
  size_t i = 0;
  for (; len - i >= sizeof word; i += sizeof word) {
    memcpy(&word, data + i, sizeof word);
    word ^= key;
    memcpy(data + i, &word, sizeof word);
  }
  for (; i < len; i++) data[i] = (char)(data[i] ^ turned[i & 7]);
  return (uint8_t)((at + len) & 3);
}

size_t rl_ws_put_header(uint8_t out[RL_WS_HEADER_MAX], uint8_t opcode, bool fin, bool compressed,
                        uint64_t size, const uint8_t mask[4]) {
  size_t n = 2;
  out[0] = (uint8_t)((fin ? 0x80 : 0) | (compressed ? 0x40 : 0) | opcode);
  int wide = size < 126 ? 0 : size < 65536 ? 2 : 8;
  out[1] = (uint8_t)(wide == 0 ? size : wide == 2 ? 126 : 127);
  for (int i = wide - 1; i >= 0; i--) out[n++] = (uint8_t)(size >> (8 * i));
  if (!mask) return n;
  out[1] |= 0x80;
  memcpy(out + n, mask, 4);
  return n + 4;
}

static bool is_control(uint8_t opcode) { return opcode >= RL_WS_CLOSE; }

static size_t header_size(const uint8_t *head, size_t have) {
  if (have < 2) return 2;
  uint8_t size = head[1] & 0x7f;
  return 2u + (size == 126 ? 2u : size == 127 ? 8u : 0u) + (head[1] & 0x80 ? 4u : 0u);
}

// The first two bytes tell what is wrong before the rest has come.
static int judge_start(const rl_ws_reader *r) {
  uint8_t b = r->head[0], opcode = b & 15;
  bool fin = b & 0x80, rsv1 = b & 0x40;
  if (b & 0x30) return -1002;
  if (r->masked != !!(r->head[1] & 0x80)) return -1002;
  if (is_control(opcode)) {
    bool sound = opcode <= RL_WS_PONG && fin && !rsv1 && (r->head[1] & 0x7f) <= RL_WS_CONTROL_MAX;
    return sound ? 0 : -1002;
  }
  if (opcode > RL_WS_BINARY) return -1002;
  if (rsv1 && (!r->deflate || opcode == RL_WS_CONTINUATION)) return -1002;
  bool continues = opcode == RL_WS_CONTINUATION;
  return continues == (r->opcode != 0) ? 0 : -1002;
}

static int read_length(rl_ws_reader *r) {
  uint8_t size = r->head[1] & 0x7f;
  int wide = size == 126 ? 2 : size == 127 ? 8 : 0;
  r->left = wide ? 0 : size;
  for (int i = 0; i < wide; i++) r->left = r->left << 8 | r->head[2 + i];
  if (r->left >> 63) return -1002;
  if ((wide == 2 && r->left < 126) || (wide == 8 && r->left < 65536)) return -1002;
  if (r->masked) memcpy(r->mask, r->head + 2 + wide, 4);
  r->mask_at = 0;
  return 0;
}

static int start_frame(rl_ws_reader *r) {
  int err = read_length(r);
  if (err < 0) return err;
  r->fin = r->head[0] & 0x80;
  r->frame_opcode = r->head[0] & 15;
  r->in_frame = true;
  r->head_len = 0;
  r->control_len = 0;
  if (is_control(r->frame_opcode)) return 0;
  if (r->frame_opcode != RL_WS_CONTINUATION) {
    r->size = 0;
    r->compressed = r->head[0] & 0x40;
    rl_utf8_init(&r->utf8);
  }
  return r->left > r->limit - r->size ? -1009 : 0;
}

// 1: the header is whole; 0: more is needed.
static int read_header(rl_ws_reader *r, const char *data, size_t len, size_t *used) {
  while (*used < len) {
    r->head[r->head_len++] = (uint8_t)data[(*used)++];
    if (r->head_len == 2) {
      int err = judge_start(r);
      if (err < 0) return err;
    }
    if (r->head_len >= 2 && r->head_len == header_size(r->head, r->head_len)) {
      int err = start_frame(r);
      return err < 0 ? err : 1;
    }
  }
  return 0;
}

static void control_piece(rl_ws_reader *r, const char *data, size_t n, rl_ws_event *event) {
  memcpy(r->control + r->control_len, data, n);
  r->control_len = (uint8_t)(r->control_len + n);
  if (r->left) return;
  r->in_frame = false;
  event->what = RL_WS_CONTROL;
  event->opcode = r->frame_opcode;
  event->data = (char *)r->control;
  event->size = r->control_len;
}

static int message_piece(rl_ws_reader *r, char *data, size_t n, rl_ws_event *event) {
  event->first = r->opcode == 0;
  if (event->first) r->opcode = r->frame_opcode;
  r->frame_opcode = RL_WS_CONTINUATION;
  r->size += n;
  event->last = r->left == 0 && r->fin;
  bool text = r->opcode == RL_WS_TEXT && !r->compressed;
  if (text && !rl_utf8_check(&r->utf8, data, n)) return -1007;
  if (text && event->last && !rl_utf8_whole(&r->utf8)) return -1007;
  event->what = RL_WS_PIECE;
  event->opcode = r->opcode;
  event->compressed = r->compressed;
  event->data = data;
  event->size = n;
  if (r->left == 0) r->in_frame = false;
  if (event->last) r->opcode = 0;
  return 0;
}

int rl_ws_next(rl_ws_reader *r, char *data, size_t len, size_t *used, rl_ws_event *event) {
  *used = 0;
  *event = (rl_ws_event){0};
  if (!r->in_frame) {
    int got = read_header(r, data, len, used);
    if (got <= 0) return got;
  }
  size_t n = len - *used < r->left ? len - *used : (size_t)r->left;
  if (n == 0 && r->left) return 0;
  char *payload = data + *used;
  *used += n;
  r->left -= n;
  if (r->masked) r->mask_at = rl_ws_mask(payload, n, r->mask, r->mask_at);
  if (!is_control(r->frame_opcode)) return message_piece(r, payload, n, event);
  control_piece(r, payload, n, event);
  return 0;
}

bool rl_ws_is_close_code(unsigned code) {
  if (code >= 3000) return code < 5000;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

int rl_ws_read_close(const char *data, size_t size) {
  if (size == 0) return 1005;
  if (size == 1) return -1002;
  unsigned code = (unsigned)(uint8_t)data[0] << 8 | (uint8_t)data[1];
  if (!rl_ws_is_close_code(code)) return -1002;
  rl_utf8 utf8;
  rl_utf8_init(&utf8);
  bool sound = rl_utf8_check(&utf8, data + 2, size - 2) && rl_utf8_whole(&utf8);
  return sound ? (int)code : -1007;
}
