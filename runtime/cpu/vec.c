// Numeric vectors: the kernels of each type, from one template.
#include "runtime/cpu/vec.h"

#include "runtime/cpu/vec_simd.h"

#include <math.h>
#include <string.h>

const char *const rl_vec_type_names[RL_VEC_TYPES + 1] = {"f64", "f32", "i64", "i32", "u8", NULL};
const uint8_t rl_vec_type_sizes[RL_VEC_TYPES] = {8, 4, 8, 4, 1};

#define T double
#define U double
#define ACC double
#define KEY uint64_t
#define FLOAT 1
#define SIGNED 1
#define NAME(x) f64_##x
#include "runtime/cpu/vec_each.h"
#undef T
#undef U
#undef KEY
#undef NAME

#define T float
#define U float
#define KEY uint32_t
#define NAME(x) f32_##x
#include "runtime/cpu/vec_each.h"
#undef T
#undef U
#undef ACC
#undef KEY
#undef FLOAT
#undef NAME

#define T int64_t
#define U uint64_t
#define ACC uint64_t
#define KEY uint64_t
#define FLOAT 0
#define NAME(x) i64_##x
#include "runtime/cpu/vec_each.h"
#undef T
#undef U
#undef KEY
#undef NAME

#define T int32_t
#define U uint32_t
#define KEY uint32_t
#define NAME(x) i32_##x
#include "runtime/cpu/vec_each.h"
#undef T
#undef U
#undef KEY
#undef NAME
#undef SIGNED

#define SIGNED 0
#define T uint8_t
#define U uint8_t
#define KEY uint8_t
#define NAME(x) u8_##x
#include "runtime/cpu/vec_each.h"

const rl_vec_kernels *rl_vec_kernels_of(rl_vec_type t) {
  static const rl_vec_kernels *const all[RL_VEC_TYPES] = {&f64_kernels, &f32_kernels, &i64_kernels,
                                                          &i32_kernels, &u8_kernels};
  return all[t];
}

size_t rl_vec_zero_at(rl_vec_type t, const void *a, size_t n) {
  size_t size = rl_vec_type_sizes[t];
  static const char zero[8];
  for (size_t i = 0; i < n; i++) {
    if (memcmp((const char *)a + i * size, zero, size) == 0) return i;
  }
  return n;
}
