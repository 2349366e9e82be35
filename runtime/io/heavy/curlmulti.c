// libcurl's multi interface on the loop.
#include "runtime/io/heavy/curlmulti.h"

#include "runtime/core/task.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OUT_LOW = 64 * 1024 };

typedef struct sock {
  rl_link link;
  rl_curl *curl;
  curl_socket_t fd;
  rl_uvhandle handle;
  uv_poll_t poll;
} sock;

static void finish(rl_transfer *t, CURLcode result);

static void drain_messages(rl_curl *c) {
  int left;
  for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
    if (m->msg != CURLMSG_DONE) continue;
    rl_transfer *t = NULL;
    CURLcode result = m->data.result;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
    if (t) finish(t, result);
  }
}

static void act(rl_curl *c, curl_socket_t fd, int events) {
  int running;
  curl_multi_socket_action(c->multi, fd, events, &running);
  drain_messages(c);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  sock *s = rl_container_of(poll->data, sock, handle);
  int flags = status < 0 ? CURL_CSELECT_ERR : 0;
  if (events & UV_READABLE) flags |= CURL_CSELECT_IN;
  if (events & UV_WRITABLE) flags |= CURL_CSELECT_OUT;
  act(s->curl, s->fd, flags);
}

static void on_closed(rl_uvhandle *h) { free(rl_container_of(h, sock, handle)); }

static void close_sock(sock *s) {
  rl_link_remove(&s->link);
  uv_poll_stop(&s->poll);
  rl_uvhandle_close(&s->handle);
}

static sock *open_sock(rl_curl *c, curl_socket_t fd) {
  sock *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  if (uv_poll_init_socket(c->loop->uv, &s->poll, fd) < 0) {
    free(s);
    return NULL;
  }
  s->curl = c;
  s->fd = fd;
  rl_uvhandle_opened(&s->handle, c->loop, &s->poll, on_closed);
  rl_list_push(&c->sockets, &s->link);
  return s;
}

// libcurl 7.88 does not always take a socket back before it closes it.
static int on_close_socket(void *user, curl_socket_t fd) {
  rl_curl *c = user;
  for (rl_link *l = c->sockets.next; l != &c->sockets; l = l->next) {
    sock *s = rl_container_of(l, sock, link);
    if (s->fd != fd) continue;
    curl_multi_assign(c->multi, fd, NULL);
    close_sock(s);
    break;
  }
  return close(fd);
}

// An error returned here would end all transfers.
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *of_socket) {
  (void)easy;
  rl_curl *c = user;
  sock *s = of_socket;
  if (fd == CURL_SOCKET_BAD) return 0;
  if (what == CURL_POLL_REMOVE) {
    if (s) close_sock(s);
    curl_multi_assign(c->multi, fd, NULL);
    return 0;
  }
  if (!s) {
    s = open_sock(c, fd);
    if (!s) return 0;
    curl_multi_assign(c->multi, fd, s);
  }
  int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
  uv_poll_start(&s->poll, events, on_poll);
  return 0;
}

static int on_timeout(CURLM *multi, long ms, void *user) {
  (void)multi;
  rl_curl *c = user;
  if (ms < 0) {
    rl_loop_timer_stop(c->loop, &c->timer);
    return 0;
  }
  uint64_t due = rl_loop_now(c->loop) + (uint64_t)ms * 1000000;
  return rl_loop_timer(c->loop, &c->timer, due) < 0 ? -1 : 0;
}

static void on_timer(rl_timer *timer) {
  act(rl_container_of(timer, rl_curl, timer), CURL_SOCKET_TIMEOUT, 0);
}

int rl_curl_init(rl_curl *c, rl_loop *loop) {
  c->loop = loop;
  rl_link_init(&c->sockets);
  rl_timer_init(&c->timer, on_timer);
  c->multi = curl_multi_init();
  if (!c->multi) return UV_ENOMEM;
  curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
  curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
  curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
  curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 64L);
  return 0;
}

void rl_curl_fini(rl_curl *c) {
  if (!c->multi) return;
  rl_loop_timer_stop(c->loop, &c->timer);
  curl_multi_cleanup(c->multi);
  rl_loop_timer_stop(c->loop, &c->timer);
  c->multi = NULL;
  while (!rl_list_empty(&c->sockets)) close_sock(rl_container_of(c->sockets.next, sock, link));
}

