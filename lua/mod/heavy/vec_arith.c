// rille.vec: arithmetic element by element, sorting, products.
#include "lua/mod/heavy/vec.h"

#include <stdlib.h>
#include <string.h>

enum {
  INLINE_ADD = 32 * 1024,
  INLINE_MATH = 8 * 1024,
  INLINE_SORT = 4 * 1024,
  INLINE_MATMUL = 1 << 17
};

static void binary_work(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled) {
  const void *a = j->shape == RL_VEC_SV ? (void *)&j->low : vec_at(j->a, from);
  const void *b = j->shape == RL_VEC_VV   ? vec_at(j->b, from)
                  : j->shape == RL_VEC_SV ? vec_at(j->a, from)
                                          : (void *)&j->low;
  (void)cancelled;
  vec_kernels(j->a)->binary((rl_vec_binary)j->op, (rl_vec_shape)j->shape, vec_at(j->out, from), a,
                            b, to - from);
}

static void check_pair(lua_State *L, const vec_box *a, const vec_box *b) {
  if (a->type != b->type)
    rl_raise(L, "INVALID", "a vector of %s and one of %s: convert one with :to()",
             rl_vec_type_names[a->type], rl_vec_type_names[b->type]);
  if (a->n != b->n)
    rl_raise(L, "INVALID", "vectors of %I and %I elements", (lua_Integer)a->n, (lua_Integer)b->n);
}

static void check_divisor(lua_State *L, rl_vec_type type, const void *b, size_t n) {
  if (rl_vec_is_float(type)) return;
  size_t at = rl_vec_zero_at(type, b, n);
  if (at < n)
    rl_raise(L, "INVALID", "attempt to perform 'n//0' at element %I", (lua_Integer)at + 1);
}

// Operands at 1 and 2; `out` (0: a new vector) is where the result goes.
static int binary(lua_State *L, rl_vec_binary op, int out) {
  lua_settop(L, 2);
  rl_vec_shape shape =
      lua_isuserdata(L, 1) ? lua_isuserdata(L, 2) ? RL_VEC_VV : RL_VEC_VS : RL_VEC_SV;
  int vector = shape == RL_VEC_SV ? 2 : 1;
  vec_box *a = vec_check(L, vector);
  if (op == RL_VEC_DIV && !rl_vec_is_float(a->type))
    return rl_raise(L, "INVALID", "'/' of %s: use '//', or convert with :to('f64')",
                    rl_vec_type_names[a->type]);
  vec_value value = {0};
  if (shape == RL_VEC_VV) {
    check_pair(L, a, vec_check(L, 2));
    if (op == RL_VEC_IDIV) check_divisor(L, a->type, vec_check(L, 2)->data, a->n);
  } else {
    value = vec_check_value(L, 3 - vector, a->type);
    if (op == RL_VEC_IDIV)
      check_divisor(L, a->type, shape == RL_VEC_VS ? (void *)&value : a->data,
                    shape == RL_VEC_VS ? 1 : a->n);
  }
  if (out) {
    vec_check_writable(L, out);
  } else {
    vec_push(L, a->type, a->n);
    out = 3;
  }
  vec_job *j = vec_job_new(L, out, vector, shape == RL_VEC_VV ? 2 : 0);
  j->work = binary_work;
  j->op = op;
  j->shape = shape;
  j->low = value;
  return vec_job_run(L, j, INLINE_ADD);
}

static int vec_plus(lua_State *L) { return binary(L, RL_VEC_ADD, 0); }
static int vec_minus(lua_State *L) { return binary(L, RL_VEC_SUB, 0); }
static int vec_times(lua_State *L) { return binary(L, RL_VEC_MUL, 0); }
static int vec_over(lua_State *L) { return binary(L, RL_VEC_DIV, 0); }
static int vec_floor_over(lua_State *L) { return binary(L, RL_VEC_IDIV, 0); }

