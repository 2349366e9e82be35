// rille.vec: typed numeric vectors. Here: making them, their elements, and how work on them is run.
#include "lua/mod/heavy/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SPLIT_ABOVE = 1 << 18 };  // elements: below, one thread is as fast
static const lua_Integer COUNT_MAX = (lua_Integer)1 << 40;

static int vec_index(lua_State *L);

static const luaL_Reg class_methods[] = {{"__index", vec_index}, {NULL, NULL}};
static const rl_class vec_class = {"rille.Vec", sizeof(vec_box), class_methods};

static vec_box *check(lua_State *L, int index) { return rl_check_object(L, index, &vec_class); }

vec_box *vec_check(lua_State *L, int index) {
  vec_box *v = check(L, index);
  if (v->users < 0) rl_raise(L, "EBUSY", "the vector is being written");
  return v;
}

vec_box *vec_check_writable(lua_State *L, int index) {
  vec_box *v = check(L, index);
  if (v->users != 0) rl_raise(L, "EBUSY", "the vector is in use by another task");
  return v;
}

vec_box *vec_push(lua_State *L, rl_vec_type type, size_t n) {
  if ((lua_Integer)n > COUNT_MAX) rl_raise(L, "LIMIT", "too many elements");
  vec_box *v = lua_newuserdatauv(L, sizeof *v + n * rl_vec_type_sizes[type], 0);
  v->box.class = &vec_class;
  v->type = type;
  v->users = 0;
  v->n = n;
  luaL_setmetatable(L, vec_class.name);
  return v;
}

static int raise_misfit(lua_State *L, rl_vec_type type, lua_Integer at) {
  return rl_raise(L, "INVALID", "element %I does not fit into %s", at, rl_vec_type_names[type]);
}

vec_value vec_check_value(lua_State *L, int index, rl_vec_type type) {
  vec_value v;
  if (type == RL_F64) {
    v.f64 = luaL_checknumber(L, index);
  } else if (type == RL_F32) {
    v.f32 = (float)luaL_checknumber(L, index);
  } else {
    int64_t i = luaL_checkinteger(L, index);
    if (rl_vec_kernels_of(type)->from_i64(&v, &i, 1) == 0)
      rl_raise(L, "INVALID", "%I does not fit into %s", (lua_Integer)i, rl_vec_type_names[type]);
  }
  return v;
}

void vec_push_value(lua_State *L, rl_vec_type type, const void *at) {
  if (rl_vec_is_float(type)) {
    double x;
    rl_vec_kernels_of(type)->to_f64(&x, at, 1);
    lua_pushnumber(L, x);
  } else {
    int64_t x;
    rl_vec_kernels_of(type)->to_i64(&x, at, 1);
    lua_pushinteger(L, x);
  }
}

// Jobs.

static void job_drop(rl_offload *base) {
  vec_job *j = (vec_job *)base;
  if (j->out) j->out->users = 0;
  if (j->a && j->a != j->out) j->a->users--;
  if (j->b && j->b != j->out) j->b->users--;
  free(j->scratch);
  free(j->sums);
}

static void job_run(rl_offload *base, const atomic_bool *cancelled) {
  vec_job *j = (vec_job *)base;
  size_t part = (size_t)rl_offload_part(base, cancelled), parts = (size_t)base->parts;
  size_t grains = (j->n + j->grain - 1) / j->grain;
  size_t from = grains * part / parts * j->grain, to = grains * (part + 1) / parts * j->grain;
  j->work(j, from, to < j->n ? to : j->n, cancelled);
}

int vec_finish_out(lua_State *L, rl_offload *base) {
  (void)base;
  lua_rawgeti(L, 1, 1);
  return 1;
}

vec_job *vec_job_new(lua_State *L, int out, int a, int b) {
  const int indices[3] = {out, a, b};
  lua_createtable(L, 3, 0);
  for (int i = 0; i < 3; i++) {
    if (!indices[i]) continue;
    lua_pushvalue(L, indices[i]);
    lua_rawseti(L, -2, i + 1);
  }
  vec_job *j = rl_offload_new(L, sizeof *j, lua_gettop(L));
  j->base.run = job_run;
  j->base.finish = vec_finish_out;
  j->base.drop = job_drop;
  j->out = out ? lua_touserdata(L, out) : NULL;
  j->a = a ? lua_touserdata(L, a) : NULL;
  j->b = b ? lua_touserdata(L, b) : NULL;
  if (j->a && j->a != j->out) j->a->users++;
  if (j->b && j->b != j->out) j->b->users++;
  if (j->out) j->out->users = -1;
  j->grain = RL_VEC_CHUNK;
  j->n = j->a ? j->a->n : j->out ? j->out->n : 0;
  return j;
}

