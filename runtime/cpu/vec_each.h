// The kernels of one element type: included once for each, with T (the type), U (where its
// arithmetic wraps), ACC (of sums), KEY (an unsigned integer of its size), FLOAT, SIGNED (0 or 1)
// and NAME(x) defined. No guard: it is a template.

#define LOOP(EXPR) \
  RL_INDEPENDENT for (size_t i = 0; i < n; i++) { EXPR; }
#define BINARY(OP, EXPR)                                                                        \
  RL_SIMD static void NAME(OP)(rl_vec_shape shape, T * out, const T *a, const T *b, size_t n) { \
    if (shape == RL_VEC_VV) {                                                                   \
      LOOP(T x = a[i]; T y = b[i]; out[i] = (T)(EXPR))                                          \
    } else if (shape == RL_VEC_VS) {                                                            \
      T y = b[0];                                                                               \
      LOOP(T x = a[i]; out[i] = (T)(EXPR))                                                      \
    } else {                                                                                    \
      T x = a[0];                                                                               \
      LOOP(T y = b[i]; out[i] = (T)(EXPR))                                                      \
    }                                                                                           \
  }

BINARY(add, (U)x + (U)y)
BINARY(sub, (U)x - (U)y)
BINARY(mul, (U)x *(U)y)
#if FLOAT
BINARY(divide, x / y)
BINARY(floor_divide, floor((double)x / (double)y))
#else
#if SIGNED
static T NAME(floor_quotient)(T x, T y) {
  if (y == (T)-1) return (T)((U)0 - (U)x);
  T q = (T)(x / y), rest = (T)(x % y);
  return rest != 0 && (rest ^ y) < 0 ? (T)(q - 1) : q;
}
#else
static T NAME(floor_quotient)(T x, T y) { return (T)(x / y); }
#endif
BINARY(floor_divide, NAME(floor_quotient)(x, y))
#endif

static void NAME(binary)(rl_vec_binary op, rl_vec_shape shape, void *out, const void *a,
                         const void *b, size_t n) {
  switch (op) {
    case RL_VEC_ADD: NAME(add)(shape, out, a, b, n); break;
    case RL_VEC_SUB: NAME(sub)(shape, out, a, b, n); break;
    case RL_VEC_MUL: NAME(mul)(shape, out, a, b, n); break;
    case RL_VEC_DIV:
#if FLOAT
      NAME(divide)(shape, out, a, b, n);
#endif
      break;
    case RL_VEC_IDIV: NAME(floor_divide)(shape, out, a, b, n); break;
  }
}

RL_SIMD static void NAME(unary)(rl_vec_unary op, void *to, const void *from, size_t n) {
  T *out = to;
  const T *a = from;
  switch (op) {
    case RL_VEC_NEG: LOOP(out[i] = (T)((U)0 - (U)a[i])) break;
#if FLOAT
    case RL_VEC_ABS: LOOP(out[i] = (T)fabs((double)a[i])) break;
    case RL_VEC_FLOOR: LOOP(out[i] = (T)floor((double)a[i])) break;
    case RL_VEC_SQRT: LOOP(out[i] = (T)sqrt((double)a[i])) break;
    case RL_VEC_EXP: LOOP(out[i] = (T)exp((double)a[i])) break;
    case RL_VEC_LOG: LOOP(out[i] = (T)log((double)a[i])) break;
#else
    case RL_VEC_ABS: LOOP(out[i] = SIGNED && a[i] < (T)1 ? (T)((U)0 - (U)a[i]) : a[i]) break;
    default: memmove(out, a, n * sizeof(T)); break;
#endif
  }
}

RL_SIMD static void NAME(fill)(void *to, const void *value, size_t n) {
  T *out = to, v = *(const T *)value;
  LOOP(out[i] = v)
}

RL_SIMD static void NAME(clamp)(void *to, const void *from, const void *lowest, const void *highest,
                                size_t n) {
  T *out = to, low = *(const T *)lowest, high = *(const T *)highest;
  const T *a = from;
  LOOP(T x = a[i]; x = x < low ? low : x; out[i] = x > high ? high : x)
}

// Eight sums side by side: the order in which floats are added is the same on every machine.
RL_SIMD static ACC NAME(sum_chunk)(const T *a, size_t n) {
  ACC lanes[8] = {0};
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (size_t k = 0; k < 8; k++) lanes[k] += (ACC)a[i + k];
  }
  for (size_t k = 0; i + k < n; k++) lanes[k] += (ACC)a[i + k];
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

RL_SIMD static ACC NAME(dot_chunk)(const T *a, const T *b, size_t n) {
  ACC lanes[8] = {0};
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (size_t k = 0; k < 8; k++) lanes[k] += (ACC)a[i + k] * (ACC)b[i + k];
  }
  for (size_t k = 0; i + k < n; k++) lanes[k] += (ACC)a[i + k] * (ACC)b[i + k];
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

static rl_vec_number NAME(number)(ACC value) {
#if FLOAT
  return (rl_vec_number){.f = value};
#else
  return (rl_vec_number){.i = (int64_t)value};
#endif
}

static rl_vec_number NAME(sum)(const void *a, size_t n) {
  return NAME(number)(NAME(sum_chunk)(a, n));
}
static rl_vec_number NAME(dot)(const void *a, const void *b, size_t n) {
  return NAME(number)(NAME(dot_chunk)(a, b, n));
}

static rl_vec_extent NAME(extent)(const void *from, size_t n) {
  const T *a = from;
  rl_vec_extent e = {SIZE_MAX, SIZE_MAX};
  for (size_t i = 0; i < n; i++) {
#if FLOAT
    if (isnan(a[i])) continue;
#endif
    if (e.min == SIZE_MAX) e.min = e.max = i;
    if (a[i] < a[e.min]) e.min = i;
    if (a[i] > a[e.max]) e.max = i;
  }
  return e;
}

