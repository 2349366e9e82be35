// Products of matrices, by rows: the inner loop runs along contiguous memory.
#include "runtime/cpu/vec.h"
#include "runtime/cpu/vec_simd.h"

#include <string.h>

enum { BLOCK = 64 };  // rows of b that stay in the cache while rows of `out` go by

#define ADD_SCALED(NAME, T)                                                      \
  RL_SIMD static void NAME(T *out, const T *row, T factor, size_t n) {           \
    RL_INDEPENDENT for (size_t j = 0; j < n; j++) { out[j] += factor * row[j]; } \
  }
ADD_SCALED(add_scaled_f64, double)
ADD_SCALED(add_scaled_f32, float)

void rl_vec_matmul(rl_vec_type t, void *out, const void *a, const void *b, size_t from, size_t to,
                   size_t inner, size_t columns, const atomic_bool *cancelled) {
  size_t size = rl_vec_type_sizes[t];
  memset((char *)out + from * columns * size, 0, (to - from) * columns * size);
  for (size_t block = 0; block < inner; block += BLOCK) {
    size_t end = inner - block < BLOCK ? inner : block + BLOCK;
    for (size_t i = from; i < to; i++) {
      if (atomic_load_explicit(cancelled, memory_order_relaxed)) return;
      for (size_t k = block; k < end; k++) {
        if (t == RL_F64) {
          add_scaled_f64((double *)out + i * columns, (const double *)b + k * columns,
                         ((const double *)a)[i * inner + k], columns);
        } else {
          add_scaled_f32((float *)out + i * columns, (const float *)b + k * columns,
                         ((const float *)a)[i * inner + k], columns);
        }
      }
    }
  }
}
