// The life of a libuv handle.
#include "runtime/io/handle.h"

static void on_close(uv_handle_t *uv) {
  rl_handle *h = uv->data;
  h->loop->handles--;
  h->closed(h);
}

void rl_handle_opened(rl_handle *h, rl_loop *loop, void *uv, void (*closed)(rl_handle *)) {
  h->loop = loop;
  h->uv = uv;
  h->uv->data = h;
  h->closed = closed;
  h->closing = false;
  loop->handles++;
}

void rl_handle_close(rl_handle *h) {
  if (!rl_handle_open(h)) return;
  h->closing = true;
  uv_close(h->uv, on_close);
}
