// The way to a runtime from other threads, and rille_post.
#include "lua/host/runtime.h"

typedef struct host_post {
  rl_post post;
  rille_runtime *rt;
  void (*fn)(rille_runtime *, void *);
  void (*drop)(void *);
  void *ud;
} host_post;

rl_port *rl_port_new(rille_runtime *rt) {
  rl_port *port = calloc(1, sizeof *port);
  if (!port) return NULL;
  if (uv_mutex_init(&port->lock) < 0) {
    free(port);
    return NULL;
  }
  atomic_init(&port->refs, 1);
  port->rt = rt;
  return port;
}

void rl_port_ref(rl_port *port) { atomic_fetch_add(&port->refs, 1); }

void rl_port_unref(rl_port *port) {
  if (!port || atomic_fetch_sub(&port->refs, 1) > 1) return;
  uv_mutex_destroy(&port->lock);
  free(port);
}

bool rl_port_post(rl_port *port, rl_post *post) {
  uv_mutex_lock(&port->lock);
  bool taken = port->rt && rl_loop_post(&port->rt->st.loop, post);
  uv_mutex_unlock(&port->lock);
  return taken;
}

void rl_port_close(rl_port *port) {
  uv_mutex_lock(&port->lock);
  port->rt = NULL;
  uv_mutex_unlock(&port->lock);
}

static void post_done(host_post *p) {
  uv_mutex_lock(&p->rt->port->lock);
  p->rt->posted--;
  uv_mutex_unlock(&p->rt->port->lock);
  free(p);
}

static void post_run(rl_post *post) {
  host_post *p = rl_container_of(post, host_post, post);
  p->fn(p->rt, p->ud);
  post_done(p);
}

static void post_drop(rl_post *post) {
  host_post *p = rl_container_of(post, host_post, post);
  if (p->drop) p->drop(p->ud);
  post_done(p);
}

rille_status rille_post(rille_runtime *rt, void (*fn)(rille_runtime *, void *), void *ud,
                        void (*drop)(void *)) {
  if (!rt || !fn) return RILLE_EINVAL;
  host_post *p = malloc(sizeof *p);
  if (!p) {
    if (drop) drop(ud);
    return RILLE_ENOMEM;
  }
  *p = (host_post){.post = {NULL, post_run, post_drop}, .rt = rt, .fn = fn, .drop = drop, .ud = ud};
  uv_mutex_lock(&rt->port->lock);
  bool taken = rt->port->rt && !rt->port->closing && rl_loop_post(&rt->st.loop, &p->post);
  if (taken) rt->posted++;
  uv_mutex_unlock(&rt->port->lock);
  if (taken) return RILLE_OK;
  free(p);
  if (drop) drop(ud);
  return RILLE_ECLOSED;
}
