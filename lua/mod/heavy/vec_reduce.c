// rille.vec: what makes one value, or a few, of many.
#include "lua/mod/heavy/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INLINE_SUM = 64 * 1024, INLINE_COUNT = 16 * 1024 };
static const lua_Integer BINS_MAX = 1 << 20;

static void sum_work(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled) {
  for (size_t at = from; at < to; at += RL_VEC_CHUNK) {
    if (atomic_load_explicit(cancelled, memory_order_relaxed)) return;
    size_t n = to - at < RL_VEC_CHUNK ? to - at : RL_VEC_CHUNK;
    j->sums[at / RL_VEC_CHUNK] = j->b
                                     ? vec_kernels(j->a)->dot(vec_at(j->a, at), vec_at(j->b, at), n)
                                     : vec_kernels(j->a)->sum(vec_at(j->a, at), n);
  }
}

static rl_vec_number total(const vec_job *j) {
  rl_vec_number t = {0};
  bool floats = rl_vec_is_float(j->a->type);
  if (floats) t.f = 0;
  for (size_t i = 0; i * RL_VEC_CHUNK < j->n; i++) {
    if (floats) {
      t.f += j->sums[i].f;
    } else {
      t.i = (int64_t)((uint64_t)t.i + (uint64_t)j->sums[i].i);
    }
  }
  return t;
}

static int sum_finish(lua_State *L, rl_offload *base) {
  vec_job *j = (vec_job *)base;
  rl_vec_number t = total(j);
  if (rl_vec_is_float(j->a->type)) {
    lua_pushnumber(L, t.f);
  } else {
    lua_pushinteger(L, t.i);
  }
  return 1;
}

static int mean_finish(lua_State *L, rl_offload *base) {
  vec_job *j = (vec_job *)base;
  rl_vec_number t = total(j);
  lua_pushnumber(L, (rl_vec_is_float(j->a->type) ? t.f : (double)t.i) / (double)j->n);
  return 1;
}

static int sum_up(lua_State *L, int b, int (*finish)(lua_State *, rl_offload *)) {
  vec_job *j = vec_job_new(L, 0, 1, b);
  j->work = sum_work;
  j->base.finish = finish;
  j->sums = calloc(j->n / RL_VEC_CHUNK + 1, sizeof *j->sums);
  if (!j->sums) return rl_offload_refuse(L, &j->base, UV_ENOMEM);
  return vec_job_run(L, j, INLINE_SUM);
}

static int vec_sum(lua_State *L) {
  vec_check(L, 1);
  return sum_up(L, 0, sum_finish);
}

static int vec_mean(lua_State *L) {
  vec_check(L, 1);
  return sum_up(L, 0, mean_finish);
}

static int vec_dot(lua_State *L) {
  vec_box *a = vec_check(L, 1), *b = vec_check(L, 2);
  if (a->type != b->type || a->n != b->n)
    return rl_raise(L, "INVALID", "dot needs vectors of one type and one length");
  return sum_up(L, 2, sum_finish);
}

// The smallest and the largest, and where.
typedef enum { WANT_MIN, WANT_MAX, WANT_ARGMIN, WANT_ARGMAX } extent_want;

static void extent_work(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled) {
  (void)cancelled;
  rl_vec_extent *e = j->scratch;
  *e = vec_kernels(j->a)->extent(vec_at(j->a, from), to - from);
}

static int extent_finish(lua_State *L, rl_offload *base) {
  vec_job *j = (vec_job *)base;
  const rl_vec_extent *e = j->scratch;
  size_t at = j->op == WANT_MIN || j->op == WANT_ARGMIN ? e->min : e->max;
  if (at == SIZE_MAX) {
    lua_pushnil(L);
  } else if (j->op >= WANT_ARGMIN) {
    lua_pushinteger(L, (lua_Integer)at + 1);
  } else {
    vec_push_value(L, j->a->type, vec_at(j->a, at));
  }
  return 1;
}

static int extent(lua_State *L, extent_want want) {
  vec_check(L, 1);
  vec_job *j = vec_job_new(L, 0, 1, 0);
  j->work = extent_work;
  j->base.finish = extent_finish;
  j->op = want;
  j->grain = j->n + 1;
  j->scratch = calloc(1, sizeof(rl_vec_extent));
  if (!j->scratch) return rl_offload_refuse(L, &j->base, UV_ENOMEM);
  *(rl_vec_extent *)j->scratch = (rl_vec_extent){SIZE_MAX, SIZE_MAX};
  return vec_job_run(L, j, INLINE_SUM);
}

static int vec_min(lua_State *L) { return extent(L, WANT_MIN); }
static int vec_max(lua_State *L) { return extent(L, WANT_MAX); }
static int vec_argmin(lua_State *L) { return extent(L, WANT_ARGMIN); }
static int vec_argmax(lua_State *L) { return extent(L, WANT_ARGMAX); }

static void histogram_work(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled) {
  (void)cancelled;
  vec_kernels(j->a)->histogram(vec_at(j->a, from), to - from, j->from, j->to,
                               (int64_t *)(void *)j->out->data, j->out->n);
}

// histogram(bins, low, high): counts; the last bin includes `high`, what lies outside is not
// counted.
static int vec_histogram(lua_State *L) {
  vec_check(L, 1);
  lua_Integer bins = luaL_checkinteger(L, 2);
  double low = luaL_checknumber(L, 3), high = luaL_checknumber(L, 4);
  luaL_argcheck(L, bins >= 1 && bins <= BINS_MAX, 2, "between 1 and 1048576 bins");
  luaL_argcheck(L, low < high && high - low < HUGE_VAL, 4, "must be greater than the lower bound");
  lua_settop(L, 4);
  vec_box *counts = vec_push(L, RL_I64, (size_t)bins);
  memset(counts->data, 0, vec_bytes(counts));
  vec_job *j = vec_job_new(L, 5, 1, 0);
  j->work = histogram_work;
  j->from = low;
  j->to = high;
  j->grain = j->n + 1;
  return vec_job_run(L, j, INLINE_COUNT);
}

const luaL_Reg vec_reduce_methods[] = {
    {"sum", vec_sum}, {"mean", vec_mean},     {"dot", vec_dot},       {"min", vec_min},
    {"max", vec_max}, {"argmin", vec_argmin}, {"argmax", vec_argmax}, {"histogram", vec_histogram},
    {NULL, NULL},
};
