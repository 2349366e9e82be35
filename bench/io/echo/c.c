// echo, the floor: C on libuv. Prints its port and serves until killed.
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static char buffer[65536];

typedef struct answer {
  uv_write_t request;
  char bytes[];
} answer;

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  (void)handle, (void)size;
  *buf = uv_buf_init(buffer, sizeof buffer);
}

static void on_written(uv_write_t *request, int status) {
  (void)status;
  free(request);
}

static void on_closed(uv_handle_t *handle) { free(handle); }

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  if (n < 0) {
    uv_close((uv_handle_t *)stream, on_closed);
    return;
  }
  uv_buf_t rest = uv_buf_init(buf->base, (unsigned)n);
  int sent = uv_try_write(stream, &rest, 1);
  if (sent == n) return;
  if (sent < 0) sent = 0;
  answer *a = malloc(sizeof *a + (size_t)(n - sent));
  if (!a) abort();
  for (ssize_t i = sent; i < n; i++) a->bytes[i - sent] = buf->base[i];
  rest = uv_buf_init(a->bytes, (unsigned)(n - sent));
  uv_write(&a->request, stream, &rest, 1, on_written);
}

static void on_connection(uv_stream_t *server, int status) {
  if (status < 0) return;
  uv_tcp_t *conn = malloc(sizeof *conn);
  if (!conn) abort();
  uv_tcp_init(server->loop, conn);
  uv_accept(server, (uv_stream_t *)conn);
  uv_tcp_nodelay(conn, 1);
  uv_read_start((uv_stream_t *)conn, on_alloc, on_read);
}

int main(void) {
  uv_tcp_t server;
  struct sockaddr_in address;
  int length = sizeof address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_init(uv_default_loop(), &server);
  uv_tcp_bind(&server, (const struct sockaddr *)&address, 0);
  if (uv_listen((uv_stream_t *)&server, 511, on_connection) < 0) return 1;
  uv_tcp_getsockname(&server, (struct sockaddr *)&address, &length);
  printf("%d\n", (address.sin_port & 0xff) << 8 | address.sin_port >> 8);
  fflush(stdout);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
