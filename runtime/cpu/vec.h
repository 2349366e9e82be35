// Numeric vectors of five types: kernels over plain arrays. Results do not depend on how the work
// is split.
#ifndef RL_CPU_VEC_H
#define RL_CPU_VEC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { RL_F64, RL_F32, RL_I64, RL_I32, RL_U8, RL_VEC_TYPES } rl_vec_type;
extern const char *const rl_vec_type_names[RL_VEC_TYPES + 1];
extern const uint8_t rl_vec_type_sizes[RL_VEC_TYPES];
static inline bool rl_vec_is_float(rl_vec_type t) { return t <= RL_F32; }

typedef enum { RL_VEC_ADD, RL_VEC_SUB, RL_VEC_MUL, RL_VEC_DIV, RL_VEC_IDIV } rl_vec_binary;
typedef enum {
  RL_VEC_VV,
  RL_VEC_VS,
  RL_VEC_SV
} rl_vec_shape;  // S: the operand is one value for all
typedef enum {
  RL_VEC_NEG,
  RL_VEC_ABS,
  RL_VEC_FLOOR,
  RL_VEC_SQRT,
  RL_VEC_EXP,
  RL_VEC_LOG
} rl_vec_unary;

enum { RL_VEC_CHUNK = 1 << 16 };  // elements: sums are made by chunks, added up in order

typedef struct rl_vec_extent {
  size_t min, max;  // where; NaN counts as neither, and SIZE_MAX says that there is no number
} rl_vec_extent;

typedef union rl_vec_number {
  double f;
  int64_t i;
} rl_vec_number;

// All for `n` elements; `out` may be `a`. Integers wrap around; DIV is for floats, IDIV rounds down
// and needs divisors other than 0 (rl_vec_zero_at).
typedef struct rl_vec_kernels {
  void (*binary)(rl_vec_binary op, rl_vec_shape shape, void *out, const void *a, const void *b,
                 size_t n);
  void (*unary)(rl_vec_unary op, void *out, const void *a, size_t n);
  void (*fill)(void *out, const void *value, size_t n);
  void (*clamp)(void *out, const void *a, const void *low, const void *high, size_t n);
  rl_vec_number (*sum)(const void *a, size_t n);                 // of at most a chunk
  rl_vec_number (*dot)(const void *a, const void *b, size_t n);  // of at most a chunk
  rl_vec_extent (*extent)(const void *a, size_t n);
  void (*prefix_sum)(void *out, const void *a, size_t n);
  void (*histogram)(const void *a, size_t n, double low, double high, int64_t *counts, size_t bins);
  // Ascending, NaN last; `scratch` has room for n. Returns early once cancelled.
  void (*sort)(void *a, void *scratch, size_t n, const atomic_bool *cancelled);
  // Merges the sorted runs a[0, middle) and a[middle, n) into `out`.
  void (*merge)(void *out, const void *a, size_t middle, size_t n);
  void (*reverse)(void *a, size_t n);
  // Elements as doubles, or as integers: the first index that does not fit, or n.
  size_t (*from_f64)(void *out, const double *a, size_t n);
  size_t (*from_i64)(void *out, const int64_t *a, size_t n);
  void (*to_f64)(double *out, const void *a, size_t n);
  void (*to_i64)(int64_t *out, const void *a, size_t n);  // of integer types
} rl_vec_kernels;

const rl_vec_kernels *rl_vec_kernels_of(rl_vec_type t);

// The first zero among the integers, or n.
size_t rl_vec_zero_at(rl_vec_type t, const void *a, size_t n);

// Rows [from, to) of out = a * b, where a has `inner` columns and b `columns`. Floats.
void rl_vec_matmul(rl_vec_type t, void *out, const void *a, const void *b, size_t from, size_t to,
                   size_t inner, size_t columns, const atomic_bool *cancelled);

#endif
