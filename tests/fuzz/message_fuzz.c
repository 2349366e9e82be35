// Any bytes as a message from another process: what the check accepts can be walked without leaving
// it.
#include "runtime/wire/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct walk {
  rl_msg_reader r;
  uint64_t numbered;
} walk;

static void value(walk *w);

static void string(walk *w) {
  size_t n;
  const char *s = rl_msg_string(&w->r, &n);
  if (n > (size_t)(w->r.end - s)) abort();
}

static void table(walk *w) {
  uint32_t elements = rl_msg_u32(&w->r), pairs = rl_msg_u32(&w->r);
  w->numbered++;
  for (; elements; elements--) value(w);
  for (; pairs; pairs--) {
    value(w);
    value(w);
  }
}

static void upvalue(walk *w) {
  switch (*w->r.at) {
    case RL_MSG_GLOBALS: w->r.at++; break;
    case RL_MSG_FIELD:
      w->r.at++;
      string(w);
      string(w);
      break;
    case RL_MSG_MODULE:
      w->r.at++;
      string(w);
      break;
    case RL_MSG_JOINED:
      w->r.at++;
      if (rl_msg_varint(&w->r) >= w->numbered) abort();
      w->r.at++;
      break;
    default: value(w);
  }
}

static void function(walk *w) {
  string(w);
  w->numbered++;
  int count = (unsigned char)*w->r.at++;
  for (; count; count--) upvalue(w);
}

static void value(walk *w) {
  if (w->r.at >= w->r.end) abort();
  switch (*w->r.at++) {
    case RL_MSG_NIL:
    case RL_MSG_FALSE:
    case RL_MSG_TRUE:
    case RL_MSG_NULL: break;
    case RL_MSG_INTEGER: rl_msg_varint(&w->r); break;
    case RL_MSG_FLOAT: w->r.at += 8; break;
    case RL_MSG_STRING: string(w); break;
    case RL_MSG_META:
      string(w);
      if (*w->r.at++ != RL_MSG_TABLE) abort();
      table(w);
      break;
    case RL_MSG_TABLE: table(w); break;
    case RL_MSG_SEEN:
      if (rl_msg_varint(&w->r) >= w->numbered) abort();
      break;
    case RL_MSG_FUNCTION: function(w); break;
    default: abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  uint32_t count = data[0] & 7;
  char *bytes = malloc(size - 1);
  memcpy(bytes, data + 1, size - 1);
  if (rl_msg_check(bytes, size - 1, count, data[0] & 8)) {
    walk w = {{bytes, bytes + size - 1}, 0};
    for (; count; count--) value(&w);
    if (w.r.at != w.r.end) abort();
  }
  free(bytes);
  return 0;
}
