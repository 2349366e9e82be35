// Reading what `rille build` has put behind the executable.
#include "lua/host/bundle.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_at(int fd, void *out, size_t size, off_t at) {
  for (size_t done = 0; done < size;) {
    ssize_t n = pread(fd, (char *)out + done, size - done, at + (off_t)done);
    if (n <= 0) return false;
    done += (size_t)n;
  }
  return true;
}

static bool read_payload(int fd, rl_bundle *b) {
  unsigned char trailer[RL_BUNDLE_TRAILER];
  off_t end = lseek(fd, 0, SEEK_END);
  if (end < RL_BUNDLE_TRAILER || !read_at(fd, trailer, sizeof trailer, end - RL_BUNDLE_TRAILER))
    return false;
  if (memcmp(trailer + 8, RL_BUNDLE_MAGIC, 8) != 0) return false;
  uint64_t size = 0;
  for (int i = 7; i >= 0; i--) size = size << 8 | trailer[i];
  if (size == 0 || size > (uint64_t)end - RL_BUNDLE_TRAILER) return false;
  b->length = (size_t)size;
  b->data = malloc(b->length);
  return b->data && read_at(fd, b->data, b->length, end - RL_BUNDLE_TRAILER - (off_t)size);
}

bool rl_bundle_read(rl_bundle *b) {
  *b = (rl_bundle){NULL, 0};
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool found = read_payload(fd, b);
  close(fd);
  if (!found) rl_bundle_free(b);
  return found;
}

void rl_bundle_free(rl_bundle *b) {
  free(b->data);
  b->data = NULL;
}

bool rl_bundle_push(lua_State *L, const char *name) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, "rille.bundle") != LUA_TTABLE) {
    lua_pop(L, 1);
    return false;
  }
  int type = lua_getfield(L, -1, name);
  lua_remove(L, -2);
  if (type == LUA_TSTRING) return true;
  lua_pop(L, 1);
  return false;
}

// searcher(name): "lua/NAME"
static int bundle_search(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  if (!rl_bundle_push(L, lua_pushfstring(L, "lua/%s", name))) return 0;
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  if (luaL_loadbufferx(L, text, length, lua_pushfstring(L, "@%s", name), "t") != LUA_OK)
    return lua_error(L);
  lua_pushliteral(L, "(in the executable)");
  return 2;
}

static void add_searcher(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
    lua_geti(L, -1, i);
    lua_seti(L, -2, i + 1);
  }
  lua_pushcfunction(L, bundle_search);
  lua_seti(L, -2, 2);
  lua_pop(L, 2);
}

typedef struct file {
  const char *name, *bytes;
  size_t name_size, size;
} file;

// The file at `*at`, which moves on. False: there is none, or it is damaged.
static bool next_file(const rl_bundle *b, const char **at, file *f) {
  const char *end = b->data + b->length;
  const char *space = memchr(*at, ' ', (size_t)(end - *at));
  const char *line = space ? memchr(space, '\n', (size_t)(end - space)) : NULL;
  if (!line) return false;
  size_t size = (size_t)strtoull(space + 1, NULL, 10);
  if (size > (size_t)(end - line - 1)) return false;
  *f = (file){*at, line + 1, (size_t)(space - *at), size};
  *at = line + 1 + size;
  return true;
}

const char *rl_bundle_find(const rl_bundle *b, const char *name, size_t *size) {
  file f;
  for (const char *at = b->data; next_file(b, &at, &f);) {
    if (f.name_size != strlen(name) || memcmp(f.name, name, f.name_size) != 0) continue;
    *size = f.size;
    return f.bytes;
  }
  return NULL;
}

void rl_bundle_open(lua_State *L, const rl_bundle *b) {
  file f;
  lua_newtable(L);
  for (const char *at = b->data; next_file(b, &at, &f);) {
    lua_pushlstring(L, f.name, f.name_size);
    lua_pushlstring(L, f.bytes, f.size);
    lua_rawset(L, -3);
  }
  lua_setfield(L, LUA_REGISTRYINDEX, "rille.bundle");
  add_searcher(L);
}
