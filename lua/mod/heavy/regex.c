// rille.regex: compile, find, match, groups and the iterators; gsub and split are in
// stdlib/regex.lua.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/offload.h"
#include "runtime/cpu/regex.h"
#include "runtime/wire/unicode.h"

#include <string.h>

enum {
  PATTERN_INLINE = 2 * 1024,
  SUBJECT_INLINE = 1 << 20,   // a single match in more is searched on the pool
  SEARCH_INLINE = 16 * 1024,  // where a match must start to be found at once
  SCAN_INLINE = 16 * 1024,    // what is left of a subject whose matches are found at once
  BATCH_INLINE = 64,
  BATCH = 4096,
};

typedef struct {
  rl_box box;
  rl_regex re;
  rl_matcher matcher;  // for what is matched at once
} regex_box;           // user value 1: the subject that was last found to be UTF-8

static int regex_gc(lua_State *L) {
  regex_box *b = lua_touserdata(L, 1);
  rl_matcher_fini(&b->matcher);
  rl_regex_free(&b->re);
  return 0;
}

static int regex_find(lua_State *L);
static int regex_match(lua_State *L);
static int regex_groups(lua_State *L);
static int regex_gmatch(lua_State *L);
static int regex_gfind(lua_State *L);

static const luaL_Reg regex_methods[] = {
    {"find", regex_find},
    {"match", regex_match},
    {"groups", regex_groups},
    {"gmatch", regex_gmatch},
    {"gfind", regex_gfind},
    {"__gc", regex_gc},
    {NULL, NULL},
};
static const rl_class regex_class = {"rille.Regex", sizeof(regex_box), regex_methods};

static int raise_regex(lua_State *L, int err) {
  if (err == RL_LIMIT) return rl_raise(L, "LIMIT", "the match takes too many steps");
  if (err == RL_INVALID) return rl_raise(L, "INVALID", "the match failed");
  return rl_raise_sys(L, err, "regex", NULL, NULL);
}

// Compiling.

typedef struct {
  rl_offload base;
  rl_regex re;
  rl_regex_problem problem;
  const char *pattern, *flags;
  size_t size;
  int err;
} compile_job;

static void compile_run(rl_offload *base, const atomic_bool *cancelled) {
  (void)cancelled;
  compile_job *j = (compile_job *)base;
  j->err = rl_regex_compile(&j->re, j->pattern, j->size, j->flags, &j->problem);
}

static int compile_finish(lua_State *L, rl_offload *base) {
  compile_job *j = (compile_job *)base;
  if (j->err == RL_INVALID && j->problem.at == RL_REGEX_NOWHERE)
    return rl_raise(L, "INVALID", "%s", j->problem.text);
  if (j->err == RL_INVALID)
    return rl_raise(L, "INVALID", "%s (at byte %I of the pattern)", j->problem.text,
                    (lua_Integer)j->problem.at + 1);
  if (j->err < 0) return raise_regex(L, j->err);
  regex_box *b = rl_object_new(L, &regex_class, 1);
  b->re = j->re;
  memset(&j->re, 0, sizeof j->re);
  int err = rl_matcher_init(&b->matcher, &b->re);
  if (err < 0) return raise_regex(L, err);
  return 1;
}

static void compile_drop(rl_offload *base) { rl_regex_free(&((compile_job *)base)->re); }

static int regex_compile(lua_State *L) {
  size_t size;
  const char *pattern = luaL_checklstring(L, 1, &size), *flags = luaL_optstring(L, 2, "");
  rl_offload_pair(L, 1, 2);
  compile_job *j = rl_offload_new(L, sizeof *j, lua_gettop(L));
  j->base.run = compile_run;
  j->base.finish = compile_finish;
  j->base.drop = compile_drop;
  j->pattern = pattern;
  j->size = size;
  j->flags = flags;
  return size <= PATTERN_INLINE ? rl_offload_inline(L, &j->base) : rl_offload_run(L, &j->base);
}

// Subjects.

