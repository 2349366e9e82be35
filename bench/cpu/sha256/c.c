// sha256, the floor: OpenSSL on one thread for each core. Argument: strings of 1 MiB.
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 1 << 20, MAX_THREADS = 64 };

static unsigned char data[SIZE];
static atomic_int left;

static void *work(void *unused) {
  (void)unused;
  unsigned char digest[EVP_MAX_MD_SIZE];
  while (atomic_fetch_sub(&left, 1) > 0) {
    if (!EVP_Digest(data, SIZE, digest, NULL, EVP_sha256(), NULL)) abort();
  }
  return NULL;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 100;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (cores > MAX_THREADS) cores = MAX_THREADS;
  memset(data, 'x', SIZE);
  atomic_init(&left, 1);
  work(NULL);
  atomic_store(&left, count);
  pthread_t threads[MAX_THREADS];
  double began = now();
  for (long i = 0; i < cores; i++) pthread_create(&threads[i], NULL, work, NULL);
  for (long i = 0; i < cores; i++) pthread_join(threads[i], NULL);
  printf("gb_s %.4f\n", (double)count * SIZE / (now() - began) / 1e9);
  return 0;
}
