// The command line of the program: lua's options, rille's own, and the commands.
#include "lua/host/program.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const commands[] = {"test", "check", "build", "types", "ps", NULL};

static void synopsis(FILE *out, const char *program) {
  fprintf(out,
          "usage: %s [options] [script [args]]\n"
          "       %s test|check|build|types|ps [args]\n",
          program, program);
}

static void help(FILE *out, const char *program) {
  synopsis(out, program);
  fputs(
      "Options:\n"
      "  -e stat           run string 'stat'\n"
      "  -i                go interactive after running 'script'\n"
      "  -l mod            require 'mod' into global 'mod'\n"
      "  -l g=mod          require 'mod' into global 'g'\n"
      "  -v                show the version\n"
      "  -h, --help        (first) show this\n"
      "  -E                ignore environment variables\n"
      "  -W                turn warnings on\n"
      "  --watch           (first) run the script again whenever a Lua file changes\n"
      "  --trace FILE      write what tasks do as trace events (Perfetto, chrome://tracing)\n"
      "  --profile FILE    write sampled stacks, collapsed, and FILE.speedscope.json\n"
      "  --inspect[=HOST:PORT]  serve a page that shows what tasks do (127.0.0.1:9230)\n"
      "  --warn-blocking=MS  say where a task holds up the loop for so long\n"
      "  --timeout=S       cancel the script after S seconds\n"
      "  --max-memory=N    let Lua hold at most N bytes (K, M and G may follow)\n"
      "  --allow-WHAT[=LIST]  permit this, and refuse what no such option permits. WHAT is net\n"
      "                    (host, host:port, :port, 10.0.0.0/8, unix:path), read, write, code\n"
      "                    (paths), run (programs), env (names) or native (C modules)\n"
      "  --deny-WHAT[=LIST]  refuse this, whatever is permitted\n"
      "  --                stop handling options\n"
      "  -                 stop handling options and run standard input\n",
      out);
}

static bool usage(const char *program, const char *complaint, const char *subject) {
  fprintf(stderr, "%s: %s '%s'\n", program, complaint, subject);
  synopsis(stderr, program);
  fprintf(stderr, "       %s --help lists the options\n", program);
  return false;
}

static void add(rl_command_line *line, rl_step_kind kind, const char *text, const char *chunk) {
  line->steps[line->count++] = (rl_step){kind, text, chunk};
}

static bool read_timeout(rl_command_line *line, const char *text) {
  char *end;
  double seconds = strtod(text, &end);
  if (end == text || *end || !(seconds > 0) || seconds > 1e9) return false;
  line->timeout_ns = (uint64_t)ceil(seconds * 1e9);
  return true;
}

static bool read_memory(rl_command_line *line, const char *text) {
  char *end;
  unsigned long long bytes = strtoull(text, &end, 10);
  int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
  if (end == text || *text == '-' || end[shift ? 1 : 0] || !bytes || bytes > (SIZE_MAX >> shift))
    return false;
  line->memory_limit = (size_t)bytes << shift;
  return true;
}

static bool read_blocking(rl_command_line *line, const char *text) {
  char *end;
  double ms = strtod(text, &end);
  if (end == text || *end || !(ms >= 1) || ms > 1e9) return false;
  line->seeing.warn_blocking = (uint64_t)(ms * 1e6);
  return true;
}

static bool read_trace(rl_command_line *line, const char *file) {
  line->seeing.trace = file;
  return true;
}

static bool read_profile(rl_command_line *line, const char *file) {
  line->seeing.profile = file;
  return true;
}

// Options that need a value, and what to say when it is missing or cannot be read.
static const struct {
  const char *name;
  bool (*read)(rl_command_line *, const char *value);
  const char *complaint;
  bool apart;  // "--trace FILE" is the same as "--trace=FILE"
} valued[] = {
    {"--timeout", read_timeout, "seconds are needed, as in --timeout=2.5, not", false},
    {"--warn-blocking", read_blocking, "milliseconds are needed, as in --warn-blocking=50, not",
     false},
    {"--max-memory", read_memory, "bytes are needed, as in --max-memory=64M, not", false},
    {"--trace", read_trace, "a file is needed, as in --trace=FILE, not", true},
    {"--profile", read_profile, "a file is needed, as in --profile=FILE, not", true},
};

// The count of words used, 0: it is another option, or `*complaint` says what is wrong.
static int read_valued(rl_command_line *line, char **word, const char **complaint) {
  for (size_t i = 0; i < sizeof valued / sizeof *valued; i++) {
    size_t length = strlen(valued[i].name);
    if (strncmp(*word, valued[i].name, length) != 0) continue;
    bool joined = word[0][length] == '=';
    if (word[0][length] && !joined) continue;
    const char *value = joined ? *word + length + 1 : valued[i].apart ? word[1] : NULL;
    if (value && *value && valued[i].read(line, value)) return joined ? 1 : 2;
    *complaint = valued[i].complaint;
  }
  return 0;
}

static bool read_permission(rl_command_line *line, const char *option) {
  if (strncmp(option, "--allow-", 8) != 0 && strncmp(option, "--deny-", 7) != 0) return false;
  line->permissions[line->permission_count++] = option + 2;
  return true;
}

static bool read_inspect(rl_command_line *line, const char *option) {
  if (strcmp(option, "--inspect") != 0 && strncmp(option, "--inspect=", 10) != 0) return false;
  add(line, RL_STEP_INSPECT, option[9] ? option + 10 : "", NULL);
  line->inspect = true;
  return true;
}