static const char *check_subject(lua_State *L, regex_box *b, rl_subject *s) {
  s->text = luaL_checklstring(L, 2, &s->size);
  lua_Integer init = luaL_optinteger(L, 3, 1);
  if (init < 0) init += (lua_Integer)s->size + 1;
  if (init < 1) init = 1;
  s->from = (size_t)init - 1;
  s->start_limit = SIZE_MAX;
  s->limit = b->re.limit;
  s->budget = 0;
  s->not_empty = false;
  if (!b->re.utf || s->from > s->size) return s->text;
  lua_getiuservalue(L, 1, 1);
  bool known = lua_rawequal(L, -1, 2);
  lua_pop(L, 1);
  if (!known && !rl_utf8_valid(s->text, s->size))
    rl_raise(L, "INVALID", "the subject is not UTF-8 at byte %I",
             (lua_Integer)rl_utf8_first_bad(s->text, s->size) + 1);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 1, 1);
  luaL_argcheck(L, s->from == s->size || (s->text[s->from] & 0xc0) != 0x80, 3,
                "inside of a UTF-8 sequence");
  return s->text;
}

static void push_group(lua_State *L, const char *text, const size_t *spans, uint32_t group) {
  if (spans[2 * group] == SIZE_MAX) {
    lua_pushboolean(L, 0);
  } else {
    lua_pushlstring(L, text + spans[2 * group], spans[2 * group + 1] - spans[2 * group]);
  }
}

// What each method makes of a match.
typedef enum { SHAPE_FIND, SHAPE_MATCH, SHAPE_GROUPS } shape;

static int push_groups(lua_State *L, const rl_regex *re, const char *text, const size_t *spans) {
  lua_createtable(L, (int)re->groups, (int)re->name_count + 1);
  for (uint32_t g = 0; g <= re->groups; g++) {
    push_group(L, text, spans, g);
    lua_rawseti(L, -2, g);
  }
  for (uint32_t i = 0; i < re->name_count; i++) {
    const unsigned char *entry = (const unsigned char *)re->names + (size_t)i * re->name_size;
    push_group(L, text, spans, (uint32_t)entry[0] << 8 | entry[1]);
    lua_setfield(L, -2, (const char *)entry + 2);
  }
  return 1;
}

static int push_match(lua_State *L, const rl_regex *re, const char *text, const size_t *spans,
                      shape how) {
  if (how == SHAPE_GROUPS) return push_groups(L, re, text, spans);
  luaL_checkstack(L, (int)re->groups + 3, "too many captures");
  int count = 0;
  if (how == SHAPE_FIND) {
    lua_pushinteger(L, (lua_Integer)spans[0] + 1);
    lua_pushinteger(L, (lua_Integer)spans[1]);
    count = 2;
  } else if (re->groups == 0) {
    push_group(L, text, spans, 0);
    return 1;
  }
  for (uint32_t g = 1; g <= re->groups; g++) push_group(L, text, spans, g);
  return count + (int)re->groups;
}

// One match.

typedef struct {
  rl_offload base;
  const rl_regex *re;
  rl_matcher matcher;
  rl_subject subject;
  const size_t *spans;
  shape how;
  int result;
} match_job;

static void match_run(rl_offload *base, const atomic_bool *cancelled) {
  match_job *j = (match_job *)base;
  j->result = rl_matcher_init(&j->matcher, j->re);
  if (j->result == 0)
    j->result = rl_matcher_match(&j->matcher, j->re, &j->subject, &j->spans, cancelled);
}

static int match_finish(lua_State *L, rl_offload *base) {
  match_job *j = (match_job *)base;
  if (j->result < 0) return raise_regex(L, j->result);
  if (j->result > 0) return push_match(L, j->re, j->subject.text, j->spans, j->how);
  lua_pushnil(L);
  return 1;
}

static void match_drop(rl_offload *base) { rl_matcher_fini(&((match_job *)base)->matcher); }

static int match_on_pool(lua_State *L, const rl_regex *re, const rl_subject *s, shape how) {
  rl_offload_pair(L, 1, 2);
  match_job *j = rl_offload_new(L, sizeof *j, lua_gettop(L));
  j->base.run = match_run;
  j->base.finish = match_finish;
  j->base.drop = match_drop;
  j->re = re;
  j->subject = *s;
  j->how = how;
  return rl_offload_run(L, &j->base);
}

// Tries to find the match at once, with few steps and near the start; what is not found so is
// searched on the pool.
static int match_now(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  shape how = (shape)ctx;
  regex_box *b = lua_touserdata(L, 1);
  rl_subject s;
  check_subject(L, b, &s);
  if (s.from > s.size) {
    lua_pushnil(L);
    return 1;
  }
  if (s.size > SUBJECT_INLINE) return match_on_pool(L, &b->re, &s, how);
  rl_subject near = s;
  bool whole = s.size - s.from <= SEARCH_INLINE;
  near.limit = RL_REGEX_LIMIT_SMALL;
  near.budget = RL_REGEX_BUDGET_SMALL;
  if (!whole) near.start_limit = s.from + SEARCH_INLINE;
  const size_t *spans;
  int r = rl_matcher_match(&b->matcher, &b->re, &near, &spans, NULL);
  if (r > 0) return push_match(L, &b->re, s.text, spans, how);
  if (r < 0 && r != RL_LIMIT) return raise_regex(L, r);
  if (r == RL_LIMIT || !whole) return match_on_pool(L, &b->re, &s, how);
  lua_pushnil(L);
  return 1;
}

