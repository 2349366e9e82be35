// The command line of the program: nothing behind a word is read (a sanitizer tells).
#include "lua/host/options.c"

#include "tests/unit/test.h"

static rl_command_line read_word(const char *word) {
  rl_command_line line = {0};
  char *argv[] = {strdup("rille"), strdup(word), strdup("script.lua"), NULL};
  setenv("RILLE_SEED", "", 1);
  rl_command_line_read(&line, 3, argv);
  for (int i = 0; i < 3; i++) free(argv[i]);
  free(line.steps);
  free(line.permissions);
  free(line.code);
  return line;
}

int main(void) {
  static const char *const words[] = {"--timeout=2", "--warn-blocking=5", "--max-memory=1M",
                                      "--allow-net"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    char cut[32];
    for (size_t n = 2; n <= strlen(words[i]); n++) {
      snprintf(cut, sizeof cut, "%.*s", (int)n, words[i]);
      read_word(cut);
    }
  }
  EXPECT_EQ(read_word("--timeout=2").timeout_ns, UINT64_C(2000000000));
  EXPECT_EQ(read_word("--max-memory=1M").memory_limit, 1 << 20);
  EXPECT_EQ(read_word("--allow-net").permission_count, 2);  // the code beside the script too
  return test_result();
}
