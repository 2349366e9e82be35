// Any bytes as JSON: what is accepted is walked to its end, and strings survive being written and
// read.
#include "runtime/wire/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const rl_json_node *n) {
  size_t bytes = rl_json_size_of(n), bad;
  char *out = malloc(6 * bytes + 3);
  out[0] = '"';
  size_t length = rl_json_escape(out + 1, n->as.text, bytes, &bad);
  if (length == SIZE_MAX) abort();
  out[length + 1] = '"';
  out[length + 2] = '\0';
  rl_json j;
  rl_json_init(&j);
  if (rl_json_parse(&j, out, length + 2, &(rl_json_rules){1, false}) != 0) abort();
  if (rl_json_size_of(j.nodes) != bytes || memcmp(j.nodes->as.text, n->as.text, bytes) != 0)
    abort();
  rl_json_fini(&j);
  free(out);
}

// The nodes of the value at `at`; where the next begins.
static size_t walk(const rl_json *j, size_t at) {
  const rl_json_node *n = &j->nodes[at++];
  rl_json_kind kind = rl_json_kind_of(n);
  if (kind == RL_JSON_STRING) again(n);
  if (kind != RL_JSON_ARRAY && kind != RL_JSON_OBJECT) return at;
  for (size_t i = rl_json_size_of(n); i > 0; i--) {
    if (kind == RL_JSON_OBJECT) at = walk(j, at);
    at = walk(j, at);
  }
  return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  char *text = malloc(size);
  memcpy(text, data + 1, size - 1);
  text[size - 1] = '\0';
  rl_json j;
  rl_json_init(&j);
  if (rl_json_parse(&j, text, size - 1, &(rl_json_rules){200, data[0] & 1}) == 0) {
    if (walk(&j, 0) != j.count) abort();
    rl_json_scan scan = {0};
    size_t used, at = 0;
    while (at < size - 1 && !rl_json_scan_on(&scan, text + at, 1, &used)) at++;
    if (at < size - 1) at += used;
    for (; at < size - 1; at++) {
      if (!strchr(" \n\r\t", text[at])) abort();  // the value ended earlier than the parser says
    }
  }
  rl_json_fini(&j);
  free(text);
  return 0;
}