static int match_with(lua_State *L, shape how) {
  regex_box *b = rl_check_object(L, 1, &regex_class);
  rl_subject s;
  lua_settop(L, 3);
  check_subject(L, b, &s);
  rl_checkpoint(L);
  return rl_work_now(L, 1, match_now, how);
}

static int regex_find(lua_State *L) { return match_with(L, SHAPE_FIND); }
static int regex_match(lua_State *L) { return match_with(L, SHAPE_MATCH); }
static int regex_groups(lua_State *L) { return match_with(L, SHAPE_GROUPS); }

// All matches, in batches.

typedef struct {
  rl_box box;
  rl_regex *re;
  rl_matcher matcher;
  rl_subject subject;
  rl_buf spans;  // found and not yet handed out
  shape how;
  int more;  // of the last scan: 1, 0 or an error
  bool busy;
} matches_box;  // user values: the expression, the subject

static int matches_gc(lua_State *L) {
  matches_box *m = lua_touserdata(L, 1);
  rl_matcher_fini(&m->matcher);
  rl_buf_fini(&m->spans);
  return 0;
}

static const luaL_Reg matches_methods[] = {{"__gc", matches_gc}, {NULL, NULL}};
static const rl_class matches_class = {"rille.Matches", sizeof(matches_box), matches_methods};

typedef struct {
  rl_offload base;
  matches_box *matches;
} scan_job;

static int next_match(lua_State *L, matches_box *m) {
  if (rl_buf_len(&m->spans) == 0) {
    if (m->more < 0) return raise_regex(L, m->more);
    lua_pushnil(L);
    return 1;
  }
  size_t each = 2 * sizeof(size_t) * (m->re->groups + 1);
  int count = push_match(L, m->re, m->subject.text,
                         (const size_t *)(const void *)rl_buf_head(&m->spans), m->how);
  rl_buf_consume(&m->spans, each);
  return count;
}

static void scan_run(rl_offload *base, const atomic_bool *cancelled) {
  matches_box *m = ((scan_job *)base)->matches;
  m->more = rl_matcher_scan(&m->matcher, m->re, &m->subject, BATCH, &m->spans, cancelled);
}

static int scan_finish(lua_State *L, rl_offload *base) {
  return next_match(L, ((scan_job *)base)->matches);
}

static void scan_drop(rl_offload *base) { ((scan_job *)base)->matches->busy = false; }

static int scan_on_pool(lua_State *L, matches_box *m) {
  lua_pushvalue(L, lua_upvalueindex(1));
  scan_job *j = rl_offload_new(L, sizeof *j, lua_gettop(L));
  j->base.run = scan_run;
  j->base.finish = scan_finish;
  j->base.drop = scan_drop;
  j->matches = m;
  m->busy = true;
  m->subject.limit = m->re->limit;
  m->subject.budget = 0;
  return rl_offload_run(L, &j->base);
}

static int matches_step(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  matches_box *m = lua_touserdata(L, lua_upvalueindex(1));
  if (m->busy) return rl_raise(L, "EBUSY", "another task is using the iterator");
  if (rl_buf_len(&m->spans) > 0 || m->more <= 0) return next_match(L, m);
  if (m->subject.size - m->subject.from > SCAN_INLINE) return scan_on_pool(L, m);
  m->subject.limit = RL_REGEX_LIMIT_SMALL;
  m->subject.budget = RL_REGEX_BUDGET_SMALL;
  m->more = rl_matcher_scan(&m->matcher, m->re, &m->subject, BATCH_INLINE, &m->spans, NULL);
  if (m->more == RL_LIMIT) {
    m->more = 1;
    if (rl_buf_len(&m->spans) == 0) return scan_on_pool(L, m);
  }
  return next_match(L, m);
}

static int matches_next(lua_State *L) {
  rl_checkpoint(L);
  return rl_work_now(L, 0, matches_step, 0);
}