static int in_place(lua_State *L, rl_vec_binary op) {
  vec_check_writable(L, 1);
  return binary(L, op, 1);
}
static int vec_add(lua_State *L) { return in_place(L, RL_VEC_ADD); }
static int vec_sub(lua_State *L) { return in_place(L, RL_VEC_SUB); }
static int vec_mul(lua_State *L) { return in_place(L, RL_VEC_MUL); }
static int vec_div(lua_State *L) { return in_place(L, RL_VEC_DIV); }
static int vec_idiv(lua_State *L) { return in_place(L, RL_VEC_IDIV); }

static void unary_work(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled) {
  (void)cancelled;
  vec_kernels(j->a)->unary((rl_vec_unary)j->op, vec_at(j->out, from), vec_at(j->a, from),
                           to - from);
}

static int unary(lua_State *L, rl_vec_unary op, bool fresh) {
  lua_settop(L, 1);
  vec_box *v = fresh ? vec_check(L, 1) : vec_check_writable(L, 1);
  if (op >= RL_VEC_SQRT && !rl_vec_is_float(v->type))
    return rl_raise(L, "INVALID", "not for %s: convert with :to('f64')",
                    rl_vec_type_names[v->type]);
  if (fresh) vec_push(L, v->type, v->n);
  vec_job *j = vec_job_new(L, fresh ? 2 : 1, 1, 0);
  j->work = unary_work;
  j->op = op;
  return vec_job_run(L, j, op >= RL_VEC_EXP ? INLINE_MATH : INLINE_ADD);
}

static int vec_negated(lua_State *L) { return unary(L, RL_VEC_NEG, true); }
static int vec_neg(lua_State *L) { return unary(L, RL_VEC_NEG, false); }
static int vec_abs(lua_State *L) { return unary(L, RL_VEC_ABS, false); }
static int vec_floor(lua_State *L) { return unary(L, RL_VEC_FLOOR, false); }
static int vec_sqrt(lua_State *L) { return unary(L, RL_VEC_SQRT, false); }
static int vec_exp(lua_State *L) { return unary(L, RL_VEC_EXP, false); }
static int vec_log(lua_State *L) { return unary(L, RL_VEC_LOG, false); }

static void fill_work(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled) {
  (void)cancelled;
  vec_kernels(j->out)->fill(vec_at(j->out, from), &j->low, to - from);
}

static int vec_fill(lua_State *L) {
  vec_box *v = vec_check_writable(L, 1);
  vec_value value = vec_check_value(L, 2, v->type);
  vec_job *j = vec_job_new(L, 1, 0, 0);
  j->work = fill_work;
  j->low = value;
  return vec_job_run(L, j, INLINE_ADD);
}

static void clamp_work(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled) {
  (void)cancelled;
  vec_kernels(j->out)->clamp(vec_at(j->out, from), vec_at(j->out, from), &j->low, &j->high,
                             to - from);
}

static int vec_clamp(lua_State *L) {
  vec_box *v = vec_check_writable(L, 1);
  vec_value low = vec_check_value(L, 2, v->type), high = vec_check_value(L, 3, v->type);
  vec_job *j = vec_job_new(L, 1, 0, 0);
  j->work = clamp_work;
  j->low = low;
  j->high = high;
  return vec_job_run(L, j, INLINE_ADD);
}

static void prefix_work(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled) {
  (void)cancelled;
  vec_kernels(j->out)->prefix_sum(vec_at(j->out, from), vec_at(j->out, from), to - from);
}

static int vec_prefix_sum(lua_State *L) {
  vec_box *v = vec_check_writable(L, 1);
  vec_job *j = vec_job_new(L, 1, 0, 0);
  j->work = prefix_work;
  j->grain = v->n + 1;  // one part does it all
  return vec_job_run(L, j, INLINE_ADD);
}

// Sorting: each part sorts its run; the part that ends last merges the runs.
static size_t run_start(const vec_job *j, size_t part) {
  size_t grains = (j->n + j->grain - 1) / j->grain, parts = (size_t)j->base.parts;
  size_t at = grains * part / parts * j->grain;
  return at < j->n ? at : j->n;
}

