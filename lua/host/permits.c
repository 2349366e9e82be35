// The permissions that a host gives, with what they imply: code may be loaded from where Lua is
// installed.
#include "lua/host/runtime.h"

#include "runtime/base/error.h"
#include "runtime/io/permit.h"

#include <stdlib.h>
#include <string.h>

enum { PATHS = 16 };  // directories of modules at most

typedef struct list {
  const char **words;
  char *made[PATHS];  // those of `words` that are ours
  int count, made_count;
} list;

// The directory of a template, "/usr/share/lua/5.4/?.lua". What is relative is not installed.
static bool add_template(list *l, const char *at, size_t n) {
  const char *mark = memchr(at, '?', n);
  size_t length = mark ? (size_t)(mark - at) : 0;
  while (length > 1 && at[length - 1] == '/') length--;
  if (*at != '/' || length <= 1 || memchr(at, ',', length) || l->made_count == PATHS) return true;
  char *word = NULL;
  if (asprintf(&word, "allow-code=%.*s", (int)length, at) < 0) return false;
  l->made[l->made_count++] = word;
  l->words[l->count++] = word;
  return true;
}

static bool add_templates(list *l, const char *path) {
  for (const char *end; path && *path; path = *end ? end + 1 : end) {
    end = strchrnul(path, *LUA_PATH_SEP);
    if (!add_template(l, path, (size_t)(end - path))) return false;
  }
  return true;
}

static const char *path_variable(bool no_env) {
  const char *path = no_env ? NULL : getenv("LUA_PATH" LUA_VERSUFFIX);
  return path || no_env ? path : getenv("LUA_PATH");
}

int rl_host_permit(const rille_options *o, struct rl_permit **out, char *why) {
  *out = NULL;
  int given = 0;
  while (o->permissions && o->permissions[given]) given++;
  if (given == 0) return 0;
  list l = {.words = calloc((size_t)given + PATHS + 1, sizeof *l.words), .count = given};
  if (!l.words) return UV_ENOMEM;
  memcpy(l.words, o->permissions, (size_t)given * sizeof *l.words);
  bool ok = add_templates(&l, path_variable(o->flags & RILLE_NO_ENV)) &&
            add_templates(&l, LUA_PATH_DEFAULT);
  int err = ok ? rl_permit_new(out, l.words, why) : UV_ENOMEM;
  for (int i = 0; i < l.made_count; i++) free(l.made[i]);
  free(l.words);
  return err;
}
