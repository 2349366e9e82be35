// Classes of userdata, and the arguments of C functions.
#ifndef RL_BIND_CLASS_H
#define RL_BIND_CLASS_H

#include "lua/bind/state.h"

typedef struct rl_class {
  const char *name;         // "rille.Lock": unique, and shown in argument errors
  size_t size;              // of the struct, which begins with rl_box
  const luaL_Reg *methods;  // found by index; names beginning with "__" go into the metatable
} rl_class;

typedef struct rl_box {
  const rl_class *class;
} rl_box;

// Makes the class known to the state; doing so again changes nothing.
void rl_class_open(lua_State *L, const rl_class *class);

// Pushes a new object, zeroed but for its box, with `uservalues` user values. Its __gc must be safe
// on zeroes.
void *rl_object_new(lua_State *L, const rl_class *class, int uservalues);
void *rl_check_object(lua_State *L, int index, const rl_class *class);  // raises an argument error
// NULL if it is something else.
void *rl_test_object(lua_State *L, int index, const rl_class *class);

// Seconds as nanoseconds, rounded up. Negative and NaN are argument errors; beyond 290 years is
// RL_NEVER.
uint64_t rl_check_seconds(lua_State *L, int index);
// Of an option's value, for its error.
uint64_t rl_to_seconds(lua_State *L, int index, const char *what);

// The options table at `index`, or none/nil: false. An unknown key is an error that names it.
// `names` ends with NULL.
bool rl_check_options(lua_State *L, int index, const char *const *names);
// Options by name, with defaults; a value of the wrong type is an error that names the option.
bool rl_option_bool(lua_State *L, int index, const char *name, bool otherwise);
lua_Integer rl_option_integer(lua_State *L, int index, const char *name, lua_Integer low,
                              lua_Integer high, lua_Integer otherwise);
const char *rl_option_string(lua_State *L, int index, const char *name, size_t *length,
                             const char *otherwise);
uint64_t rl_option_seconds(lua_State *L, int index, const char *name, uint64_t otherwise);

#endif
