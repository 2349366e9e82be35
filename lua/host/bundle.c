// Reading what `rille build` has put behind the executable.
#include "lua/host/bundle.h"

#include "lua/host/runtime.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// A C module in memory, for dlopen: the same file for every runtime, so that it is loaded once.
typedef struct object {
  struct object *next;
  const char *bytes;
  int fd;
} object;

struct rl_bundle {
  atomic_int refs;
  char *data;
  size_t length;
  uv_mutex_t lock;  // of the objects
  object *objects;
};

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

rl_bundle *rl_bundle_read(void) {
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NULL;
  rl_bundle *b = calloc(1, sizeof *b);
  bool found = b && read_payload(fd, b) && uv_mutex_init(&b->lock) == 0;
  close(fd);
  if (found) {
    atomic_init(&b->refs, 1);
    return b;
  }
  if (b) free(b->data);
  free(b);
  return NULL;
}

rl_bundle *rl_bundle_ref(rl_bundle *b) {
  if (b) atomic_fetch_add(&b->refs, 1);
  return b;
}

void rl_bundle_unref(rl_bundle *b) {
  if (!b || atomic_fetch_sub(&b->refs, 1) > 1) return;
  for (object *o = b->objects, *next; o; o = next) {
    next = o->next;
    close(o->fd);
    free(o);
  }
  uv_mutex_destroy(&b->lock);
  free(b->data);
  free(b);
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

bool rl_bundle_push(lua_State *L, const char *name) {
  size_t size;
  const rl_bundle *b = rl_runtime_of(L)->bundle;
  const char *bytes = b ? rl_bundle_find(b, name, &size) : NULL;
  if (bytes) lua_pushlstring(L, bytes, size);
  return bytes;
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

static int add_searcher(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) {
    lua_geti(L, -1, i);
    lua_seti(L, -2, i + 1);
  }
  lua_pushcfunction(L, bundle_search);
  lua_seti(L, -2, 2);
  return 0;
}

bool rl_bundle_open(rille_runtime *rt, rl_bundle *b) {
  lua_State *L = rille_lua(rt);
  rt->bundle = rl_bundle_ref(b);
  lua_pushcfunction(L, add_searcher);
  bool ok = lua_pcall(L, 0, 0, 0) == LUA_OK;
  if (!ok) lua_pop(L, 1);
  return ok;
}

// A file in memory with these bytes; negative: there is none.
static int memory_file(const char *name, const char *bytes, size_t size) {
  int fd = memfd_create(name, MFD_CLOEXEC);
  for (ssize_t n; fd >= 0 && size > 0; bytes += n, size -= (size_t)n) {
    n = write(fd, bytes, size);
    if (n <= 0) {
      close(fd);
      return -1;
    }
  }
  return fd;
}

static object *make_object(rl_bundle *b, const char *name, const char *bytes, size_t size) {
  int fd = memory_file(name, bytes, size);
  if (fd < 0) return NULL;
  object *o = malloc(sizeof *o);
  if (!o) {
    close(fd);
    return NULL;
  }
  *o = (object){b->objects, bytes, fd};
  b->objects = o;
  return o;
}

bool rl_bundle_object(rl_bundle *b, const char *name, char *path, size_t size) {
  size_t length;
  const char *bytes = b ? rl_bundle_find(b, name, &length) : NULL;
  if (!bytes) return false;
  uv_mutex_lock(&b->lock);
  object *o = b->objects;
  while (o && o->bytes != bytes) o = o->next;
  if (!o) o = make_object(b, name, bytes, length);
  uv_mutex_unlock(&b->lock);
  if (o) snprintf(path, size, "/proc/self/fd/%d", o->fd);
  return o;
}
