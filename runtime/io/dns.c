// Names to addresses and back.
#include "runtime/io/dns.h"

#include "runtime/base/check.h"

#include "runtime/core/task.h"

#include <stdlib.h>
#include <string.h>

static rl_stop stop_lookup(rl_op *op) {
  rl_lookup *l = rl_container_of(op, rl_lookup, op);
  l->left = true;
  uv_cancel((uv_req_t *)&l->req);  // if it is still queued, its callback comes at once
  return RL_STOP_LEAVE;
}

static const rl_op_kind lookup_kind = {"dns:lookup", stop_lookup, NULL, RL_HOLD_REAL};
static const rl_op_kind reverse_kind = {"dns:reverse", stop_lookup, NULL, RL_HOLD_REAL};

static void ended(rl_loop *loop, rl_lookup *l, int status) {
  loop->handles--;
  if (l->left) {
    rl_lookup_free(l);
  } else {
    rl_op_finish(&l->op, status);
  }
}

static void on_addresses(uv_getaddrinfo_t *req, int status, struct addrinfo *list) {
  rl_lookup *l = rl_container_of(req, rl_lookup, req.forward);
  req->addrinfo = list;
  ended(req->data, l, status);
}

static void on_name(uv_getnameinfo_t *req, int status, const char *host, const char *service) {
  (void)host, (void)service;
  ended(req->data, rl_container_of(req, rl_lookup, req.reverse), status);
}

static rl_lookup *make(const rl_op_kind *kind, int *err) {
  rl_lookup *l = calloc(1, sizeof *l);
  *err = UV_ENOMEM;
  if (l) rl_op_init(&l->op, kind);
  return l;
}

// The request has started, or has not.
static rl_lookup *begun(rl_loop *loop, rl_lookup *l, rl_task *task, int *err) {
  if (*err < 0) {
    free(l);
    return NULL;
  }
  loop->handles++;  // the loop is not closed before the callback
  rl_op_begin(&l->op, task);
  return l;
}

rl_lookup *rl_lookup_begin(rl_loop *loop, const char *host, int family, rl_task *task, int *err) {
  rl_lookup *l = make(&lookup_kind, err);
  if (!l) return NULL;
  struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
  l->req.forward.data = loop;
  *err = uv_getaddrinfo(loop->uv, &l->req.forward, on_addresses, host, NULL, &hints);
  return begun(loop, l, task, err);
}

rl_lookup *rl_lookup_begin_reverse(rl_loop *loop, const rl_addr *addr, rl_task *task, int *err) {
  rl_lookup *l = make(&reverse_kind, err);
  if (!l) return NULL;
  l->req.reverse.data = loop;
  *err = uv_getnameinfo(loop->uv, &l->req.reverse, on_name, (const struct sockaddr *)&addr->sa,
                        NI_NAMEREQD);
  return begun(loop, l, task, err);
}

void rl_lookup_free(rl_lookup *l) {
  if (l->op.kind == &lookup_kind && l->req.forward.addrinfo)
    uv_freeaddrinfo(l->req.forward.addrinfo);
  free(l);
}

static const struct addrinfo *next_of(const struct addrinfo *at, int family) {
  while (at && at->ai_family != family) at = at->ai_next;
  return at;
}

static int other(int family) { return family == AF_INET6 ? AF_INET : AF_INET6; }

int rl_addrs_interleave(const struct addrinfo *list, int port, rl_addr *out, int max) {
  while (list && list->ai_family != AF_INET && list->ai_family != AF_INET6) list = list->ai_next;
  if (!list) return 0;
  int family = list->ai_family, count = 0;
  const struct addrinfo *at[2] = {list, next_of(list, other(family))};
  for (int turn = 0; count < max && (at[0] || at[1]); turn = !turn) {
    if (!at[turn]) continue;
    memset(&out[count], 0, sizeof *out);
    memcpy(&out[count].sa, at[turn]->ai_addr, at[turn]->ai_addrlen);
    rl_addr_set_port(&out[count++], port);
    at[turn] = next_of(at[turn]->ai_next, turn ? other(family) : family);
  }
  return count;
}
