// Paths under permissions: what a path leads to is opened first without touching it (O_PATH), the
// opened thing's own path is held against the rules, and the system call then works on the opened
// thing. Links, dots and races change nothing: what was checked is what is used.
#ifndef RL_IO_PIN_H
#define RL_IO_PIN_H

#include "runtime/io/permit.h"

typedef enum {
  RL_PIN_OBJECT,  // what is there, links followed
  RL_PIN_LINK,    // what is there, a link being itself
  RL_PIN_ENTRY,   // a name in a directory, whether it is there or not: never follow it
} rl_pin_how;

typedef struct rl_pin {
  int fd;                    // held until rl_pin_drop; -1: nothing
  char path[NAME_MAX + 32];  // for system calls, while fd is open
  char real[PATH_MAX];       // what was checked
} rl_pin;

// Bits of what has to be allowed, all of it.
enum {
  RL_PIN_SOCKET = 1 << RL_MAY_NET,  // of a Unix socket
  RL_PIN_READ = 1 << RL_MAY_READ,
  RL_PIN_WRITE = 1 << RL_MAY_WRITE,
  RL_PIN_CODE = 1 << RL_MAY_CODE,
};

// `p` is not NULL. Negative: an error, RL_DENIED with `why`. What may not be reached is denied,
// whether it is there or not.
int rl_pin_open(rl_pin *pin, const rl_permit *p, rl_pin_how how, unsigned mays, const char *path,
                char *why);
void rl_pin_drop(rl_pin *pin);

#endif
