// rille.native.process: starting, signalling and awaiting child processes.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/file.h"
#include "lua/bind/permit.h"
#include "lua/bind/pooled.h"
#include "lua/bind/signame.h"
#include "lua/bind/site.h"
#include "runtime/io/fdstream.h"
#include "runtime/io/file.h"
#include "runtime/io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct process_box {
  rl_box box;
  rl_process *process;
} process_box;

static rl_process *check_process(lua_State *L);

enum { ARGV = 1, CWD, ENV, GROUP, STDIO };

// --- what to start

static void check_strings(lua_State *L, int index, lua_Unsigned least) {
  luaL_checktype(L, index, LUA_TTABLE);
  lua_Unsigned n = lua_rawlen(L, index);
  luaL_argcheck(L, n >= least && n < 1 << 24, index, "a list with a command expected");
  for (lua_Unsigned i = 1; i <= n; i++) {
    size_t size;
    bool string = lua_rawgeti(L, index, (lua_Integer)i) == LUA_TSTRING;
    if (!string) luaL_error(L, "item %d: string expected, got %s", (int)i, luaL_typename(L, -1));
    if (strlen(lua_tolstring(L, -1, &size)) != size)
      luaL_error(L, "item %d holds a zero byte", (int)i);
    lua_pop(L, 1);
  }
}

static char **free_strings(char **strings) {
  for (char **s = strings; s && *s; s++) free(*s);
  free(strings);
  return NULL;
}

// Copies what check_strings has seen; raises nothing. NULL when memory is out.
static char **copy_strings(lua_State *L, int index) {
  lua_Unsigned n = lua_rawlen(L, index);
  char **strings = calloc(n + 1, sizeof *strings);
  bool ok = strings != NULL;
  for (lua_Unsigned i = 0; ok && i < n; i++) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    ok = (strings[i] = strdup(lua_tostring(L, -1))) != NULL;
    lua_pop(L, 1);
  }
  return ok ? strings : free_strings(strings);
}

static bool may_inherit(const rl_permit *p, const char *entry) {
  char name[256], why[RL_REFUSAL];
  size_t n = strcspn(entry, "=");
  if (n >= sizeof name) return false;
  memcpy(name, entry, n);
  name[n] = 0;
  return rl_permit_env(p, name, why) == 0;
}

// Ours, as far as it may be read, copied here: another thread must not read it while this one sets
// a variable.
static char **copy_environment(const rl_permit *p) {
  size_t n = 0, kept = 0;
  while (environ && environ[n]) n++;
  char **strings = calloc(n + 1, sizeof *strings);
  for (size_t i = 0; strings && i < n; i++) {
    if (p && !may_inherit(p, environ[i])) continue;
    if (!(strings[kept++] = strdup(environ[i]))) return free_strings(strings);
  }
  return strings;
}

// LD_PRELOAD and its like make any program another one.
static void check_loader(lua_State *L) {
  const rl_permit *p = rl_permit_of(L);
  char why[RL_REFUSAL];
  if (!p || !lua_istable(L, ENV) || rl_permit_all(p, RL_MAY_RUN, why) == 0) return;
  for (lua_Unsigned i = 1; i <= lua_rawlen(L, ENV); i++) {
    lua_rawgeti(L, ENV, (lua_Integer)i);
    const char *entry = lua_tostring(L, -1);
    if (strncmp(entry, "LD_", 3) == 0) rl_raise_denied(L, "spawn", NULL, entry, why);
    lua_pop(L, 1);
  }
}

// Files and our own standard streams: a child can be given their descriptors.
static bool has_descriptor(lua_State *L, int index) {
  rl_stream *s = rl_test_stream(L, index);
  return s && !s->closed && (rl_stream_is_file(s) || rl_fdstream_fd(s) >= 0);
}

static rl_stdio check_stdio(lua_State *L, int index) {
  static const char *const names[] = {"null", "inherit", "pipe", "stdout", NULL};
  static const rl_stdio modes[] = {RL_STDIO_NULL, RL_STDIO_INHERIT, RL_STDIO_PIPE, RL_STDIO_STDOUT};
  return has_descriptor(L, index) ? RL_STDIO_FD : modes[luaL_checkoption(L, index, NULL, names)];
}

