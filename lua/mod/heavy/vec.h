// What the files of rille.vec share: the object, and its jobs.
#ifndef RL_MOD_VEC_H
#define RL_MOD_VEC_H

#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/offload.h"
#include "runtime/cpu/vec.h"

typedef struct vec_box {
  rl_box box;
  rl_vec_type type;
  int users;  // jobs that read it; -1: one that writes
  size_t n;
  _Alignas(16) unsigned char data[];
} vec_box;

vec_box *vec_check(lua_State *L, int index);  // readable now
vec_box *vec_check_writable(lua_State *L, int index);
vec_box *vec_push(lua_State *L, rl_vec_type type, size_t n);  // not initialised
static inline const rl_vec_kernels *vec_kernels(const vec_box *v) {
  return rl_vec_kernels_of(v->type);
}
static inline size_t vec_bytes(const vec_box *v) { return v->n * rl_vec_type_sizes[v->type]; }
static inline void *vec_at(vec_box *v, size_t i) {
  return v->data + i * rl_vec_type_sizes[v->type];
}

typedef union vec_value {
  double f64;
  float f32;
  int64_t i64;
  int32_t i32;
  uint8_t u8;
} vec_value;
// The Lua number at `index` as an element; raises if it does not fit.
vec_value vec_check_value(lua_State *L, int index, rl_vec_type type);
void vec_push_value(lua_State *L, rl_vec_type type, const void *at);

// A job over up to three vectors. `work` does the elements [from, to) on any thread; `finish` as in
// lua/bind/offload.h, with the list of the vectors at 1: 1 what is written, 2 and 3 what is read.
typedef struct vec_job vec_job;
struct vec_job {
  rl_offload base;
  vec_box *out, *a, *b;
  void (*work)(vec_job *j, size_t from, size_t to, const atomic_bool *cancelled);
  size_t n, grain;  // elements; splits fall on multiples of the grain
  int op, shape;
  vec_value low, high;    // operands that are no vectors
  double from, to;        // of a histogram
  size_t inner, columns;  // of a product
  void *scratch;          // freed with the job
  rl_vec_number *sums;    // of chunks
  atomic_int running;     // parts that have not come to their end
  bool descending;
};

// A job whose vectors are at the given indices (0: none). Marks them as in use.
vec_job *vec_job_new(lua_State *L, int out, int a, int b);
// Runs it: at once below `inline_below` elements, in parts above a size.
int vec_job_run(lua_State *L, vec_job *j, size_t inline_below);
int vec_finish_out(lua_State *L, rl_offload *base);  // a finish that returns the written vector

extern const luaL_Reg vec_arith_methods[], vec_reduce_methods[];
int vec_matmul(lua_State *L);

#endif
