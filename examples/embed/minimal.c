// The least a host needs: a runtime, a script, a run.
//   cc minimal.c $(pkg-config --cflags --libs rille)
#include <rille.h>
#include <stdio.h>

int main(void) {
  static const char script[] =
      "local rille = require 'rille'\n"
      "rille.sleep(0.01)\n"
      "return 'hello from a task'";
  rille_runtime *rt;
  if (rille_new(NULL, &rt) != RILLE_OK) return 1;
  if (rille_load(rt, script, sizeof script - 1, "=minimal") != RILLE_OK) return 1;
  rille_status status = rille_call_wait(rt, 0, 1, NULL);
  printf("%s: %s\n", rille_strerror(status), lua_tostring(rille_lua(rt), -1));
  rille_close(rt, 0, NULL, NULL);
  rille_run(rt, RILLE_RUN_DEFAULT);
  return rille_free(rt) == RILLE_OK && status == RILLE_OK ? 0 : 1;
}
