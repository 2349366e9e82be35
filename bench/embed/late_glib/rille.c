// late on a GLib main loop, by a source as in examples/embed/glib_host.c.
#include "bench/embed/late.h"

#include <glib.h>

typedef struct rille_source {
  GSource source;
  rille_runtime *rt;
  gpointer fd;
} rille_source;

static gboolean on_prepare(GSource *source, gint *timeout) {
  *timeout = rille_backend_timeout(((rille_source *)source)->rt);
  return *timeout == 0;
}

static gboolean on_check(GSource *source) {
  rille_source *s = (rille_source *)source;
  return g_source_query_unix_fd(source, s->fd) != 0 || rille_backend_timeout(s->rt) == 0;
}

static gboolean on_dispatch(GSource *source, GSourceFunc callback, gpointer ud) {
  (void)callback, (void)ud;
  rille_run(((rille_source *)source)->rt, RILLE_RUN_NOWAIT);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions_of_source = {on_prepare, on_check, on_dispatch, NULL, NULL, NULL};
static GSource *source;

static void attach(rille_runtime *rt) {
  source = g_source_new(&functions_of_source, sizeof(rille_source));
  ((rille_source *)source)->rt = rt;
  ((rille_source *)source)->fd = g_source_add_unix_fd(source, rille_backend_fd(rt), G_IO_IN);
  g_source_attach(source, NULL);
}

static void detach(void) {
  g_source_destroy(source);
  g_source_unref(source);
}

static gboolean time_is_up(gpointer is_up) {
  *(gboolean *)is_up = TRUE;
  return G_SOURCE_REMOVE;
}

static long turns(rille_runtime *rt, double until) {
  (void)rt;
  gboolean is_up = FALSE;
  if (until) g_timeout_add((guint)((until - now()) / 1000), time_is_up, &is_up);
  long n = 0;
  for (; until ? !is_up : !over; n++) g_main_context_iteration(NULL, TRUE);
  return n;
}
