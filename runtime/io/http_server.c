// What the connections of one HTTP server share: limits, the date, the flush before a poll.
#include "runtime/io/http_conn.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void on_chore(rl_chore *chore) {
  rl_http_server *server = rl_container_of(chore, rl_http_server, chore);
  for (rl_link *l; (l = rl_list_pop(&server->unflushed));) {
    rl_http_conn_flush(rl_container_of(l, rl_http_conn, unflushed));
  }
}

rl_http_server *rl_http_server_new(rl_loop *loop, const rl_http_limits *limits) {
  rl_http_server *server = calloc(1, sizeof *server);
  if (!server) return NULL;
  server->loop = loop;
  server->limits = *limits;
  server->refs = 1;
  rl_link_init(&server->conns);
  rl_link_init(&server->unflushed);
  rl_link_init(&server->ready);
  rl_lot_init(&server->parked);
  rl_link_init(&server->chore.link);
  server->chore.run = on_chore;
  return server;
}

void rl_http_server_unref(rl_http_server *server) {
  RL_CHECK(server->refs > 0);
  if (--server->refs) return;
  rl_link_remove(&server->chore.link);
  rl_buf_fini(&server->out);
  free(server);
}

void rl_http_server_call(rl_http_server *server) {
  if (!server->called) server->called = rl_lot_wake(&server->parked, 0) > 0;
}

bool rl_http_server_over(const rl_http_server *server) {
  return server->draining && rl_list_empty(&server->conns);
}

void rl_http_server_drain(rl_http_server *server) {
  server->draining = true;
  for (rl_link *l = server->conns.next; l != &server->conns; l = l->next) {
    rl_http_conn *c = rl_container_of(l, rl_http_conn, link);
    bool idle = !c->last && c->body_done && rl_stream_len(c->stream) == 0;
    if (!idle) continue;
    if (rl_op_pending(&c->op)) rl_op_finish(&c->op, RL_CLOSED);
    if (!c->task) rl_http_conn_turn(c);
  }
  if (rl_http_server_over(server)) rl_lot_wake_all(&server->parked, 0);
}

void rl_http_server_close(rl_http_server *server) {
  rl_http_server_drain(server);
  server->closed = true;
}

const char *rl_http_server_date(rl_http_server *server) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != server->date_second) {
    server->date_second = now.tv_sec;
    memcpy(server->date, "Date: ", 6);
    rl_http_date(server->date + 6, now.tv_sec);
    memcpy(server->date + 6 + RL_HTTP_DATE_LEN, "\r\n", 2);
  }
  return server->date;
}