// A copy of the descriptor. The child goes on where we are in a file.
static int copy_descriptor(lua_State *L, int index) {
  rl_stream *s = rl_test_stream(L, index);
  int fd = rl_fdstream_fd(s);
  if (fd < 0) {
    rl_file *f = rl_file_of(s);
    fd = f->fd;
    if (f->seekable) lseek(fd, rl_file_tell(f), SEEK_SET);
  }
  return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

// Fills a new job from arguments that were checked; raises nothing.
static int fill(lua_State *L, rl_spawn *job) {
  const char *cwd = lua_tostring(L, CWD);
  job->argv = copy_strings(L, ARGV);
  job->env = lua_istable(L, ENV) ? copy_strings(L, ENV) : copy_environment(rl_permit_of(L));
  if (cwd) job->cwd = strdup(cwd);
  if (!job->argv || !job->env || (cwd && !job->cwd)) return UV_ENOMEM;
  job->process->group = lua_toboolean(L, GROUP);
  for (int i = 0; i < 3; i++) {
    job->how[i] = check_stdio(L, STDIO + i);
    if (job->how[i] != RL_STDIO_FD) continue;
    job->fds[i] = copy_descriptor(L, STDIO + i);
    if (job->fds[i] < 0) return -errno;
  }
  return 0;
}

static const rl_class process_class;

// process, then for each of the three a stream or nil
static int push_spawned(lua_State *L, rl_pooled *work) {
  rl_spawn *job = (rl_spawn *)work;
  if (work->op.status == RL_DENIED) rl_raise_denied(L, "spawn", "path", job->argv[0], job->why);
  if (work->op.status < 0) rl_raise_sys(L, work->op.status, job->op, "path", job->at);
  process_box *box = rl_object_new(L, &process_class, 0);
  int err = rl_spawn_take(job, &box->process);
  if (err < 0) rl_raise_sys(L, err, "spawn", "path", job->argv[0]);
  for (int i = 0; i < 3; i++) {
    if (job->fds[i] < 0) {
      lua_pushnil(L);
      continue;
    }
    rl_push_pipe(L, job->fds[i]);
    job->fds[i] = -1;
  }
  return 4;
}

// (argv, cwd, env, group, stdin, stdout, stderr)
static int process_spawn(lua_State *L) {
  lua_settop(L, STDIO + 2);
  check_strings(L, ARGV, 1);
  if (!lua_isnil(L, ENV)) check_strings(L, ENV, 0);
  check_loader(L);
  size_t size = 0;
  const char *cwd = luaL_optlstring(L, CWD, NULL, &size);
  luaL_argcheck(L, !cwd || strlen(cwd) == size, CWD, "the path holds a zero byte");
  for (int i = 0; i < 3; i++) check_stdio(L, STDIO + i);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  rl_checkpoint(L);
  rl_spawn *job = rl_spawn_new();
  if (!job) return luaL_error(L, "not enough memory");
  int err = fill(L, job);
  if (err < 0) {
    job->work.drop(&job->work);
    return rl_raise_sys(L, err, "spawn", NULL, NULL);
  }
  return rl_pooled_wait(L, &job->work, push_spawned);
}

// --- a child

static int push_ending(lua_State *L, const rl_process *p) {
  lua_pushinteger(L, p->code);
  if (p->signal == 0) return 1;
  rl_push_signal_name(L, p->signal);
  return 2;
}

static int process_over(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return push_ending(L, check_process(L));
}

static int process_waited(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  rl_awaited(L, &rl_current(L)->wait);
  return push_ending(L, check_process(L));
}

// (): exit status, and the name of the signal that ended it
static int process_wait(lua_State *L) {
  rl_process *p = check_process(L);
  rl_checkpoint(L);
  if (p->ended) return rl_no_wait(L, process_over, 0);
  rl_process_wait(p, rl_current(L));
  return rl_await(L, &rl_current(L)->wait, process_waited, 0);
}

// (signal, to the whole group): false if it has ended
static int process_kill(lua_State *L) {
  rl_process *p = check_process(L);
  int err = rl_process_kill(p, rl_check_signal(L, 2), lua_toboolean(L, 3));
  if (err < 0 && err != UV_ESRCH) return rl_raise_sys(L, err, "kill", NULL, NULL);
  lua_pushboolean(L, err == 0);
  return 1;
}

static int process_pid(lua_State *L) {
  lua_pushinteger(L, check_process(L)->pid);
  return 1;
}

static int process_ended(lua_State *L) {
  lua_pushboolean(L, check_process(L)->ended);
  return 1;
}

static int process_gc(lua_State *L) {
  process_box *box = lua_touserdata(L, 1);
  rl_process *p = box->process;
  if (!p) return 0;
  if (rl_uvhandle_open(&p->handle)) rl_site_unclosed(rl_state_of(L), "process", p->handle.place);
  rl_process_unref(p);
  box->process = NULL;
  return 0;
}

static const luaL_Reg process_methods[] = {
    {"wait", process_wait},   {"kill", process_kill}, {"pid", process_pid},
    {"ended", process_ended}, {"__gc", process_gc},   {NULL, NULL},
};

static const rl_class process_class = {"rille.Child", sizeof(process_box), process_methods};

static rl_process *check_process(lua_State *L) {
  process_box *box = rl_check_object(L, 1, &process_class);
  luaL_argcheck(L, box->process, 1, "a child process expected");
  return box->process;
}

static int process_has_descriptor(lua_State *L) {
  lua_pushboolean(L, has_descriptor(L, 1));
  return 1;
}

static int process_is_stream(lua_State *L) {
  lua_pushboolean(L, rl_test_stream(L, 1) != NULL);
  return 1;
}

int rl_open_process(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"spawn", process_spawn},
      {"has_descriptor", process_has_descriptor},
      {"is_stream", process_is_stream},
      {NULL, NULL},
  };
  rl_class_open(L, &process_class);
  luaL_newlib(L, functions);
  return 1;
}
