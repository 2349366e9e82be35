// Streams over sockets: what is to be sent soon leaves once, in order, and also when the stream
// closes first.
#include "runtime/io/uvstream.h"
#include "tests/unit/test.h"

#include <sys/socket.h>
#include <unistd.h>

static void no_jobs(rl_loop *loop, rl_job *j) {
  (void)loop;
  (void)j;
}

typedef struct pair {
  rl_loop loop;
  rl_stream *stream;
  int peer;
} pair;

static void begin(pair *p) {
  int fds[2], err;
  EXPECT_EQ(rl_loop_init(&p->loop, NULL, no_jobs, NULL), 0);
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
  rl_uvstream *u = rl_uvstream_new(&p->loop, UV_NAMED_PIPE, &err);
  EXPECT_EQ(uv_pipe_open(&u->uv.pipe, fds[0]), 0);
  p->stream = &u->s;
  p->peer = fds[1];
}

static void end(pair *p) {
  rl_stream_close(p->stream);
  rl_stream_unref(p->stream);
  rl_loop_close(&p->loop);
  while (!rl_loop_closed(&p->loop)) rl_loop_tick(&p->loop, true);
  rl_loop_fini(&p->loop);
  close(p->peer);
}

static void soon(pair *p, const char *text) {
  uv_buf_t piece = uv_buf_init((char *)text, (unsigned)strlen(text));
  EXPECT_EQ(rl_stream_send_soon(p->stream, &piece, 1), strlen(text));
}

static void now(pair *p, const char *text) {
  uv_buf_t piece = uv_buf_init((char *)text, (unsigned)strlen(text));
  EXPECT_EQ(rl_stream_send(p->stream, &piece, 1), strlen(text));
}

// One packet is one write.
static void expect_packet(pair *p, const char *text) {
  char got[64];
  ssize_t n = recv(p->peer, got, sizeof got, 0);
  EXPECT_EQ(n, (ssize_t)strlen(text));
  EXPECT(n > 0 && memcmp(got, text, (size_t)n) == 0);
}

static void leaves_together_before_the_poll(void) {
  pair p;
  char byte;
  begin(&p);
  soon(&p, "one ");
  soon(&p, "two ");
  EXPECT_EQ(p.stream->unsent, 8);
  EXPECT_EQ(recv(p.peer, &byte, 1, 0), -1);
  rl_loop_poll(&p.loop, false);
  expect_packet(&p, "one two ");
  EXPECT_EQ(p.stream->unsent, 0);
  end(&p);
}

static void stays_before_what_is_sent_at_once(void) {
  pair p;
  begin(&p);
  soon(&p, "one ");
  now(&p, "two ");
  while (p.stream->unsent) rl_loop_tick(&p.loop, true);
  expect_packet(&p, "one two ");
  now(&p, "three");
  expect_packet(&p, "three");
  end(&p);
}

static void leaves_when_the_stream_closes(void) {
  pair p;
  begin(&p);
  soon(&p, "last");
  rl_stream_close(p.stream);
  expect_packet(&p, "last");
  end(&p);
}

static void takes_no_more_than_there_is_room_for(void) {
  static char many[2 * RL_STREAM_OUT_HIGH];
  pair p;
  begin(&p);
  uv_buf_t piece = uv_buf_init(many, sizeof many);
  EXPECT_EQ(rl_stream_send_soon(p.stream, &piece, 1), RL_STREAM_OUT_HIGH);
  EXPECT_EQ(rl_stream_send_soon(p.stream, &piece, 1), 0);
  end(&p);
}

int main(void) {
  leaves_together_before_the_poll();
  stays_before_what_is_sent_at_once();
  leaves_when_the_stream_closes();
  takes_no_more_than_there_is_room_for();
  return test_result();
}
