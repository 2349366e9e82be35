// The `rille` program: its options, and the steps it takes.
#ifndef RL_HOST_PROGRAM_H
#define RL_HOST_PROGRAM_H

#include "lua/host/rille.h"
#include "lua/host/seeing.h"

#include <stdbool.h>

// One thing the command line asks for, in its order.
typedef enum {
  RL_STEP_REQUIRE,
  RL_STEP_CODE,
  RL_STEP_FILE,
  RL_STEP_COMMAND,
  RL_STEP_REPL,
  RL_STEP_INSPECT,  // text: HOST:PORT, or ""
  RL_STEP_BUNDLE    // the program built into this executable
} rl_step_kind;

typedef struct rl_step {
  rl_step_kind kind;
  const char *text;   // a module, Lua code, a path (NULL: standard input), a command
  const char *chunk;  // the name of code in messages; of a module the global it is kept in
} rl_step;

typedef struct rl_command_line {
  rl_step *steps;
  int count;
  int script;  // index in argv of the script's name; argc if there is none
  bool helped, version, no_env, warnings, interactive, inspect;
  uint64_t timeout_ns;
  size_t memory_limit;
  const char **permissions;  // "allow-net=..." and its like, then NULL
  int permission_count;
  char *code;  // the last of them, or NULL
  rl_seeing_options seeing;
} rl_command_line;

// False: the usage has been printed, and the program ends with status 2.
bool rl_command_line_read(rl_command_line *line, int argc, char **argv);

int rl_program_main(int argc, char **argv);

#endif