int vec_job_run(lua_State *L, vec_job *j, size_t inline_below) {
  atomic_init(&j->running, 1);
  if (j->n < inline_below) return rl_offload_inline(L, &j->base);
  if (j->n > SPLIT_ABOVE) j->base.parts = j->base.state->cpu.size;
  atomic_store(&j->running, j->base.parts > 1 ? j->base.parts : 1);
  return rl_offload_run(L, &j->base);
}

// Elements.

static int vec_index(lua_State *L) {
  vec_box *v = vec_check(L, 1);
  int is_integer;
  lua_Integer i = lua_tointegerx(L, 2, &is_integer);
  if (is_integer && lua_type(L, 2) == LUA_TNUMBER) {
    if (i < 1 || (size_t)i > v->n) return 0;
    vec_push_value(L, v->type, vec_at(v, (size_t)i - 1));
    return 1;
  }
  luaL_getmetafield(L, 1, "methods");
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return 1;
}

static int vec_newindex(lua_State *L) {
  vec_box *v = vec_check_writable(L, 1);
  lua_Integer i = luaL_checkinteger(L, 2);
  if (i < 1 || (size_t)i > v->n)
    return luaL_error(L, "no element %I: the vector has %I", i, (lua_Integer)v->n);
  vec_value value = vec_check_value(L, 3, v->type);
  memcpy(vec_at(v, (size_t)i - 1), &value, rl_vec_type_sizes[v->type]);
  return 0;
}

static int vec_length(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L, 1)->n);
  return 1;
}

static int vec_tostring(lua_State *L) {
  vec_box *v = check(L, 1);
  lua_pushfstring(L, "vec.%s (%I elements)", rl_vec_type_names[v->type], (lua_Integer)v->n);
  return 1;
}

static int vec_type(lua_State *L) {
  lua_pushstring(L, rl_vec_type_names[check(L, 1)->type]);
  return 1;
}

static int vec_bytes_string(lua_State *L) {
  vec_box *v = vec_check(L, 1);
  lua_pushlstring(L, (const char *)v->data, vec_bytes(v));
  return 1;
}

