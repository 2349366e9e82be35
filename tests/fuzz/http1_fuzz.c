// Any bytes as a stream of requests: whole and in pieces they come to the same, and a response head
// never overruns.
#include "tests/unit/http1_replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 4096) return 0;
  static replay once, again;
  const char *whole = replay_run(&once, (const char *)data, size, SIZE_MAX / 2);
  const char *pieces = replay_run(&again, (const char *)data, size, 1 + size % 7);
  // A refusal may be told before the head is whole; everything served must agree.
  size_t same = strlen(whole) < strlen(pieces) ? strlen(whole) : strlen(pieces);
  const char *end = strrchr(whole, ' ');
  if (end && (size_t)(end - whole) < same && memcmp(whole, pieces, (size_t)(end - whole)) != 0)
    abort();
  bool served = strncmp(whole, "ok:", 3) == 0;
  if (served != (strncmp(pieces, "ok:", 3) == 0)) abort();
  rl_http1_scan scan = {0};
  rl_http1_limits limits = {.line = 8192, .head = 32768, .fields = REPLAY_FIELDS};
  rl_http1_head head;
  rl_http1_field fields[REPLAY_FIELDS];
  rl_http1_parse_response((const char *)data, size, &scan, &limits, "GET", &head, fields);
  return 0;
}