// "-l g=mod": the global is g.
static void add_require(rl_command_line *line, char *text) {
  char *equals = strchr(text, '=');
  if (!equals) {
    add(line, RL_STEP_REQUIRE, text, text);
    return;
  }
  *equals = '\0';
  add(line, RL_STEP_REQUIRE, equals + 1, text);
}

// -e and -l take the rest of the word or the next one. The count of words used, 0: it is missing.
static int read_with_argument(rl_command_line *line, char **word) {
  char *text = word[0][2] ? word[0] + 2 : word[1];
  if (!text || (!word[0][2] && *text == '-' && word[0][1] == 'l')) return 0;
  if (word[0][1] == 'e') {
    add(line, RL_STEP_CODE, text, "=(command line)");
  } else {
    add_require(line, text);
  }
  return word[0][2] ? 1 : 2;
}

static bool read_flag(rl_command_line *line, const char *option) {
  if (option[2]) return false;
  switch (option[1]) {
    case 'v': line->version = true; return true;
    case 'E': line->no_env = true; return true;
    case 'W': line->warnings = true; return true;
    case 'i': line->interactive = line->version = true; return true;
    default: return false;
  }
}

// Reads the options; returns the index of the first word that is none, or -1.
static int read_options(rl_command_line *line, char **argv) {
  int i = 1;
  while (argv[i] && argv[i][0] == '-' && argv[i][1]) {
    if (strcmp(argv[i], "--") == 0) return i + 1;
    if (argv[i][1] == '-') {
      const char *complaint = "unrecognized option";
      int used = read_valued(line, argv + i, &complaint);
      if (!used && !read_inspect(line, argv[i]) && !read_permission(line, argv[i]))
        return usage(argv[0], complaint, argv[i]), -1;
      i += used ? used : 1;
    } else if (argv[i][1] == 'e' || argv[i][1] == 'l') {
      int used = read_with_argument(line, argv + i);
      if (!used) return usage(argv[0], "this option needs an argument:", argv[i]), -1;
      i += used;
    } else {
      if (!read_flag(line, argv[i])) return usage(argv[0], "unrecognized option", argv[i]), -1;
      i++;
    }
  }
  return i;
}

static bool is_command(const char *word) {
  for (int i = 0; commands[i]; i++) {
    if (strcmp(commands[i], word) == 0) return true;
  }
  return false;
}

static void add_init(rl_command_line *line) {
  const char *name = "=LUA_INIT_5_4", *init = getenv(name + 1);
  if (!init) init = getenv((name = "=LUA_INIT") + 1);
  if (!init) return;
  if (*init == '@') {
    add(line, RL_STEP_FILE, init + 1, NULL);
  } else {
    add(line, RL_STEP_CODE, init, name);
  }
}

static bool is_number_or_empty(const char *text) {
  return !text || text[strspn(text, "0123456789")] == '\0';
}

// LUA_INIT runs first, but whether it does is an option.
static void put_init_first(rl_command_line *line) {
  int before = line->count;
  add_init(line);
  if (line->count == before) return;
  rl_step init = line->steps[before];
  memmove(line->steps + 1, line->steps, (size_t)before * sizeof init);
  line->steps[0] = init;
}

// A script may load the code beside it.
static void permit_code(rl_command_line *line, const char *script) {
  if (!script || strcmp(script, "-") == 0 || strchr(script, ',')) return;
  const char *slash = strrchr(script, '/');
  size_t n = slash ? (size_t)(slash - script) + 1 : 1;
  char *word = malloc(sizeof "allow-code=" + n);
  if (!word) return;
  sprintf(word, "allow-code=%.*s", (int)n, slash ? script : ".");
  line->permissions[line->permission_count++] = line->code = word;
}

bool rl_command_line_read(rl_command_line *line, int argc, char **argv) {
  *line = (rl_command_line){.steps = calloc((size_t)argc + 3, sizeof *line->steps),
                            .permissions = calloc((size_t)argc + 3, sizeof *line->permissions)};
  if (!line->steps || !line->permissions)
    return usage(argv[0], "not enough memory for", "the command line");
  if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
    help(stdout, argv[0]);
    line->helped = true;
    return false;
  }
  if (argc > 1 && strcmp(argv[1], "--watch") == 0) {
    add(line, RL_STEP_COMMAND, "watch", NULL);
    line->script = 1;
    return true;
  }
  int script = read_options(line, argv);
  if (script > 0 && line->permission_count) permit_code(line, argv[script]);
  if (script < 0) return false;
  line->script = script < argc ? script : argc;
  bool asked = line->count > line->inspect;
  if (script < argc) {
    const char *word = argv[script];
    bool command = script == 1 && is_command(word);
    bool input = strcmp(word, "-") == 0 && strcmp(argv[script - 1], "--") != 0;
    add(line, command ? RL_STEP_COMMAND : RL_STEP_FILE, input ? NULL : word, NULL);
  } else if (!asked && !line->version) {
    add(line, isatty(0) ? RL_STEP_REPL : RL_STEP_FILE, NULL, NULL);
    line->version = isatty(0);
  }
  if (line->interactive) add(line, RL_STEP_REPL, NULL, NULL);
  if (!line->no_env && !is_number_or_empty(getenv("RILLE_SEED")))
    return usage(argv[0], "RILLE_SEED: a whole number expected, got", getenv("RILLE_SEED"));
  if (!line->no_env) put_init_first(line);
  return true;
}
