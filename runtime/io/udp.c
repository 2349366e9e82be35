// Datagrams.
#include "runtime/io/udp.h"

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/core/task.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 * 1024 };  // holds any datagram

typedef struct sending {
  uv_udp_send_t req;
  rl_udp *udp;
  char bytes[];
} sending;

static rl_stop stop_receiving(rl_op *op) {
  (void)op;
  return RL_STOP_NOW;
}

static const rl_op_kind receive_kind = {"udp:recv", stop_receiving, NULL, RL_HOLD_REAL};
static const rl_op_kind send_kind = {"udp:send", stop_receiving, NULL, RL_HOLD_REAL};

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf) {
  (void)hint;
  rl_udp *u = rl_container_of(h->data, rl_udp, handle);
  void *block = rl_slab_alloc(&u->handle.loop->slab, BLOCK);
  *buf = uv_buf_init(block, block ? BLOCK : 0);
}

static void stop(rl_udp *u) {
  if (!u->receiving) return;
  u->receiving = false;
  uv_udp_recv_stop(&u->uv);
}

static void wake(rl_udp *u) {
  if (rl_op_pending(&u->receiver)) rl_op_finish(&u->receiver, 0);
}

static void keep(rl_udp *u, const char *bytes, size_t n, const struct sockaddr *from) {
  rl_datagram *d = malloc(sizeof *d + n);
  if (!d) return;  // a datagram may get lost
  memset(&d->from, 0, sizeof d->from);
  memcpy(&d->from.sa, from,
         from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
  d->length = n;
  memcpy(d->bytes, bytes, n);
  rl_list_push(&u->arrived, &d->link);
  if (++u->kept >= RL_UDP_KEPT) stop(u);
}

static void on_datagram(uv_udp_t *uv, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
                        unsigned flags) {
  (void)flags;
  rl_udp *u = rl_container_of(uv->data, rl_udp, handle);
  if (n < 0) {
    u->error = (int)n;
    stop(u);
    wake(u);
  } else if (from) {
    keep(u, buf->base, (size_t)n, from);
    wake(u);
  }
  rl_slab_free(&u->handle.loop->slab, buf->base, BLOCK);
}

rl_datagram *rl_udp_first(rl_udp *u, int *err) {
  *err = 0;
  if (!rl_list_empty(&u->arrived)) return rl_container_of(u->arrived.next, rl_datagram, link);
  *err = u->error;
  u->error = 0;
  return NULL;
}

void rl_udp_drop(rl_udp *u) {
  u->kept--;
  free(rl_container_of(rl_list_pop(&u->arrived), rl_datagram, link));
}

void rl_udp_wait(rl_udp *u, rl_task *task) {
  rl_op_init(&u->receiver, &receive_kind);
  rl_op_begin(&u->receiver, task);
  if (u->receiving) return;
  int err = uv_udp_recv_start(&u->uv, on_alloc, on_datagram);
  u->receiving = err == 0;
  if (err < 0) rl_op_finish(&u->receiver, err);
}

int rl_udp_send(rl_udp *u, const void *bytes, size_t n, const rl_addr *to) {
  uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)n);
  int err = uv_udp_try_send(&u->uv, &buf, 1, to ? (const struct sockaddr *)&to->sa : NULL);
  return err < 0 ? err : 0;
}

static void on_sent(uv_udp_send_t *req, int status) {
  sending *s = rl_container_of(req, sending, req);
  if (s->udp->last == s && rl_op_pending(&s->udp->sender)) rl_op_finish(&s->udp->sender, status);
  free(s);
}

int rl_udp_send_later(rl_udp *u, const void *bytes, size_t n, const rl_addr *to, rl_task *task) {
  sending *s = malloc(sizeof *s + n);
  if (!s) return UV_ENOMEM;
  s->udp = u;
  memcpy(s->bytes, bytes, n);
  uv_buf_t buf = uv_buf_init(s->bytes, (unsigned)n);
  int err =
      uv_udp_send(&s->req, &u->uv, &buf, 1, to ? (const struct sockaddr *)&to->sa : NULL, on_sent);
  if (err < 0) {
    free(s);
    return err;
  }
  u->last = s;
  rl_op_init(&u->sender, &send_kind);
  rl_op_begin(&u->sender, task);
  return 0;
}

int rl_udp_settle(rl_udp *u) {
  uv_os_fd_t fd;
  if (uv_fileno((uv_handle_t *)&u->uv, &fd) == 0) return 0;
  struct sockaddr_in any = {.sin_family = AF_INET};
  return uv_udp_bind(&u->uv, (const struct sockaddr *)&any, 0);
}

static void on_closed(rl_uvhandle *h) { rl_udp_unref(rl_container_of(h, rl_udp, handle)); }

void rl_udp_close(rl_udp *u) {
  if (!rl_uvhandle_open(&u->handle)) return;
  stop(u);
  if (rl_op_pending(&u->receiver)) rl_op_finish(&u->receiver, RL_CLOSED);
  if (rl_op_pending(&u->sender)) rl_op_finish(&u->sender, RL_CLOSED);
  rl_uvhandle_close(&u->handle);
}

void rl_udp_unref(rl_udp *u) {
  if (--u->refs) return;
  for (rl_link *link; (link = rl_list_pop(&u->arrived));)
    free(rl_container_of(link, rl_datagram, link));
  free(u);
}

rl_udp *rl_udp_open(rl_loop *loop, const rl_addr *addr, bool reuse, int *err) {
  rl_udp *u = calloc(1, sizeof *u);
  *err = UV_ENOMEM;
  if (!u) return NULL;
  *err = uv_udp_init(loop->uv, &u->uv);
  if (*err < 0) {
    free(u);
    return NULL;
  }
  u->refs = 2;  // the open handle's and the caller's
  rl_link_init(&u->arrived);
  rl_op_init(&u->receiver, &receive_kind);
  rl_op_init(&u->sender, &send_kind);
  rl_uvhandle_opened(&u->handle, loop, &u->uv, on_closed);
  if (addr)
    *err = uv_udp_bind(&u->uv, (const struct sockaddr *)&addr->sa, reuse ? UV_UDP_REUSEADDR : 0);
  if (*err == 0) return u;
  rl_udp_close(u);
  rl_udp_unref(u);
  return NULL;
}