// Transfers.

static rl_stop stop_waiting(rl_op *op) {
  (void)op;
  return RL_STOP_NOW;
}

static const rl_op_kind head_kind = {"http:answer", stop_waiting, NULL, RL_HOLD_REAL};
static const rl_op_kind room_kind = {"http:send", stop_waiting, NULL, RL_HOLD_REAL};

static void head_is_there(rl_transfer *t) {
  t->head_done = true;
  if (rl_op_pending(&t->head)) rl_op_finish(&t->head, 0);
}

static int status_of(CURLcode result) {
  switch (result) {
    case CURLE_OK: return UV_EOF;
    case CURLE_OPERATION_TIMEDOUT: return RL_TIMEOUT;
    case CURLE_OUT_OF_MEMORY: return UV_ENOMEM;
    default: return UV_ECONNRESET;
  }
}

static void remove_easy(rl_transfer *t) {
  if (!t->added) return;
  t->added = false;
  // libcurl 7.88 forgets what it has kept for a paused transfer if others use its connection.
  if (t->receive_paused) curl_easy_pause(t->easy, CURLPAUSE_CONT);
  curl_multi_remove_handle(t->curl->multi, t->easy);
}

static void finish(rl_transfer *t, CURLcode result) {
  t->done = true;
  t->result = result;
  remove_easy(t);
  rl_stream_ref(&t->s);
  rl_stream_ended(&t->s, t->over_limit ? RL_LIMIT : status_of(result));
  head_is_there(t);
  if (rl_op_pending(&t->room)) rl_op_finish(&t->room, 0);
  rl_stream_unref(&t->s);
}

// An answer that is not followed by another one: no interim one, no redirect, no question for a
// password.
static bool is_final(rl_transfer *t) {
  long status = 0;
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
  return status >= 200 && status / 100 != 3 && status != 401 && status != 407;
}

