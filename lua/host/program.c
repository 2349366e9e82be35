// The `rille` program: makes a runtime, takes the steps the command line asks for, one task each,
// and says how it ended.
#include "lua/host/program.h"

#include "lua/host/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct program {
  const char *name;
  rille_runtime *rt;
  rl_command_line line;
  int argc;
  char **argv;
  int next;    // step
  int status;  // of the program
} program;

static void complain(const program *p, const char *text) {
  fflush(stdout);
  fprintf(stderr, "%s: %s\n", p->name, text ? text : "(error without a message)");
  fflush(stderr);
}

// A descriptor that is closed would be given to the first file opened, and be written to as if it
// were standard output.
static void open_closed_descriptors(void) {
  for (int fd = 0; fd <= 2; fd++) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    int got = open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
    if (got < 0) return;
  }
}

static void set_arg(const program *p) {
  lua_State *L = rille_lua(p->rt);
  lua_createtable(L, p->argc - p->line.script, p->line.script + 1);
  for (int i = 0; i < p->argc; i++) {
    lua_pushstring(L, p->argv[i]);
    lua_rawseti(L, -2, i - (p->line.script < p->argc ? p->line.script : 0));
  }
  lua_setglobal(L, "arg");
}

// Pushes the script's arguments; returns their count.
static int push_arguments(const program *p) {
  lua_State *L = rille_lua(p->rt);
  int count = p->argc - p->line.script - 1;
  if (count <= 0) return 0;
  if (!lua_checkstack(L, count)) return 0;
  for (int i = 1; i <= count; i++) lua_pushstring(L, p->argv[p->line.script + i]);
  return count;
}

static void print_version(void) {
  printf("rille %s (%s)\n", rille_version(), LUA_RELEASE);
  fflush(stdout);
}

// Pushes the function of a step and its arguments; returns the count of these, or -1 with the
// message pushed.
static int push_step(program *p, const rl_step *step) {
  lua_State *L = rille_lua(p->rt);
  rille_status status = RILLE_OK;
  size_t length;
  switch (step->kind) {
    case RL_STEP_BUNDLE: {
      if (!rl_bundle_push(L, "main")) return lua_pushliteral(L, "the executable is damaged"), -1;
      const char *text = lua_tolstring(L, -1, &length);
      status = rille_load(p->rt, text, length, "@main.lua");
      lua_remove(L, -2);
      return status == RILLE_OK ? push_arguments(p) : -1;
    }
    case RL_STEP_REQUIRE:
      lua_getglobal(L, "require");
      lua_pushstring(L, step->text);
      return 1;
    case RL_STEP_COMMAND:
      lua_getglobal(L, "require");
      lua_pushfstring(L, "rille.cmd.%s", step->text);
      return 1;
    case RL_STEP_REPL:
      lua_getglobal(L, "require");
      lua_pushliteral(L, "rille.repl");
      return 1;
    case RL_STEP_INSPECT: {
      static const char start[] = "require 'rille.inspector'(...)";
      status = rille_load(p->rt, start, sizeof start - 1, "=(inspect)");
      if (status != RILLE_OK) return -1;
      lua_pushstring(L, step->text);
      return 1;
    }
    case RL_STEP_CODE:
      status = rille_load(p->rt, step->text, strlen(step->text), step->chunk);
      break;
    case RL_STEP_FILE: status = rille_load_file(p->rt, step->text ? step->text : "-"); break;
  }
  if (status != RILLE_OK) return -1;
  bool script = step->kind == RL_STEP_FILE && p->line.script < p->argc;
  return script ? push_arguments(p) : 0;
}

static void fail(program *p, const char *text) {
  complain(p, text);
  p->status = rille_exit_code(p->rt) == 13 ? 13 : 1;  // 13: it is that of a deadlock
  p->next = p->line.count;
}

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results, int count);

static void take_step(program *p) {
  if (p->next >= p->line.count) return;
  const rl_step *step = &p->line.steps[p->next];
  lua_State *L = rille_lua(p->rt);
  int nargs = push_step(p, step);
  if (nargs < 0) {
    fail(p, luaL_tolstring(L, -1, NULL));
    return;
  }
  rille_call_options o = {.size = sizeof o, .timeout_ns = p->line.timeout_ns};
  if (o.timeout_ns) rl_signals_timeout(p->rt, o.timeout_ns);
  rille_status err = rille_call_async(p->rt, nargs, &o, on_done, p, NULL);
  if (err != RILLE_OK) fail(p, rille_strerror(err));
}

// The function that a command's module or the REPL returns runs with the arguments.
static void run_returned(program *p, lua_State *results, int count) {
  lua_State *L = rille_lua(p->rt);
  lua_pushvalue(results, -count);
  lua_xmove(results, L, 1);
  p->line.steps[p->next] = (rl_step){RL_STEP_CODE, "", NULL};
  rille_status err = rille_call_async(p->rt, push_arguments(p), NULL, on_done, p, NULL);
  if (err != RILLE_OK) fail(p, rille_strerror(err));
}

