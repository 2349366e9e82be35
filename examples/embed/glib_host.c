// A GLib main loop that drives rille by a source of its own.
//   cc glib_host.c $(pkg-config --cflags --libs rille glib-2.0)
#include <glib.h>
#include <rille.h>
#include <stdio.h>
#include <string.h>

typedef struct rille_source {
  GSource source;
  rille_runtime *rt;
  gpointer fd;
  int turns;
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
  ((rille_source *)source)->turns++;
  rille_run(((rille_source *)source)->rt, RILLE_RUN_NOWAIT);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = {.prepare = on_prepare, .check = on_check, .dispatch = on_dispatch};

static const char script[] =
    "local rille = require 'rille'\n"
    "for i = 1, 3 do rille.sleep(0.02) print('script: tick ' .. i) end\n";

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results,
                    int count) {
  (void)call, (void)results, (void)count;
  printf("host: the script is over: %s\n", rille_strerror(status));
  g_main_loop_quit(ud);
}

static gboolean on_timeout(gpointer ud) {
  (void)ud;
  printf("host: its own timer\n");
  return G_SOURCE_CONTINUE;
}

int main(void) {
  GMainLoop *loop = g_main_loop_new(NULL, FALSE);
  rille_runtime *rt;
  if (rille_new(NULL, &rt) != RILLE_OK) return 1;
  rille_source *source = (rille_source *)g_source_new(&functions, sizeof *source);
  source->rt = rt;
  source->turns = 0;
  source->fd = g_source_add_unix_fd(&source->source, rille_backend_fd(rt), G_IO_IN);
  g_source_attach(&source->source, NULL);
  g_timeout_add(25, on_timeout, NULL);

  if (rille_load(rt, script, strlen(script), "=script") != RILLE_OK) return 1;
  rille_call_async(rt, 0, NULL, on_done, loop, NULL);
  g_main_loop_run(loop);
  int turns = source->turns;
  printf("host: it %s\n", turns < 100 ? "slept between events" : "did not sleep");

  g_source_destroy(&source->source);
  g_source_unref(&source->source);
  g_main_loop_unref(loop);
  rille_close(rt, 0, NULL, NULL);
  rille_run(rt, RILLE_RUN_DEFAULT);
  return rille_free(rt) == RILLE_OK && turns < 100 ? 0 : 1;
}
