// Names to addresses and back.
#include "runtime/io/dns.h"

#include "runtime/base/check.h"
#include "runtime/core/task.h"
#include "runtime/io/resolver.h"

#include <stdlib.h>
#include <string.h>

static rl_stop stop_lookup(rl_op *op) {
  rl_lookup *l = rl_container_of(op, rl_lookup, op);
  l->left = true;
  if (rl_resolver_withdraw(l)) rl_lookup_free(l);
  return RL_STOP_LEAVE;
}

static const rl_op_kind lookup_kind = {"dns:lookup", stop_lookup, NULL, RL_HOLD_REAL};
static const rl_op_kind reverse_kind = {"dns:reverse", stop_lookup, NULL, RL_HOLD_REAL};

static void on_answer(rl_post *post) {
  rl_lookup *l = rl_container_of(post, rl_lookup, post);
  if (l->left) {
    rl_lookup_free(l);
  } else {
    rl_op_finish(&l->op, l->status);
  }
}

static void on_drop(rl_post *post) { rl_lookup_free(rl_container_of(post, rl_lookup, post)); }

static rl_lookup *make(const rl_op_kind *kind, int *err) {
  rl_lookup *l = calloc(1, sizeof *l);
  *err = UV_ENOMEM;
  if (!l) return NULL;
  rl_op_init(&l->op, kind);
  rl_link_init(&l->link);
  l->post = (rl_post){.run = on_answer, .drop = on_drop};
  return l;
}

static rl_lookup *begin(rl_loop *loop, rl_lookup *l, rl_task *task, int *err) {
  rl_resolver *r = rl_resolver_of(loop);
  *err = r ? rl_resolver_submit(r, l) : UV_ENOMEM;
  if (*err < 0) {
    free(l);
    return NULL;
  }
  rl_op_begin(&l->op, task);
  return l;
}

rl_lookup *rl_lookup_begin(rl_loop *loop, const char *host, int family, rl_task *task, int *err) {
  rl_lookup *l = make(&lookup_kind, err);
  if (!l) return NULL;
  l->family = family;
  size_t n = strlen(host);
  if (n >= sizeof l->name) {
    free(l);
    *err = UV_ENAMETOOLONG;
    return NULL;
  }
  memcpy(l->name, host, n);
  return begin(loop, l, task, err);
}

rl_lookup *rl_lookup_begin_reverse(rl_loop *loop, const rl_addr *addr, rl_task *task, int *err) {
  rl_lookup *l = make(&reverse_kind, err);
  if (!l) return NULL;
  l->reverse = true;
  l->addr = *addr;
  return begin(loop, l, task, err);
}

void rl_lookup_free(rl_lookup *l) {
  if (l->list) freeaddrinfo(l->list);
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
