// Broken invariants end the process with the place that saw them; never anything the outside can
// cause.
#ifndef RL_BASE_CHECK_H
#define RL_BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define RL_CHECK(cond)                                                                    \
  do {                                                                                    \
    if (__builtin_expect(!(cond), 0)) {                                                   \
      fprintf(stderr, "rille: %s:%d: broken invariant: %s\n", __FILE__, __LINE__, #cond); \
      abort();                                                                            \
    }                                                                                     \
  } while (0)

#define RL_LIKELY(x) __builtin_expect(!!(x), 1)
#define RL_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define rl_container_of(ptr, type, field) ((type *)((char *)(ptr)-offsetof(type, field)))

#endif
