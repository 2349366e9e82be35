// Loads a server: load CONNECTIONS IN_FLIGHT SIZE|http|http:PATH|http_both|http_json|websocket|wrk|
// h2load|idle|idle_http SECONDS COMMAND... Starts COMMAND, reads the port it prints, and keeps
// IN_FLIGHT messages under way on each connection: SIZE bytes that come back, WebSocket's texts of
// 32 bytes that do, or HTTP requests, whose answers are all as long as the first; with wrk, and
// h2load over TLS, those programs send them. Prints requests a second, and the server's
// processor time for each. Server and load get a processor each. With idle nothing is sent, with
// idle_http one request: prints how much the server grew for each connection.
#include "bench/tools/server.h"

#include <sys/epoll.h>

enum { MAX_CONNECTIONS = 4000 };

typedef struct conn {
  int fd;
  size_t got;   // bytes of messages that have not come back whole
  size_t owed;  // bytes still to be written
} conn;

static size_t size;         // of a request
static size_t answer_size;  // of what comes back for it
static char *payload;
static size_t payload_size;
static unsigned long done;
static bool websocket;

static void send_owed(int epoll, conn *c) {
  while (c->owed > 0) {
    ssize_t n = write(c->fd, payload, c->owed < payload_size ? c->owed : payload_size);
    if (n < 0 && errno != EAGAIN) die("write: %s", strerror(errno));
    if (n < 0) break;
    c->owed -= (size_t)n;
  }
  struct epoll_event event = {.events = EPOLLIN | (c->owed ? EPOLLOUT : 0), .data.ptr = c};
  static struct epoll_event before[MAX_CONNECTIONS + 64];
  if (before[c->fd].events == event.events) return;
  before[c->fd].events = event.events;
  epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void on_readable(conn *c) {
  static char buffer[1 << 18];
  ssize_t n = read(c->fd, buffer, sizeof buffer);
  if (n == 0) die("the server closed a connection");
  if (n < 0) {
    if (errno == EAGAIN) return;
    die("read: %s", strerror(errno));
  }
  c->got += (size_t)n;
  size_t whole = c->got / answer_size;
  c->got %= answer_size;
  c->owed += whole * size;
  done += whole;
}

static void run(int epoll, double until) {
  struct epoll_event events[256];
  while (now() < until) {
    int n = epoll_wait(epoll, events, 256, 100);
    for (int i = 0; i < n; i++) {
      conn *c = events[i].data.ptr;
      if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
      send_owed(epoll, c);
    }
  }
}

static const char *request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char json_request[] =
    "POST /notes HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nContent-Type: application/json\r\n"
    "Content-Length: 105\r\n\r\n"
    "{\"text\": \"a note that is decoded and encoded\", \"tags\": [\"one\", \"two\", "
    "\"three\"], \"done\": false, \"n\": 12.5}";

// The length of the answer to one request.
static size_t read_answer(int fd) {
  static char text[2 << 20];
  size_t length = 0;
  fcntl(fd, F_SETFL, 0);
  if (write(fd, request, strlen(request)) < 0) die("write: %s", strerror(errno));
  for (;;) {
    ssize_t n = read(fd, text + length, sizeof text - 1 - length);
    if (n <= 0) die("no answer");
    length += (size_t)n;
    text[length] = 0;
    char *head = strstr(text, "\r\n\r\n"), *field = strcasestr(text, "\r\ncontent-length:");
    if (!head) continue;
    if (!field || strncmp(text, "HTTP/1.1 20", 11) != 0) die("not an answer to load: %s", text);
    size_t whole = (size_t)(head + 4 - text) + strtoul(field + 17, NULL, 10);
    if (length >= whole) return whole;
  }
}

static const char handshake[] =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
// A text of 32 bytes, masked with 1, 2, 3, 4; it comes back without the mask.
static const char text_frame[] = "\x81\xa0\1\2\3\4yz{|yz{|yz{|yz{|yz{|yz{|yz{|yz{|";

static void shake_hands(int fd) {
  char text[4096];
  size_t length = 0;
  int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, 0);
  if (write(fd, handshake, strlen(handshake)) < 0) die("write: %s", strerror(errno));
  do {
    ssize_t n = read(fd, text + length, sizeof text - 1 - length);
    if (n <= 0) die("no handshake");
    length += (size_t)n;
    text[length] = 0;
  } while (!strstr(text, "\r\n\r\n"));
  if (strncmp(text, "HTTP/1.1 101", 12) != 0) die("no handshake: %s", text);
  fcntl(fd, F_SETFL, flags);
}

// "http:PATH" asks for that.
static void choose_request(const char *kind) {
  static char text[300];
  if (strcmp(kind, "http_json") == 0) request = json_request;
  if (strncmp(kind, "http:", 5) != 0) return;
  snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", kind + 5);
  request = text;
}

