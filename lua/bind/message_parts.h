// What packing and unpacking of messages share.
#ifndef RL_BIND_MESSAGE_PARTS_H
#define RL_BIND_MESSAGE_PARTS_H

#include "lua/bind/message.h"
#include "runtime/wire/message.h"

#define RL_MSG_ERROR_META "rille.Error"

struct rl_msg {
  atomic_uint refs;
  uint32_t count;         // values
  uint32_t shared_count;  // things by reference
  bool refers;            // some table or function is referred to again
  rl_shared **shared;
  size_t size;
  char bytes[];
};

rl_msg *rl_msg_new(size_t cap);

// A large string: copied once, however many receivers it has.
typedef struct rl_blob {
  rl_shared base;
  size_t size;
  char bytes[];
} rl_blob;

rl_shared *rl_blob_new(const char *bytes, size_t size);

#endif
