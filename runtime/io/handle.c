// The life of a libuv handle.
#include "runtime/io/handle.h"

static void on_close(uv_handle_t *uv) {
  rl_uvhandle *h = uv->data;
  h->loop->handles--;
  rl_link_remove(&h->link);
  h->closed(h);
}

void rl_uvhandle_opened(rl_uvhandle *h, rl_loop *loop, void *uv, void (*closed)(rl_uvhandle *)) {
  h->loop = loop;
  h->uv = uv;
  h->uv->data = h;
  h->closed = closed;
  h->closing = false;
  h->place = loop->place ? loop->place(loop) : 0;
  rl_list_push(&loop->uvhandles, &h->link);
  loop->handles++;
}

void rl_uvhandle_close(rl_uvhandle *h) {
  if (!rl_uvhandle_open(h)) return;
  h->closing = true;
  uv_close(h->uv, on_close);
}
