// Names of signals.
#include "lua/bind/signame.h"

#include <signal.h>
#include <string.h>

static const struct {
  const char *name;
  int number;
} signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT},   {"ILL", SIGILL},
    {"TRAP", SIGTRAP}, {"ABRT", SIGABRT},     {"BUS", SIGBUS},     {"FPE", SIGFPE},
    {"KILL", SIGKILL}, {"USR1", SIGUSR1},     {"SEGV", SIGSEGV},   {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},     {"TERM", SIGTERM},   {"CHLD", SIGCHLD},
    {"CONT", SIGCONT}, {"STOP", SIGSTOP},     {"TSTP", SIGTSTP},   {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU}, {"URG", SIGURG},       {"XCPU", SIGXCPU},   {"XFSZ", SIGXFSZ},
    {"PROF", SIGPROF}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH}, {"IO", SIGIO},
    {"PWR", SIGPWR},   {"SYS", SIGSYS},
};

enum { COUNT = sizeof signals / sizeof *signals };

int rl_check_signal(lua_State *L, int index) {
  if (lua_isinteger(L, index)) {
    lua_Integer number = lua_tointeger(L, index);
    luaL_argcheck(L, number > 0 && number <= SIGRTMAX, index, "no such signal");
    return (int)number;
  }
  const char *name = luaL_checkstring(L, index);
  const char *bare = strncmp(name, "SIG", 3) == 0 ? name + 3 : name;
  for (int i = 0; i < COUNT; i++) {
    if (strcmp(signals[i].name, bare) == 0) return signals[i].number;
  }
  return luaL_argerror(L, index, lua_pushfstring(L, "no such signal: '%s'", name));
}

void rl_push_signal_name(lua_State *L, int number) {
  for (int i = 0; i < COUNT; i++) {
    if (signals[i].number != number) continue;
    lua_pushfstring(L, "SIG%s", signals[i].name);
    return;
  }
  lua_pushfstring(L, "SIG%d", number);
}