static int push_matches(lua_State *L, shape how) {
  regex_box *b = rl_check_object(L, 1, &regex_class);
  rl_subject s;
  lua_settop(L, 3);
  check_subject(L, b, &s);
  matches_box *m = rl_object_new(L, &matches_class, 2);
  for (int i = 1; i <= 2; i++) {
    lua_pushvalue(L, i);
    lua_setiuservalue(L, -2, i);
  }
  m->re = &b->re;
  m->subject = s;
  m->how = how;
  m->more = s.from <= s.size;
  int err = rl_matcher_init(&m->matcher, m->re);
  if (err < 0) return raise_regex(L, err);
  lua_pushcclosure(L, matches_next, 1);
  return 1;
}

static int regex_gmatch(lua_State *L) { return push_matches(L, SHAPE_MATCH); }
static int regex_gfind(lua_State *L) { return push_matches(L, SHAPE_FIND); }

// Replacing by a text.

typedef struct {
  rl_offload base;
  const rl_regex *re;
  rl_matcher own, *matcher;  // of its own on the pool
  rl_subject subject;
  const char *with;
  size_t with_size, max, count;
  rl_buf out;
  int err;
} sub_job;

static void sub_run(rl_offload *base, const atomic_bool *cancelled) {
  sub_job *j = (sub_job *)base;
  if (!j->matcher) {
    j->err = rl_matcher_init(&j->own, j->re);
    j->matcher = &j->own;
  }
  if (j->err == 0)
    j->err = rl_regex_substitute(j->matcher, j->re, &j->subject, j->with, j->with_size, j->max,
                                 &j->out, &j->count, cancelled);
}

static int sub_finish(lua_State *L, rl_offload *base) {
  sub_job *j = (sub_job *)base;
  if (j->err < 0) return raise_regex(L, j->err);
  lua_pushlstring(L, rl_buf_len(&j->out) ? rl_buf_head(&j->out) : "", rl_buf_len(&j->out));
  lua_pushinteger(L, (lua_Integer)j->count);
  return 2;
}

static void sub_drop(rl_offload *base) {
  sub_job *j = (sub_job *)base;
  rl_matcher_fini(&j->own);
  rl_buf_fini(&j->out);
}

// Done at once if it is small, takes few steps, and is not to be done on the pool anyway.
static bool sub_now(regex_box *b, sub_job *j) {
  if (j->subject.size > SCAN_INLINE) return false;
  rl_subject again = j->subject;
  j->subject.limit = RL_REGEX_LIMIT_SMALL;
  j->subject.budget = RL_REGEX_BUDGET_SMALL;
  j->err = rl_regex_substitute(&b->matcher, &b->re, &j->subject, j->with, j->with_size, j->max,
                               &j->out, &j->count, NULL);
  if (j->err != RL_LIMIT) return true;
  j->subject = again;
  j->err = 0;
  rl_buf_clear(&j->out);
  return false;
}

static void sub_nothing(rl_offload *base, const atomic_bool *cancelled) {
  (void)base;
  (void)cancelled;
}

// gsub_text(self, subject, nil, with, max)
static int regex_gsub_text(lua_State *L) {
  regex_box *b = rl_check_object(L, 1, &regex_class);
  size_t with_size;
  const char *with = luaL_checklstring(L, 4, &with_size);
  lua_Integer max = luaL_optinteger(L, 5, LUA_MAXINTEGER);
  const char *problem = rl_regex_template_problem(&b->re, with, with_size);
  if (problem) return luaL_error(L, "%s", problem);
  rl_subject s;
  check_subject(L, b, &s);
  lua_createtable(L, 4, 0);
  for (int i = 1; i <= 4; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, -2, i);
  }
  sub_job *j = rl_offload_new(L, sizeof *j, lua_gettop(L));
  j->base.run = sub_run;
  j->base.finish = sub_finish;
  j->base.drop = sub_drop;
  j->re = &b->re;
  j->subject = s;
  j->with = with;
  j->with_size = with_size;
  j->max = max < 0 ? 0 : (size_t)max;
  if (!sub_now(b, j)) return rl_offload_run(L, &j->base);
  j->base.run = sub_nothing;
  return rl_offload_inline(L, &j->base);
}

static const luaL_Reg functions[] = {
    {"compile", regex_compile}, {"gsub_text", regex_gsub_text}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_rille_native_regex(lua_State *L) {
  rl_class_open(L, &regex_class);
  rl_class_open(L, &matches_class);
  luaL_newlib(L, functions);
  luaL_getmetatable(L, regex_class.name);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "methods");  // stdlib/regex.lua adds to them
  lua_pop(L, 1);
  return 1;
}
