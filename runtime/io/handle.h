// The life of a libuv handle: open, closing, closed. Its memory goes only after the close callback;
// open and closing handles are counted in loop->handles. Loop thread only.
#ifndef RL_IO_HANDLE_H
#define RL_IO_HANDLE_H

#include "runtime/core/loop.h"

typedef struct rl_uvhandle rl_uvhandle;
struct rl_uvhandle {
  rl_link link;  // in loop->uvhandles
  rl_loop *loop;
  uv_handle_t *uv;  // NULL: never opened
  // After the close callback: frees, or drops the handle's reference.
  void (*closed)(rl_uvhandle *);
  int place;  // where it was opened, if loop->place is set
  bool closing;
};

// Right after a successful uv_*_init(`uv`): from here rl_uvhandle_close is due. Takes uv->data.
void rl_uvhandle_opened(rl_uvhandle *h, rl_loop *loop, void *uv, void (*closed)(rl_uvhandle *));
// Again, or never opened: changes nothing.
void rl_uvhandle_close(rl_uvhandle *h);

static inline bool rl_uvhandle_open(const rl_uvhandle *h) { return h->uv && !h->closing; }

#endif