static int vec_table(lua_State *L) {
  vec_box *v = vec_check(L, 1);
  lua_createtable(L, v->n < INT32_MAX ? (int)v->n : 0, 0);
  for (size_t i = 0; i < v->n; i++) {
    vec_push_value(L, v->type, vec_at(v, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static size_t place(lua_Integer i, size_t n) {
  if (i < 0) i += (lua_Integer)n + 1;
  return i < 1 ? 1 : (size_t)i;
}

static int vec_slice(lua_State *L) {
  vec_box *v = vec_check(L, 1);
  size_t from = place(luaL_optinteger(L, 2, 1), v->n), to = place(luaL_optinteger(L, 3, -1), v->n);
  if (to > v->n) to = v->n;
  size_t n = from <= to ? to - from + 1 : 0;
  vec_box *copy = vec_push(L, v->type, n);
  if (n > 0) memcpy(copy->data, vec_at(v, from - 1), vec_bytes(copy));
  return 1;
}

static int vec_equal(lua_State *L) {
  vec_box *a = vec_check(L, 1), *b = vec_check(L, 2);
  lua_pushboolean(
      L, a->type == b->type && a->n == b->n && memcmp(a->data, b->data, vec_bytes(a)) == 0);
  return 1;
}

// Making.

static int from_table(lua_State *L, rl_vec_type type) {
  size_t n = lua_rawlen(L, 1), size = rl_vec_type_sizes[type];
  vec_box *v = vec_push(L, type, n);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    if (!lua_isnumber(L, -1))
      return rl_raise(L, "INVALID", "element %I is no number", (lua_Integer)i + 1);
    bool fits = rl_vec_is_float(type) || lua_isinteger(L, -1) ||
                lua_tonumber(L, -1) == floor(lua_tonumber(L, -1));
    double x = lua_tonumber(L, -1);
    int64_t whole = lua_tointeger(L, -1);
    const rl_vec_kernels *k = vec_kernels(v);
    fits = fits && (lua_isinteger(L, -1) ? k->from_i64(v->data + i * size, &whole, 1)
                                         : k->from_f64(v->data + i * size, &x, 1)) == 1;
    if (!fits) return raise_misfit(L, type, (lua_Integer)i + 1);
    lua_pop(L, 1);
  }
  return 1;
}

static int from_bytes(lua_State *L, rl_vec_type type) {
  size_t size;
  const char *bytes = lua_tolstring(L, 1, &size);
  luaL_argcheck(L, size % rl_vec_type_sizes[type] == 0, 1, "not a whole number of elements");
  vec_box *v = vec_push(L, type, size / rl_vec_type_sizes[type]);
  memcpy(v->data, bytes, size);
  return 1;
}

enum { CONVERT_PIECE = 512 };

static int convert(lua_State *L, vec_box *from, rl_vec_type type) {
  vec_box *to = vec_push(L, type, from->n);
  const rl_vec_kernels *reader = vec_kernels(from), *writer = vec_kernels(to);
  bool floats = rl_vec_is_float(from->type);
  union {
    double f[CONVERT_PIECE];
    int64_t i[CONVERT_PIECE];
  } piece;
  for (size_t at = 0; at < from->n; at += CONVERT_PIECE) {
    size_t n = from->n - at < CONVERT_PIECE ? from->n - at : CONVERT_PIECE, good;
    if (floats) {
      reader->to_f64(piece.f, vec_at(from, at), n);
      good = writer->from_f64(vec_at(to, at), piece.f, n);
    } else {
      reader->to_i64(piece.i, vec_at(from, at), n);
      good = writer->from_i64(vec_at(to, at), piece.i, n);
    }
    if (good < n) return raise_misfit(L, type, (lua_Integer)(at + good) + 1);
  }
  return 1;
}

static int vec_new(lua_State *L) {
  rl_vec_type type = (rl_vec_type)lua_tointeger(L, lua_upvalueindex(1));
  switch (lua_type(L, 1)) {
    case LUA_TTABLE: return from_table(L, type);
    case LUA_TSTRING: return from_bytes(L, type);
    case LUA_TUSERDATA: return convert(L, vec_check(L, 1), type);
    default: break;
  }
  lua_Integer n = luaL_checkinteger(L, 1);
  luaL_argcheck(L, n >= 0 && n <= COUNT_MAX, 1, "a count of elements");
  vec_box *v = vec_push(L, type, (size_t)n);
  memset(v->data, 0, vec_bytes(v));
  return 1;
}

static int vec_to(lua_State *L) {
  vec_box *v = vec_check(L, 1);
  return convert(L, v, (rl_vec_type)luaL_checkoption(L, 2, NULL, rl_vec_type_names));
}

static const luaL_Reg base_methods[] = {
    {"type", vec_type},
    {"bytes", vec_bytes_string},
    {"table", vec_table},
    {"slice", vec_slice},
    {"to", vec_to},
    {"__newindex", vec_newindex},
    {"__len", vec_length},
    {"__eq", vec_equal},
    {"__tostring", vec_tostring},
    {NULL, NULL},
};

// Methods join the class, also those of the other files.
static void add_methods(lua_State *L, const luaL_Reg *methods) {
  for (; methods->name; methods++) {
    bool meta = strncmp(methods->name, "__", 2) == 0;
    lua_pushcfunction(L, methods->func);
    lua_setfield(L, meta ? -3 : -2, methods->name);
  }
}

__attribute__((visibility("default"))) int luaopen_rille_native_vec(lua_State *L) {
  rl_class_open(L, &vec_class);
  luaL_getmetatable(L, vec_class.name);
  lua_getfield(L, -1, "methods");
  add_methods(L, base_methods);
  add_methods(L, vec_arith_methods);
  add_methods(L, vec_reduce_methods);
  lua_createtable(L, 0, RL_VEC_TYPES + 1);
  for (int t = 0; t < RL_VEC_TYPES; t++) {
    lua_pushinteger(L, t);
    lua_pushcclosure(L, vec_new, 1);
    lua_setfield(L, -2, rl_vec_type_names[t]);
  }
  lua_pushcfunction(L, vec_matmul);
  lua_setfield(L, -2, "matmul");
  return 1;
}
