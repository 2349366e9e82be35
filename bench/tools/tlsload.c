// Loads a TLS 1.3 server: tlsload CONNECTIONS handshake|download|idle SECONDS COMMAND...
// handshake: full handshakes one after the other, on as many connections at once. download: each
// connection sends a byte, and reads what comes for it. idle: how much the server grew for each
// connection. Prints handshakes a second, and the server's processor time for each; or megabytes a
// second, and those for a second of the server's processor time.
#include "bench/tools/server.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

enum { MAX_CONNECTIONS = 4000 };

static SSL_CTX *context;
static int port;
static atomic_ulong done;  // handshakes, or bytes
static atomic_bool over;

static SSL *open_tls(void) {
  int fd = connect_to(port);
  fcntl(fd, F_SETFL, 0);
  SSL *ssl = SSL_new(context);
  if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) die("the handshake failed");
  return ssl;
}

static void close_tls(SSL *ssl) {
  int fd = SSL_get_fd(ssl);
  SSL_shutdown(ssl);
  SSL_free(ssl);
  close(fd);
}

static void *shake(void *arg) {
  for (; !over; done++) close_tls(open_tls());
  return arg;
}

static void *download(void *arg) {
  static __thread char bytes[65536];
  SSL *ssl = open_tls();
  if (SSL_write(ssl, "x", 1) != 1) die("write failed");
  while (!over) {
    int n = SSL_read(ssl, bytes, sizeof bytes);
    if (n <= 0) die("the server closed a connection");
    done += (unsigned long)n;
  }
  return arg;
}

static void measure(int count, void *(*client)(void *), double seconds) {
  pthread_t threads[count];
  for (int i = 0; i < count; i++) pthread_create(&threads[i], NULL, client, NULL);
  usleep((useconds_t)(seconds / 4 * 1e6));
  done = 0;
  double cpu = server_cpu(), began = now();
  usleep((useconds_t)(seconds * 1e6));
  double count_done = (double)done, took = now() - began;
  cpu = server_cpu() - cpu;
  over = true;
  if (count_done < 1) die("nothing was done");
  if (client == shake) {
    printf("rps %.1f cpu_us %.4f\n", count_done / took, cpu / count_done * 1e6);
  } else {
    printf("mb_s %.1f mb_cpu %.1f\n", count_done / took / 1e6, count_done / cpu / 1e6);
  }
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static void measure_idle(int count) {
  for (int i = 0; i < count / 4; i++) open_tls();  // the parts that all share
  usleep(500000);
  double before = server_memory();
  for (int i = 0; i < count; i++) open_tls();
  usleep(500000);
  printf("bytes %.1f\n", (server_memory() - before) / count);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  int count = atoi(argv[1]);
  if (count < 1 || count > MAX_CONNECTIONS) return 2;
  signal(SIGPIPE, SIG_IGN);
  context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  port = start_server(argv + 4);
  pin(1);
  if (strcmp(argv[2], "idle") == 0) {
    measure_idle(count);
  } else {
    measure(count, strcmp(argv[2], "download") == 0 ? download : shake, atof(argv[3]));
  }
  end_server();
  return 0;
}
