// WebSocket frames (RFC 6455) and the handshake's proof. Payload is unmasked in the caller's bytes.
#ifndef RL_WIRE_WS_H
#define RL_WIRE_WS_H

#include "runtime/wire/utf8.h"

enum {
  RL_WS_CONTINUATION = 0,
  RL_WS_TEXT = 1,
  RL_WS_BINARY = 2,
  RL_WS_CLOSE = 8,
  RL_WS_PING = 9,
  RL_WS_PONG = 10
};
enum { RL_WS_CONTROL_MAX = 125, RL_WS_HEADER_MAX = 14, RL_WS_ACCEPT_LEN = 28 };

typedef struct rl_ws_reader {
  uint64_t limit;  // bytes of a message, as they are on the wire
  bool masked;     // frames must be masked (a server reads), or must not (a client does)
  bool deflate;    // RSV1 may mark a compressed message

  uint8_t opcode;   // of the message under way, or 0
  bool compressed;  // that message
  uint64_t size;    // of it so far
  rl_utf8 utf8;     // of an uncompressed text
  bool in_frame;
  bool fin;  // of the frame under way
  uint8_t frame_opcode;
  uint8_t mask[4];
  uint8_t mask_at;  // the next mask byte
  uint64_t left;    // of the frame's payload
  uint8_t head_len, control_len;
  uint8_t head[RL_WS_HEADER_MAX];
  uint8_t control[RL_WS_CONTROL_MAX];
} rl_ws_reader;

typedef enum {
  RL_WS_NOTHING,  // more bytes are needed
  RL_WS_PIECE,    // of a message: `data`, `size`; `last` ends the message
  RL_WS_CONTROL,  // a whole control frame
} rl_ws_what;

typedef struct rl_ws_event {
  rl_ws_what what;
  uint8_t opcode;  // TEXT or BINARY of the message; or the control frame's
  bool first, last;
  bool compressed;
  char *data;  // in the caller's bytes, or the reader's control payload
  size_t size;
} rl_ws_event;

void rl_ws_reader_init(rl_ws_reader *r, bool masked, bool deflate, uint64_t limit);

// Reads on; `*used` bytes are done with. 0, or the negated close code: -1002, -1007, -1009.
int rl_ws_next(rl_ws_reader *r, char *data, size_t len, size_t *used, rl_ws_event *event);

// The header of a frame to send; `mask` NULL: unmasked. The count of its bytes.
size_t rl_ws_put_header(uint8_t out[RL_WS_HEADER_MAX], uint8_t opcode, bool fin, bool compressed,
                        uint64_t size, const uint8_t mask[4]);
// XORs `len` bytes with the mask from its byte `at` on; returns the next mask byte.
uint8_t rl_ws_mask(char *data, size_t len, const uint8_t mask[4], uint8_t at);

// A code that may stand in a close frame.
bool rl_ws_is_close_code(unsigned code);
// The payload of a received close frame: its code (1005 if there is none), or a negated close code.
int rl_ws_read_close(const char *data, size_t size);

// Sec-WebSocket-Accept for a key. Not terminated.
void rl_ws_accept(const char *key, size_t len, char out[RL_WS_ACCEPT_LEN]);
// 16 bytes in base64.
bool rl_ws_is_key(const char *key, size_t len);

#endif
