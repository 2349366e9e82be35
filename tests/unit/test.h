// Checks of the C tests. A failed one tells its place and goes on; main returns test_result().
#ifndef RL_TESTS_UNIT_TEST_H
#define RL_TESTS_UNIT_TEST_H

#include <stdio.h>
#include <string.h>

static int test_failed_checks;

#define EXPECT(cond)                                                     \
  do {                                                                   \
    if (!(cond)) {                                                       \
      test_failed_checks++;                                              \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
    }                                                                    \
  } while (0)

#define EXPECT_EQ(a, b)                                                                        \
  do {                                                                                         \
    long long left_ = (long long)(a), right_ = (long long)(b);                                 \
    if (left_ != right_) {                                                                     \
      test_failed_checks++;                                                                    \
      fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #a, left_, right_); \
    }                                                                                          \
  } while (0)

static inline int test_result(void) {
  if (test_failed_checks) fprintf(stderr, "%d failed\n", test_failed_checks);
  return test_failed_checks ? 1 : 0;
}

#endif