static void on_success(program *p, lua_State *results, int count) {
  const rl_step *step = &p->line.steps[p->next];
  bool module = step->kind == RL_STEP_COMMAND || step->kind == RL_STEP_REPL;
  if (module && count > 0 && lua_isfunction(results, -count)) {
    run_returned(p, results, count);
    return;
  }
  if (step->kind == RL_STEP_REQUIRE && count > 0) {
    lua_pushvalue(results, -count);
    lua_setglobal(results, step->chunk);
  }
  if (step->kind == RL_STEP_CODE && !step->chunk && count > 0 && lua_isinteger(results, -count)) {
    p->status = (int)lua_tointeger(results, -count);
  }
  p->next++;
  take_step(p);
}

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results,
                    int count) {
  (void)call;
  program *p = ud;
  if (status == RILLE_OK) {
    on_success(p, results, count);
    return;
  }
  if (status == RILLE_ECANCELED) {  // by a signal, os.exit(code, true), or a second deadlock
    p->next = p->line.count;
  } else if (status == RILLE_ETIMEOUT) {
    fail(p, "timed out");
  } else {
    fail(p, lua_isstring(results, -1) ? lua_tostring(results, -1) : rille_strerror(status));
  }
}

// Buffered output that cannot be written makes the program fail, whatever the script did.
static void flush_output(program *p) {
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout)) return;
  if (errno != EPIPE) {
    fprintf(stderr, "%s: standard output: %s\n", p->name,
            errno ? strerror(errno) : "a write has failed");
  }
  if (p->status == 0) p->status = 1;
}

static void free_line(program *p) {
  free(p->line.steps);
  free(p->line.permissions);
  free(p->line.code);
}

static int finish(program *p) {
  int code = rille_exit_code(p->rt);
  if (p->status == 0) p->status = code;
  rille_close(p->rt, code == 13 ? 0 : UINT64_C(5000000000), NULL, NULL);
  rille_run(p->rt, RILLE_RUN_DEFAULT);
  code = rille_exit_code(p->rt);
  if (p->status == 0) p->status = code;
  rille_free(p->rt);
  free_line(p);
  flush_output(p);
  return p->status;
}

static bool start_seeing(program *p) {
  const char *subject = "", *ps = p->line.no_env ? NULL : getenv("RILLE_PS");
  p->line.seeing.ps = ps && strcmp(ps, "1") == 0;
  int err = rl_seeing_start(p->rt, &p->line.seeing, &subject);
  if (err == 0) return true;
  fprintf(stderr, "%s: %s: %s\n", p->name, subject, uv_strerror(err));
  p->status = 1;
  return false;
}

// The permissions that were built in: words, each with its zero byte.
static bool read_permissions(program *p, const rl_bundle *bundle) {
  size_t size = 0, count = 0;
  const char *words = rl_bundle_find(bundle, "permit", &size);
  for (size_t i = 0; i < size; i++) count += !words[i];
  p->line.permissions = calloc(count + 1, sizeof *p->line.permissions);
  if (!p->line.permissions || (size > 0 && words[size - 1])) return false;
  for (size_t i = 0; i < count; i++, words += strlen(words) + 1) p->line.permissions[i] = words;
  return true;
}

// Every argument is the built program's, unless it is the process of a worker of its.
static bool bundle_line(program *p, const rl_bundle *bundle) {
  static const rl_step program = {RL_STEP_BUNDLE, "main", NULL};
  static const rl_step worker = {RL_STEP_CODE, "require 'rille.worker.child'(arg[2])", "=(worker)"};
  bool is_worker = p->argc > 2 && strcmp(p->argv[1], RL_BUNDLE_WORKER) == 0;
  p->line.steps = calloc(1, sizeof *p->line.steps);
  if (!p->line.steps || !read_permissions(p, bundle)) return false;
  p->line.steps[0] = is_worker ? worker : program;
  p->line.count = 1;
  if (is_worker && p->argc > 3) p->line.memory_limit = strtoull(p->argv[3], NULL, 10);
  return true;
}

static void on_log(void *ud, int level, const char *message, size_t length) {
  (void)level, (void)length;
  complain(ud, message);
}

int rl_program_main(int argc, char **argv) {
  open_closed_descriptors();
  program p = {.name = "rille", .argc = argc, .argv = argv};
  rl_bundle *bundle = rl_bundle_read();
  if (bundle ? !bundle_line(&p, bundle) : !rl_command_line_read(&p.line, argc, argv)) {
    free_line(&p);
    rl_bundle_unref(bundle);
    return p.line.helped ? 0 : 2;
  }
  rille_options o;
  rille_options_init(&o, sizeof o);
  o.flags = RILLE_DEADLOCKS | (p.line.no_env ? RILLE_NO_ENV : 0);
  o.memory_limit = p.line.memory_limit;
  o.permissions = p.line.permissions;
  o.log = on_log;
  o.ud = &p;
  rille_status err = rille_new(&o, &p.rt);
  if (err != RILLE_OK) {
    if (err != RILLE_EERROR && err != RILLE_EINVAL) complain(&p, rille_strerror(err));
    free_line(&p);
    rl_bundle_unref(bundle);
    return err == RILLE_EINVAL ? 2 : 1;
  }
  if (p.line.version) print_version();
  set_arg(&p);
  if (p.line.warnings) lua_warning(rille_lua(p.rt), "@on", 0);
  bool opened = !bundle || rl_bundle_open(p.rt, bundle);
  rl_bundle_unref(bundle);
  if (!opened) {
    fail(&p, "not enough memory");
    return finish(&p);
  }
  if (!start_seeing(&p)) return finish(&p);
  take_step(&p);
  rille_run(p.rt, RILLE_RUN_DEFAULT);
  return finish(&p);
}