static bool prepare(const char *kind, size_t in_flight) {
  const char *message = NULL;
  choose_request(kind);
  if (strncmp(kind, "http", 4) == 0) message = request;
  if (websocket) message = text_frame;
  size = message ? strlen(message) : (size_t)atoi(kind);
  answer_size = websocket ? size - 4 : size;
  payload_size = in_flight * size;
  payload = malloc(payload_size);
  if (!size || !payload) return false;
  memset(payload, 'x', payload_size);
  for (size_t i = 0; message && i < in_flight; i++) memcpy(payload + i * size, message, size);
  return true;
}

// Opens `count` connections; of HTTP, each has had one answer.
static void open_idle(int port, int count, bool http) {
  for (int i = 0; i < count; i++) {
    int fd = connect_to(port);
    if (http) read_answer(fd);
  }
  usleep(500000);
}

static void measure_idle(int port, int count, bool http) {
  open_idle(port, count / 4, http);  // the parts that all share
  double before = server_memory();
  open_idle(port, count, http);
  printf("bytes %.1f\n", (server_memory() - before) / count);
}

// Runs a program that sends requests and tells of them; what its lines say is read by `understand`.
static void measure_by(int port, const char *command,
                       void (*understand)(const char *line, double *rps, unsigned long *requests,
                                          unsigned long *errors)) {
  char line[300];
  double rps = 0;
  unsigned long requests = 0, errors = 0;
  close(connect_to(port));  // it listens
  double cpu = server_cpu();
  FILE *program = popen(command, "r");
  while (program && fgets(line, sizeof line, program)) understand(line, &rps, &requests, &errors);
  if (!program || pclose(program) != 0 || requests == 0) die("failed: %s", command);
  if (errors) die("%lu answers were errors", errors);
  printf("rps %.1f cpu_us %.4f\n", rps, (server_cpu() - cpu) / (double)requests * 1e6);
}

static void of_wrk(const char *line, double *rps, unsigned long *requests, unsigned long *errors) {
  (void)sscanf(line, " %lu requests in", requests);
  (void)sscanf(line, " Non-2xx or 3xx responses: %lu", errors);
  (void)sscanf(line, "Requests/sec: %lf", rps);
}

static void of_h2load(const char *line, double *rps, unsigned long *requests,
                      unsigned long *errors) {
  unsigned long other = 0;
  (void)sscanf(line, "finished in %*[^,], %lf req/s", rps);
  if (sscanf(line, "status codes: %lu 2xx, %lu 3xx, %lu", requests, &other, errors) == 3)
    *errors += other;
}

static void measure_program(const char *kind, int port, int count, size_t in_flight,
                            double seconds) {
  char command[200];
  int whole = seconds < 1 ? 1 : (int)seconds;
  if (strcmp(kind, "wrk") == 0) {
    snprintf(command, sizeof command, "wrk -t1 -c%d -d%d http://127.0.0.1:%d/", count, whole, port);
    measure_by(port, command, of_wrk);
  } else {
    snprintf(command, sizeof command, "h2load -c%d -m%zu -D%d https://127.0.0.1:%d/ 2>&1", count,
             in_flight, whole, port);
    measure_by(port, command, of_h2load);
  }
}

static void open_connections(int epoll, conn *conns, int count, int port, size_t in_flight) {
  for (int i = 0; i < count; i++) {
    conns[i].fd = connect_to(port);
    if (websocket) shake_hands(conns[i].fd);
    conns[i].owed = in_flight * size;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = &conns[i]};
    epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i].fd, &event);
  }
}

static void measure_load(int port, int count, size_t in_flight, double seconds, bool http) {
  conn *conns = calloc((size_t)count, sizeof *conns);
  if (!conns) die("out of memory");
  int epoll = epoll_create1(0);
  if (http) {
    int fd = connect_to(port);
    answer_size = read_answer(fd);
    close(fd);
  }
  open_connections(epoll, conns, count, port, in_flight);
  run(epoll, now() + seconds / 4);
  done = 0;
  double cpu = server_cpu(), began = now();
  run(epoll, began + seconds);
  double took = now() - began;
  cpu = server_cpu() - cpu;
  printf("rps %.1f cpu_us %.4f\n", (double)done / took, cpu / (double)done * 1e6);
  free(conns);
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  int count = atoi(argv[1]);
  size_t in_flight = (size_t)atoi(argv[2]);
  bool program = strcmp(argv[3], "wrk") == 0 || strcmp(argv[3], "h2load") == 0;
  bool idle = strncmp(argv[3], "idle", 4) == 0;
  bool http = strstr(argv[3], "http") != NULL;
  websocket = strcmp(argv[3], "websocket") == 0;
  if (count < 1 || count > MAX_CONNECTIONS || !in_flight) return 2;
  if (!idle && !program && !prepare(argv[3], in_flight)) return 2;
  shared = strcmp(argv[3], "http_both") == 0;
  signal(SIGPIPE, SIG_IGN);
  int port = start_server(argv + 5);
  pin(1);
  if (idle) {
    measure_idle(port, count, http);
  } else if (program) {
    measure_program(argv[3], port, count, in_flight, atof(argv[4]));
  } else {
    measure_load(port, count, in_flight, atof(argv[4]), http);
  }
  end_server();
  free(payload);
  return 0;
}
