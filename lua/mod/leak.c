// rille.native.leak: what is open now, for tests that say who has left something behind.
#include "lua/bind/class.h"
#include "lua/bind/site.h"
#include "lua/bind/task.h"
#include "runtime/io/handle.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

// watch(): from now on, handles remember where they were opened.
static int leak_watch(lua_State *L) {
  rl_site_watch(rl_state_of(L));
  return 0;
}

static void set_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

// handles() -> {[id] = {kind =, where =}}: what libuv has open for scripts.
static int leak_handles(lua_State *L) {
  rl_state *st = rl_state_of(L);
  lua_newtable(L);
  for (rl_link *l = st->loop.uvhandles.next; l != &st->loop.uvhandles; l = l->next) {
    rl_uvhandle *h = rl_container_of(l, rl_uvhandle, link);
    lua_createtable(L, 0, 2);
    set_text(L, "kind", uv_handle_type_name(uv_handle_get_type(h->uv)));
    set_text(L, "where", rl_site_text(st, h->place));
    lua_rawsetp(L, -2, h);
  }
  return 1;
}

// files() -> {[descriptor] = path}: open regular files and directories.
static int leak_files(lua_State *L) {
  lua_newtable(L);
  DIR *dir = opendir("/proc/self/fd");
  if (!dir) return 1;
  for (struct dirent *e; (e = readdir(dir));) {
    char path[1024];
    int fd = atoi(e->d_name);
    ssize_t length = readlinkat(dirfd(dir), e->d_name, path, sizeof path - 1);
    if (length <= 0 || *path != '/' || fd == dirfd(dir)) continue;
    path[length] = '\0';
    if (strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0) continue;
    set_text(L, "path", path);
    lua_getfield(L, -1, "path");
    lua_rawseti(L, -2, fd);
  }
  closedir(dir);
  lua_pushnil(L);
  lua_setfield(L, -2, "path");
  return 1;
}

// tasks() -> {[id] = "where it was spawned"}: all that have not ended.
static void add_members(lua_State *L, const rl_scope *s) {
  for (const rl_link *l = s->members.next; l != &s->members; l = l->next) {
    const rl_ltask *t = rl_ltask_of(rl_container_of(l, rl_task, member));
    const rl_op *op = t->core.op;
    lua_pushfstring(L, "%s, spawned at %s", op ? op->kind->name : "ready",
                    rl_site_text(rl_state_of(L), t->site));
    lua_rawseti(L, -2, (lua_Integer)t->id);
  }
  for (const rl_link *l = s->scopes.next; l != &s->scopes; l = l->next) {
    add_members(L, rl_container_of(l, rl_scope, sibling));
  }
}

static int leak_tasks(lua_State *L) {
  lua_newtable(L);
  add_members(L, rl_state_of(L)->main_scope);
  add_members(L, rl_state_of(L)->detached);
  return 1;
}

int rl_open_leak(lua_State *L) {
  static const luaL_Reg functions[] = {{"watch", leak_watch},
                                       {"handles", leak_handles},
                                       {"files", leak_files},
                                       {"tasks", leak_tasks},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
