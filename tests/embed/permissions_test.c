// A host that gives its scripts permissions.
#include "lua/host/rille.h"

#include "tests/unit/test.h"

#include <lauxlib.h>
#include <stddef.h>

static char logged[256];

static void on_log(void *ud, int level, const char *message, size_t length) {
  (void)ud, (void)level;
  snprintf(logged, sizeof logged, "%.*s", (int)length, message);
}

static void close_runtime(rille_runtime *rt) {
  EXPECT(rille_close(rt, 0, NULL, NULL) == RILLE_OK);
  EXPECT(rille_run(rt, RILLE_RUN_DEFAULT) == RILLE_OK);
  EXPECT(rille_free(rt) == RILLE_OK);
}

// What the code gives as a string.
static const char *result(const rille_options *o, const char *code) {
  static char text[256];
  rille_runtime *rt;
  EXPECT(rille_new(o, &rt) == RILLE_OK);
  lua_State *L = rille_lua(rt);
  EXPECT(rille_load(rt, code, strlen(code), "=test") == RILLE_OK);
  EXPECT(rille_call_wait(rt, 0, 1, NULL) == RILLE_OK);
  snprintf(text, sizeof text, "%s", luaL_tolstring(L, -1, NULL));
  close_runtime(rt);
  return text;
}

static const char try_open[] =
    "local ok, err = pcall(io.open, '/proc/self/comm') return ok and 'open' or err.code";
static const char try_worker[] =
    "local w = require('rille').worker.spawn(function()"
    "  local ok, err = pcall(io.open, '/proc/self/comm') return ok and 'open' or err.code end)"
    "return w:join()";

static rille_options options(const char *const *permissions) {
  rille_options o;
  rille_options_init(&o, sizeof o);
  o.flags = RILLE_NO_SIGNALS;
  o.log = on_log;
  o.permissions = permissions;
  return o;
}

int main(void) {
  const char *const none[] = {NULL};
  const char *const net[] = {"allow-net=127.0.0.1:80", NULL};
  const char *const proc[] = {"allow-read=/proc", "deny-net", NULL};
  const char *const bad[] = {"allow-net=1.2.3", NULL};
  rille_options o = options(NULL);
  EXPECT(strcmp(result(&o, try_open), "open") == 0);
  o = options(none);
  EXPECT(strcmp(result(&o, try_open), "open") == 0);
  o = options(proc);
  EXPECT(strcmp(result(&o, try_open), "open") == 0);
  EXPECT(strcmp(result(&o, try_worker), "open") == 0);
  o = options(net);
  EXPECT(strcmp(result(&o, try_open), "DENIED") == 0);
  EXPECT(strcmp(result(&o, try_worker), "DENIED") == 0);

  rille_runtime *rt;
  o = options(bad);
  EXPECT(rille_new(&o, &rt) == RILLE_EINVAL && !rt);
  EXPECT(strstr(logged, "1.2.3") != NULL);

  // A host of an older header ends before the field.
  o = options(bad);
  o.size = offsetof(rille_options, permissions);
  EXPECT(strcmp(result(&o, try_open), "open") == 0);
  o.size = offsetof(rille_options, permissions) - 1;
  EXPECT(rille_new(&o, &rt) == RILLE_EVERSION);
  o.size = sizeof o + 1;
  EXPECT(rille_new(&o, &rt) == RILLE_EVERSION);
  return test_result();
}
