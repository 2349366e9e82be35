// libcurl's multi interface on the loop: its sockets are polled, its one timeout is a timer. Loop
// thread only.
#ifndef RL_IO_HEAVY_CURLMULTI_H
#define RL_IO_HEAVY_CURLMULTI_H

#include "runtime/io/handle.h"
#include "runtime/io/stream.h"

#include <curl/curl.h>

typedef struct rl_curl {
  rl_loop *loop;
  CURLM *multi;
  rl_timer timer;
  rl_list sockets;
  bool armed;
} rl_curl;

// One transfer: its answer's body is a stream, and its request's body, if it is sent in pieces, a
// buffer that is filled while it goes.
typedef struct rl_transfer {
  rl_stream s;  // first: the answer's body
  rl_curl *curl;
  CURL *easy;
  struct curl_slist *fields;
  rl_op head;       // the wait for the answer's head
  rl_op room;       // the wait for room in `out`
  rl_buf lines;     // of the last answer's head
  rl_buf out;       // of the request's body
  size_t out_sent;  // of `out`, when it holds the whole body and can be sent again
  uint64_t limit, received;
  bool added, head_done, done, streamed, out_over, send_paused, receive_paused;
  bool answered;  // bytes of an answer came since the request was sent last
  bool once;      // what was sent is not sent again: the server may have acted on it
  bool sent;      // it was,
  bool twice;     // and would have been again
  bool over_limit;
  bool denied;  // by permissions: `why`
  char *why;    // RL_REFUSAL bytes, if there are permissions
  char *host;   // what it connects to: the host of the URL, or of the proxy
  int pinned;   // what the path of a Unix socket leads through, or -1
  CURLcode result;
  char error[CURL_ERROR_SIZE];
} rl_transfer;

enum { RL_CURL_HEAD_MAX = 256 * 1024 };

int rl_curl_init(rl_curl *c, rl_loop *loop);  // UV_ENOMEM or 0
void rl_curl_fini(rl_curl *c);                // no transfer may be left

// A transfer with an easy handle whose callbacks are set; NULL when memory is out. As for every
// stream, the caller has one reference, and the open stream another.
rl_transfer *rl_transfer_new(rl_curl *c);
// Of a runtime with permissions: whether the transfer may reach its host, and then each address of
// it. RL_DENIED: t->why says why.
int rl_transfer_permit(rl_transfer *t, const char *url, const char *proxy, bool unix_socket);
int rl_transfer_start(rl_transfer *t);  // UV_ENOMEM or 0
// Ends it as one that was lost. False: it was over.
bool rl_transfer_abort(rl_transfer *t);
// Begins to wait for the head, or the end, on t->head.
void rl_transfer_wait_head(rl_transfer *t, struct rl_task *task);
// More of a streamed request body; `over`: it was the last. False: memory is out.
bool rl_transfer_feed(rl_transfer *t, const char *data, size_t size, bool over);
// Begins to wait on t->room until little of the body is left to send.
void rl_transfer_wait_room(rl_transfer *t, struct rl_task *task);

#endif
