// Scripts that nobody trusts, each in a runtime of its own with limits: one misbehaves, the others
// go on.
//   cc plugins.c $(pkg-config --cflags --libs rille)
#include <rille.h>
#include <stdio.h>
#include <string.h>

static const char *const scripts[] = {
    "return 'sum ' .. 1 + 2",
    "while true do end",
    "local t = {} while true do t[#t + 1] = ('x'):rep(1000) end",
    "return io.open('/etc/passwd')",
    "return ('a'):rep(50000):find(('a*'):rep(10) .. 'b')",
    "require('rille').sleep(0.05) return 'slept'",
};

enum { PLUGINS = sizeof scripts / sizeof *scripts };

typedef struct plugin {
  rille_runtime *rt;
  int number, over;
  rille_status status;
} plugin;

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results,
                    int count) {
  (void)call;
  plugin *p = ud;
  const char *text = count > 0 ? lua_tostring(results, -count) : NULL;
  printf("plugin %d: %s: %s\n", p->number, rille_strerror(status), text ? text : "");
  p->over = 1;
  p->status = status;
}

static int start(plugin *p, int number) {
  rille_options o;
  rille_options_init(&o, sizeof o);
  o.flags = RILLE_UNTRUSTED | RILLE_NO_SIGNALS;
  o.memory_limit = 32 << 20;
  o.cpu_limit_ns = 100000000;
  p->number = number;
  if (rille_new(&o, &p->rt) != RILLE_OK) return 0;
  rille_call_options call = {sizeof call, 10000000000, 100000000, NULL};
  const char *script = scripts[number - 1];
  return rille_load(p->rt, script, strlen(script), "=plugin") == RILLE_OK &&
         rille_call_async(p->rt, 0, &call, on_done, p, NULL) == RILLE_OK;
}

int main(void) {
  plugin plugins[PLUGINS] = {{0}};
  int started = 0, good = 0;
  for (int i = 0; i < PLUGINS; i++) started += start(&plugins[i], i + 1);
  for (int over = 0; over < started;) {
    over = 0;
    for (int i = 0; i < PLUGINS; i++) {
      if (!plugins[i].over) rille_run(plugins[i].rt, RILLE_RUN_NOWAIT);
      over += plugins[i].over;
    }
  }
  for (int i = 0; i < PLUGINS; i++) {
    good += plugins[i].status == RILLE_OK;
    rille_close(plugins[i].rt, 0, NULL, NULL);
    rille_run(plugins[i].rt, RILLE_RUN_DEFAULT);
    rille_free(plugins[i].rt);
  }
  if (good == 2) printf("the others went on\n");
  return good == 2 ? 0 : 1;
}