static void NAME(prefix_sum)(void *to, const void *from, size_t n) {
  T *out = to;
  const T *a = from;
  U total = 0;
  for (size_t i = 0; i < n; i++) {
    total = (U)(total + (U)a[i]);
    out[i] = (T)total;
  }
}

static void NAME(histogram)(const void *from, size_t n, double low, double high, int64_t *counts,
                            size_t bins) {
  const T *a = from;
  double scale = (double)bins / (high - low);
  for (size_t i = 0; i < n; i++) {
    double x = (double)a[i];
    if (!(x >= low && x <= high)) continue;
    size_t bin = (size_t)((x - low) * scale);
    counts[bin < bins ? bin : bins - 1]++;
  }
}

// Bits that order as the numbers do, with NaN last; and back.
static inline KEY NAME(key)(T x) {
  KEY bits;
#if FLOAT
  if (isnan(x)) return (KEY)-1;
#endif
  memcpy(&bits, &x, sizeof bits);
  const KEY top = (KEY)((KEY)1 << (8 * sizeof(KEY) - 1));
#if FLOAT
  return bits & top ? (KEY)~bits : (KEY)(bits | top);
#else
  return SIGNED ? (KEY)(bits ^ top) : bits;
#endif
}

static inline T NAME(unkey)(KEY bits) {
  const KEY top = (KEY)((KEY)1 << (8 * sizeof(KEY) - 1));
#if FLOAT
  if (bits == (KEY)-1) return (T)NAN;
  bits = bits & top ? (KEY)(bits ^ top) : (KEY)~bits;
#else
  if (SIGNED) bits = (KEY)(bits ^ top);
#endif
  T x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static void NAME(sort_few)(KEY *keys, size_t n) {
  for (size_t i = 1; i < n; i++) {
    KEY key = keys[i];
    size_t at = i;
    for (; at > 0 && keys[at - 1] > key; at--) keys[at] = keys[at - 1];
    keys[at] = key;
  }
}

// Radix sort by bytes, the lowest first; bytes that are all equal cost no pass.
static void NAME(sort)(void *data, void *scratch, size_t n, const atomic_bool *cancelled) {
  T *a = data;
  KEY *from = data, *to = scratch;
  for (size_t i = 0; i < n; i++) from[i] = NAME(key)(a[i]);
  if (n <= 64) {
    NAME(sort_few)(from, n);
  } else {
    for (size_t byte = 0; byte < sizeof(KEY); byte++) {
      size_t counts[256] = {0}, total = 0;
      for (size_t i = 0; i < n; i++) counts[from[i] >> (8 * byte) & 255]++;
      if (counts[from[0] >> (8 * byte) & 255] == n) continue;
      if (atomic_load_explicit(cancelled, memory_order_relaxed)) break;
      for (size_t d = 0; d < 256; d++) {
        size_t count = counts[d];
        counts[d] = total;
        total += count;
      }
      for (size_t i = 0; i < n; i++) to[counts[from[i] >> (8 * byte) & 255]++] = from[i];
      KEY *swap = from;
      from = to;
      to = swap;
    }
  }
  for (size_t i = 0; i < n; i++) a[i] = NAME(unkey)(from[i]);
}

static bool NAME(before)(T x, T y) { return NAME(key)(x) < NAME(key)(y); }

static void NAME(merge)(void *to, const void *from, size_t middle, size_t n) {
  T *out = to;
  const T *a = from;
  size_t left = 0, right = middle;
  for (size_t i = 0; i < n; i++) {
    bool second = left == middle || (right < n && NAME(before)(a[right], a[left]));
    out[i] = second ? a[right++] : a[left++];
  }
}

static void NAME(reverse)(void *data, size_t n) {
  T *a = data;
  for (size_t i = 0; i < n / 2; i++) {
    T x = a[i];
    a[i] = a[n - 1 - i];
    a[n - 1 - i] = x;
  }
}

static size_t NAME(from_f64)(void *to, const double *a, size_t n) {
  T *out = to;
  for (size_t i = 0; i < n; i++) {
#if !FLOAT
    // The bounds are powers of two: exact as doubles.
    double bound = ldexp(1.0, (int)(8 * sizeof(T)) - SIGNED);
    if (!(a[i] < bound && a[i] > (SIGNED ? -bound - (sizeof(T) < 8) : -1.0))) {
      if (!(sizeof(T) == 8 && a[i] == -bound)) return i;
    }
#endif
    out[i] = (T)a[i];
  }
  return n;
}

static size_t NAME(from_i64)(void *to, const int64_t *a, size_t n) {
  T *out = to;
  for (size_t i = 0; i < n; i++) {
    out[i] = (T)a[i];
#if !FLOAT
    if ((int64_t)out[i] != a[i]) return i;
#endif
  }
  return n;
}

static void NAME(to_f64)(double *out, const void *from, size_t n) {
  const T *a = from;
  LOOP(out[i] = (double)a[i])
}

static void NAME(to_i64)(int64_t *out, const void *from, size_t n) {
  const T *a = from;
  LOOP(out[i] = (int64_t)a[i])
}

static const rl_vec_kernels NAME(kernels) = {
    NAME(binary),   NAME(unary),      NAME(fill),      NAME(clamp),  NAME(sum),   NAME(dot),
    NAME(extent),   NAME(prefix_sum), NAME(histogram), NAME(sort),   NAME(merge), NAME(reverse),
    NAME(from_f64), NAME(from_i64),   NAME(to_f64),    NAME(to_i64),
};

#undef LOOP
#undef BINARY
