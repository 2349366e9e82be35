// Replays tests/data/http1_corpus.txt whole, in small pieces, and byte by byte.
#include "tests/unit/http1_replay.h"
#include "tests/unit/test.h"

typedef struct bytes {
  char *data;
  size_t len, cap;
} bytes;

static void add(bytes *b, const char *s, size_t n) {
  if (b->len + n > b->cap) {
    b->cap = (b->len + n) * 2;
    b->data = realloc(b->data, b->cap);
  }
  memcpy(b->data + b->len, s, n);
  b->len += n;
}

static char unescape(const char **p) {
  char c = *(*p)++;
  if (c != '\\') return c;
  c = *(*p)++;
  if (c == 'r') return '\r';
  if (c == 'n') return '\n';
  if (c == 't') return '\t';
  if (c != 'x') return c;
  char hex[3] = {(*p)[0], (*p)[1], 0};
  *p += 2;
  return (char)strtoul(hex, NULL, 16);
}

static void add_line(bytes *b, const char *p) {
  char *after;
  long times = strtol(p, &after, 10);
  if (after == p) times = 1;
  p = strchr(after, '"') + 1;
  bytes one = {0};
  while (*p && *p != '"') {
    char c = unescape(&p);
    add(&one, &c, 1);
  }
  while (times-- > 0) add(b, one.data, one.len);
  free(one.data);
}

static int cases;

static void check(const char *name, const bytes *b, const char *want) {
  static const size_t steps[] = {SIZE_MAX / 2, 1, 2, 3, 7, 64, 1000};
  static replay r;
  cases++;
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    if (b->len > 20000 && steps[i] < 64) continue;
    const char *got = replay_run(&r, b->data, b->len, steps[i]);
    if (strcmp(got, want) == 0) continue;
    test_failed_checks++;
    fprintf(stderr, "%s, %zu at a time: %s, not %s\n", name, steps[i], got, want);
  }
}

int main(int argc, char **argv) {
  FILE *f = fopen(argc > 1 ? argv[1] : RILLE_TEST_DATA "/http1_corpus.txt", "r");
  EXPECT(f);
  if (!f) return test_result();
  static char line[8192];
  char name[256] = "";
  bytes b = {0};
  while (fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "case ", 5) == 0) {
      snprintf(name, sizeof name, "%.255s", line + 5);
      b.len = 0;
    } else if (strncmp(line, "send ", 5) == 0) {
      add_line(&b, line + 5);
    } else if (strncmp(line, "want ", 5) == 0) {
      check(name, &b, line + 5);
    }
  }
  fclose(f);
  free(b.data);
  EXPECT(cases >= 150);
  return test_result();
}
