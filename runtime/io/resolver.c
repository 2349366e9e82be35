// The threads that ask the system's resolver.
#include "runtime/io/resolver.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { STACK = 512 * 1024 };

// Shared by the loop and the threads; the last one frees it.
struct rl_resolver {
  rl_closer closer;
  pthread_mutex_t lock;
  rl_loop *loop;  // NULL once it closes
  rl_list queue;
  int threads;
  int refs;
};

static int translate(int eai) {
  switch (eai) {
    case 0: return 0;
    case EAI_ADDRFAMILY: return UV_EAI_ADDRFAMILY;
    case EAI_AGAIN: return UV_EAI_AGAIN;
    case EAI_BADFLAGS: return UV_EAI_BADFLAGS;
    case EAI_FAIL: return UV_EAI_FAIL;
    case EAI_FAMILY: return UV_EAI_FAMILY;
    case EAI_MEMORY: return UV_EAI_MEMORY;
    case EAI_NODATA: return UV_EAI_NODATA;
    case EAI_OVERFLOW: return UV_EAI_OVERFLOW;
    case EAI_SERVICE: return UV_EAI_SERVICE;
    case EAI_SOCKTYPE: return UV_EAI_SOCKTYPE;
    case EAI_SYSTEM: return uv_translate_sys_error(errno);
    default: return UV_EAI_NONAME;
  }
}

static bool is_ascii(const char *name) {
  for (; *name; name++) {
    if (*name & 0x80) return false;
  }
  return true;
}

static void ask(rl_lookup *l) {
  if (l->reverse) {
    l->status = translate(getnameinfo((const struct sockaddr *)&l->addr.sa,
                                      (socklen_t)rl_addr_size(&l->addr), l->name, sizeof l->name,
                                      NULL, 0, NI_NAMEREQD));
    return;
  }
  struct addrinfo hints = {.ai_family = l->family, .ai_socktype = SOCK_STREAM};
  if (!is_ascii(l->name)) hints.ai_flags = AI_IDN;
  l->status = translate(getaddrinfo(l->name, NULL, &hints, &l->list));
}

// Unlocks.
static void release(rl_resolver *r) {
  bool last = --r->refs == 0;
  pthread_mutex_unlock(&r->lock);
  if (!last) return;
  pthread_mutex_destroy(&r->lock);
  free(r);
}

static void *work(void *arg) {
  rl_resolver *r = arg;
  pthread_mutex_lock(&r->lock);
  for (rl_link *link; (link = rl_list_pop(&r->queue));) {
    rl_lookup *l = rl_container_of(link, rl_lookup, link);
    l->running = true;
    pthread_mutex_unlock(&r->lock);
    ask(l);
    pthread_mutex_lock(&r->lock);
    // While the lock is held and the loop is known, it has not closed.
    if (!r->loop || !rl_loop_post(r->loop, &l->post)) rl_lookup_free(l);
  }
  r->threads--;
  release(r);
  return NULL;
}

static int start_thread(rl_resolver *r) {
  pthread_attr_t attr;
  pthread_t thread;
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, STACK);
  r->threads++;
  r->refs++;
  int err = pthread_create(&thread, &attr, work, r);
  pthread_attr_destroy(&attr);
  if (err == 0) return 0;
  r->threads--;
  r->refs--;
  return uv_translate_sys_error(err);
}

static void close_resolver(rl_closer *closer) {
  rl_resolver *r = rl_container_of(closer, rl_resolver, closer);
  pthread_mutex_lock(&r->lock);
  r->loop->resolver = NULL;
  r->loop = NULL;
  for (rl_link *link; (link = rl_list_pop(&r->queue));)
    rl_lookup_free(rl_container_of(link, rl_lookup, link));
  release(r);
}

rl_resolver *rl_resolver_of(rl_loop *loop) {
  if (loop->resolver) return loop->resolver;
  rl_resolver *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  pthread_mutex_init(&r->lock, NULL);
  r->loop = loop;
  r->refs = 1;
  rl_link_init(&r->queue);
  r->closer.close = close_resolver;
  rl_loop_on_close(loop, &r->closer);
  return loop->resolver = r;
}

int rl_resolver_submit(rl_resolver *r, rl_lookup *l) {
  l->resolver = r;
  pthread_mutex_lock(&r->lock);
  int err = r->threads < RL_DNS_THREADS ? start_thread(r) : 0;
  if (r->threads > 0) err = 0;  // those that there are will do
  if (err == 0) rl_list_push(&r->queue, &l->link);
  pthread_mutex_unlock(&r->lock);
  return err;
}

bool rl_resolver_withdraw(rl_lookup *l) {
  rl_resolver *r = l->resolver;
  pthread_mutex_lock(&r->lock);
  bool queued = !l->running;
  if (queued) rl_link_remove(&l->link);
  pthread_mutex_unlock(&r->lock);
  return queued;
}