static void merge_runs(vec_job *j) {
  const rl_vec_kernels *k = vec_kernels(j->out);
  size_t bytes = rl_vec_type_sizes[j->out->type];
  for (size_t part = 1; part < (size_t)j->base.parts; part++) {
    size_t middle = run_start(j, part), end = run_start(j, part + 1);
    if (middle == end) continue;
    k->merge(j->scratch, j->out->data, middle, end);
    memcpy(j->out->data, j->scratch, end * bytes);
  }
}

static void sort_work(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled) {
  const rl_vec_kernels *k = vec_kernels(j->out);
  size_t bytes = rl_vec_type_sizes[j->out->type];
  k->sort(vec_at(j->out, from), (char *)j->scratch + from * bytes, to - from, cancelled);
  if (atomic_fetch_sub(&j->running, 1) > 1) return;
  merge_runs(j);
  if (j->descending) k->reverse(j->out->data, j->n);
}

static int vec_sort(lua_State *L) {
  static const char *const names[] = {"descending", NULL};
  vec_box *v = vec_check_writable(L, 1);
  rl_check_options(L, 2, names);
  bool descending = rl_option_bool(L, 2, "descending", false);
  vec_job *j = vec_job_new(L, 1, 0, 0);
  j->work = sort_work;
  j->descending = descending;
  j->scratch = malloc(vec_bytes(v) + 1);
  if (!j->scratch) return rl_offload_refuse(L, &j->base, UV_ENOMEM);
  return vec_job_run(L, j, INLINE_SORT);
}

static void matmul_work(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled) {
  rl_vec_matmul(j->out->type, j->out->data, j->a->data, j->b->data, from, to, j->inner, j->columns,
                cancelled);
}

// matmul(a, b, rows, inner, columns)
int vec_matmul(lua_State *L) {
  vec_box *a = vec_check(L, 1), *b = vec_check(L, 2);
  lua_Integer size[3];
  for (int i = 0; i < 3; i++) {
    size[i] = luaL_checkinteger(L, 3 + i);
    luaL_argcheck(L, size[i] >= 1 && size[i] <= INT32_MAX, 3 + i, "a count of rows or columns");
  }
  lua_settop(L, 5);
  if (a->type != b->type || !rl_vec_is_float(a->type))
    return rl_raise(L, "INVALID", "matmul needs two vectors of f64, or two of f32");
  luaL_argcheck(L, (lua_Integer)a->n == size[0] * size[1], 1, "not rows * inner elements");
  luaL_argcheck(L, (lua_Integer)b->n == size[1] * size[2], 2, "not inner * columns elements");
  vec_push(L, a->type, (size_t)(size[0] * size[2]));
  vec_job *j = vec_job_new(L, 6, 1, 2);
  j->work = matmul_work;
  j->n = (size_t)size[0];
  j->grain = 1;
  j->inner = (size_t)size[1];
  j->columns = (size_t)size[2];
  double flops = (double)size[0] * (double)size[1] * (double)size[2];
  if (flops > INLINE_MATMUL && j->n > 1) j->base.parts = j->base.state->cpu.size;
  atomic_init(&j->running, 1);
  return flops > INLINE_MATMUL ? rl_offload_run(L, &j->base) : rl_offload_inline(L, &j->base);
}

const luaL_Reg vec_arith_methods[] = {
    {"add", vec_add},     {"sub", vec_sub},           {"mul", vec_mul},
    {"div", vec_div},     {"idiv", vec_idiv},         {"neg", vec_neg},
    {"abs", vec_abs},     {"floor", vec_floor},       {"sqrt", vec_sqrt},
    {"exp", vec_exp},     {"log", vec_log},           {"fill", vec_fill},
    {"clamp", vec_clamp}, {"sort", vec_sort},         {"prefix_sum", vec_prefix_sum},
    {"__add", vec_plus},  {"__sub", vec_minus},       {"__mul", vec_times},
    {"__div", vec_over},  {"__idiv", vec_floor_over}, {"__unm", vec_negated},
    {NULL, NULL},
};