static void go_on_sending(rl_transfer *t) {
  if (!t->send_paused || t->done) return;
  t->send_paused = false;
  curl_easy_pause(t->easy, t->receive_paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
}

// To an answer of these, libcurl sends no more of the request; a pause would keep it waiting.
static bool ends_sending(rl_transfer *t) {
  long status = 0;
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
  return status >= 300;
}

static size_t on_line(char *data, size_t one, size_t size, void *user) {
  (void)one;
  rl_transfer *t = user;
  t->answered = true;
  if (size >= 5 && memcmp(data, "HTTP/", 5) == 0) rl_buf_clear(&t->lines);
  bool fits = rl_buf_len(&t->lines) + size <= RL_CURL_HEAD_MAX && rl_buf_put(&t->lines, data, size);
  t->over_limit |= !fits;
  if (!fits) return 0;
  if (size == 2 && is_final(t)) head_is_there(t);
  if (size == 2 && ends_sending(t)) go_on_sending(t);
  return size;
}

static size_t on_body(char *data, size_t one, size_t size, void *user) {
  (void)one;
  rl_transfer *t = user;
  if (t->done) return 0;
  if (rl_stream_full(&t->s)) {
    t->receive_paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  t->received += size;
  if (t->received > t->limit) {
    t->over_limit = true;
    return 0;
  }
  if (!rl_buf_put(&t->s.in, data, size)) return 0;
  head_is_there(t);  // libcurl hands over no body of an answer that it follows
  rl_stream_arrived(&t->s);
  return size;
}

static size_t on_send(char *data, size_t one, size_t room, void *user) {
  rl_transfer *t = user;
  room *= one;
  t->answered = false;
  size_t left = rl_buf_len(&t->out) - t->out_sent;
  if (left == 0) {
    if (!t->streamed || t->out_over) return 0;
    t->send_paused = true;
    return CURL_READFUNC_PAUSE;
  }
  size_t n = left < room ? left : room;
  memcpy(data, rl_buf_head(&t->out) + t->out_sent, n);
  if (t->streamed) {
    rl_buf_consume(&t->out, n);
    if (rl_op_pending(&t->room) && rl_buf_len(&t->out) <= OUT_LOW) rl_op_finish(&t->room, 0);
  } else {
    t->out_sent += n;
  }
  return n;
}

// A body is sent again where an answer asks for it (307), not where a kept connection turned out
// dead: the server may have acted on the first one.
static int on_rewind(void *user, curl_off_t offset, int origin) {
  rl_transfer *t = user;
  if (origin != SEEK_SET || t->streamed || !t->answered) return CURL_SEEKFUNC_FAIL;
  if (offset < 0 || (size_t)offset > rl_buf_len(&t->out)) return CURL_SEEKFUNC_FAIL;
  t->out_sent = (size_t)offset;
  return CURL_SEEKFUNC_OK;
}

// A connection is there, for the first time or because a kept one turned out dead.
static int on_ready(void *user, char *to, char *from, int to_port, int from_port) {
  (void)to, (void)from, (void)to_port, (void)from_port;
  rl_transfer *t = user;
  t->twice = t->once && t->sent;
  t->sent = true;
  return t->twice ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static rl_transfer *transfer_of(rl_stream *s) { return (rl_transfer *)s; }

static void transfer_pull(rl_stream *s) {
  rl_transfer *t = transfer_of(s);
  if (!t->receive_paused || t->done) return;
  t->receive_paused = false;
  curl_easy_pause(t->easy, t->send_paused ? CURLPAUSE_SEND : CURLPAUSE_CONT);
}

static ssize_t transfer_send(rl_stream *s, const uv_buf_t *pieces, unsigned count) {
  (void)s, (void)pieces, (void)count;
  return UV_EBADF;
}

bool rl_transfer_abort(rl_transfer *t) {
  if (t->done) return false;
  finish(t, CURLE_ABORTED_BY_CALLBACK);
  return true;
}

static void transfer_close(rl_stream *s) {
  rl_transfer *t = transfer_of(s);
  rl_transfer_abort(t);
  rl_stream_unref(s);
}

static void transfer_free(rl_stream *s) {
  rl_transfer *t = transfer_of(s);
  curl_easy_cleanup(t->easy);
  curl_slist_free_all(t->fields);
  rl_buf_fini(&t->lines);
  rl_buf_fini(&t->out);
  free(t->why);
  free(t->host);
  if (t->pinned >= 0) close(t->pinned);
  free(t);
}

static const rl_stream_kind transfer_kind = {
    .name = "http-answer",
    .pull = transfer_pull,
    .send = transfer_send,
    .close = transfer_close,
    .free = transfer_free,
};

rl_transfer *rl_transfer_new(rl_curl *c) {
  rl_transfer *t = calloc(1, sizeof *t);
  CURL *easy = t ? curl_easy_init() : NULL;
  if (!easy) {
    free(t);
    return NULL;
  }
  rl_stream_init(&t->s, &transfer_kind, c->loop);
  rl_op_init(&t->head, &head_kind);
  rl_op_init(&t->room, &room_kind);
  t->curl = c;
  t->easy = easy;
  t->limit = UINT64_MAX;
  t->pinned = -1;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, c);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
  curl_easy_setopt(easy, CURLOPT_READDATA, t);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
  curl_easy_setopt(easy, CURLOPT_SEEKDATA, t);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
  return t;
}

int rl_transfer_start(rl_transfer *t) {
  if (t->fields) curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->fields);
  if (curl_multi_add_handle(t->curl->multi, t->easy) != CURLM_OK) return UV_ENOMEM;
  t->added = true;
  return 0;
}

void rl_transfer_wait_head(rl_transfer *t, rl_task *task) {
  rl_op_begin(&t->head, task);
  if (t->head_done) rl_op_finish(&t->head, 0);
}

bool rl_transfer_feed(rl_transfer *t, const char *data, size_t size, bool over) {
  if (!rl_buf_put(&t->out, data, size)) return false;
  t->out_over = over;
  go_on_sending(t);
  return true;
}

void rl_transfer_wait_room(rl_transfer *t, rl_task *task) {
  rl_op_begin(&t->room, task);
  if (t->done || rl_buf_len(&t->out) <= OUT_LOW) rl_op_finish(&t->room, 0);
}
