// The program: a client of rille.h.
#include "lua/host/program.h"

#include <malloc.h>

// glibc gives the top of the heap back at every large free, and faults it in again at the next
// allocation: with chunks and strings of some KiB coming and going, that is a third of an echo's
// time.
enum { TRIM_ABOVE = 4 << 20, MAP_ABOVE = 512 << 10 };

int main(int argc, char **argv) {
#ifdef __GLIBC__
  mallopt(M_TRIM_THRESHOLD, TRIM_ABOVE);
  mallopt(M_MMAP_THRESHOLD, MAP_ABOVE);
#endif
  return rl_program_main(argc, argv);
}
