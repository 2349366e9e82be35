// Any bytes as WebSocket frames, masked or not.
#include "runtime/wire/ws.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  rl_ws_reader r;
  rl_ws_reader_init(&r, data[0] & 1, data[0] & 2, 1000);
  size_t step = 1u + data[1], total = 0;
  for (size_t at = 2; at < size; at += step) {
    size_t n = size - at < step ? size - at : step, done = 0, used;
    char *piece = malloc(n);
    memcpy(piece, data + at, n);
    rl_ws_event event;
    do {
      if (rl_ws_next(&r, piece + done, n - done, &used, &event) < 0) {
        free(piece);
        return 0;
      }
      done += used;
      total = event.what == RL_WS_PIECE ? (event.first ? 0 : total) + event.size : total;
      if (total > 1000) abort();
      if (event.what == RL_WS_CONTROL && event.opcode == RL_WS_CLOSE)
        rl_ws_read_close(event.data, event.size);
    } while (done < n || event.what != RL_WS_NOTHING);
    free(piece);
  }
  return 0;
}
