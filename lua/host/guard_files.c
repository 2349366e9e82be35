// The io and os libraries under permissions, written anew for all that names a file, a program or a
// variable. What fails for another reason fails as it does in Lua; what is refused raises DENIED.
#include "lua/bind/error.h"
#include "lua/bind/permit.h"
#include "lua/host/guard.h"
#include "runtime/io/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEMP_DIR "/tmp"  // where Lua puts temporary files

// --- files

static int close_stream(lua_State *L) {
  luaL_Stream *s = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, fclose(s->f) == 0, NULL);
}

static int close_pipe(lua_State *L) {
  luaL_Stream *s = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_execresult(L, pclose(s->f));
}

static luaL_Stream *push_closed_stream(lua_State *L) {
  luaL_Stream *s = lua_newuserdatauv(L, sizeof *s, 0);
  s->closef = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  return s;
}

static int raise_denied(lua_State *L, rl_fs *fs) {
  char why[RL_REFUSAL];
  const char *op = fs->op;
  strcpy(why, fs->why);
  lua_pushstring(L, fs->at);
  rl_fs_drop(&fs->work);
  return rl_raise_denied(L, op, "path", lua_tostring(L, -1), why);
}

// Runs the job here and now; its result, or a negative error other than RL_DENIED, which raises.
static int run(lua_State *L, rl_fs *fs) {
  int got = rl_fs_permitted(fs, rl_permit_of(L));
  return got == RL_DENIED ? raise_denied(L, fs) : got;
}

static rl_fs *new_job(lua_State *L, int (*call)(rl_fs *), const char *path, const char *to) {
  rl_fs *fs = rl_fs_new(call, path, to);
  if (!fs) luaL_error(L, "not enough memory");
  return fs;
}

// Takes what the job has opened into the stream. False: errno says why not.
static bool take(rl_fs *fs, luaL_Stream *s, const char *mode, int got) {
  errno = -got;
  if (got < 0) return false;
  fcntl(fs->fd, F_SETFL, fcntl(fs->fd, F_GETFL) & ~O_NONBLOCK);
  s->f = fdopen(fs->fd, mode);
  if (!s->f) return false;
  fs->fd = -1;
  s->closef = close_stream;
  return true;
}

// Pushes a file. False: errno says why not, and a closed file is pushed.
static bool push_opened(lua_State *L, const char *path, const char *mode) {
  luaL_Stream *s = push_closed_stream(L);
  rl_fs *fs = new_job(L, rl_fs_open, path, NULL);
  bool update = strchr(mode, '+');
  fs->number = update ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
  if (*mode != 'r') fs->number |= O_CREAT | (*mode == 'a' ? O_APPEND : O_TRUNC);
  fs->other = 0666;
  bool ok = take(fs, s, mode, run(L, fs));
  int err = errno;
  rl_fs_drop(&fs->work);
  errno = err;
  return ok;
}

static bool is_mode(const char *mode) {
  if (!*mode || !strchr("rwa", *mode++)) return false;
  if (*mode == '+') mode++;
  return strspn(mode, "b") == strlen(mode);
}

static int io_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
  luaL_argcheck(L, is_mode(mode), 2, "invalid mode");
  return push_opened(L, path, mode) ? 1 : luaL_fileresult(L, 0, path);
}

static void push_or_raise(lua_State *L, const char *path, const char *mode) {
  if (!push_opened(L, path, mode))
    luaL_error(L, "cannot open file '%s' (%s)", path, strerror(errno));
}

// io.input and io.output: `key` is where Lua keeps the current file.
static int current_file(lua_State *L, const char *key, const char *mode) {
  if (!lua_isnoneornil(L, 1)) {
    const char *path = lua_tostring(L, 1);
    if (path) {
      push_or_raise(L, path, mode);
    } else {
      luaL_checkudata(L, 1, LUA_FILEHANDLE);
      lua_pushvalue(L, 1);
    }
    lua_setfield(L, LUA_REGISTRYINDEX, key);
  }
  lua_getfield(L, LUA_REGISTRYINDEX, key);
  return 1;
}

static int io_input(lua_State *L) { return current_file(L, "_IO_input", "r"); }
static int io_output(lua_State *L) { return current_file(L, "_IO_output", "w"); }

// The next line of the iterator (upvalue 1) of a file (upvalue 2) that is closed at its end.
static int next_line(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_call(L, 0, LUA_MULTRET);
  if (lua_isnil(L, 1)) {
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_getfield(L, -1, "close");
    lua_insert(L, -2);
    lua_call(L, 1, 0);
  }
  return lua_gettop(L);
}

static int io_lines(lua_State *L) {
  if (lua_isnone(L, 1)) lua_pushnil(L);
  int formats = lua_gettop(L) - 1;
  bool named = !lua_isnil(L, 1);
  if (named) {
    push_or_raise(L, luaL_checkstring(L, 1), "r");
  } else {
    lua_getfield(L, LUA_REGISTRYINDEX, "_IO_input");
  }
  lua_replace(L, 1);
  lua_getfield(L, 1, "lines");
  lua_pushvalue(L, 1);
  lua_rotate(L, 2, 2);
  lua_call(L, formats + 1, 1);
  if (!named) return 1;
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, next_line, 2);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 1);
  return 4;
}

static bool make_temp(rl_fs *fs, luaL_Stream *s, int got) {
  bool ok = take(fs, s, "w+b", got);
  if (ok) unlink(fs->out);
  fs->made = false;
  return ok;
}

static int io_tmpfile(lua_State *L) {
  luaL_Stream *s = push_closed_stream(L);
  rl_fs *fs = new_job(L, rl_fs_temp_file, TEMP_DIR, "lua_");
  bool ok = make_temp(fs, s, run(L, fs));
  int err = errno;
  rl_fs_drop(&fs->work);
  errno = err;
  return ok ? 1 : luaL_fileresult(L, 0, NULL);
}

static int os_tmpname(lua_State *L) {
  rl_fs *fs = new_job(L, rl_fs_temp_file, TEMP_DIR, "lua_");
  int got = run(L, fs);
  char name[64] = "";
  if (got >= 0) snprintf(name, sizeof name, "%s", fs->out);
  fs->made = got < 0 && fs->made;
  rl_fs_drop(&fs->work);
  if (got < 0) return luaL_error(L, "unable to generate a unique filename");
  lua_pushstring(L, name);
  return 1;
}

static int change(lua_State *L, int (*call)(rl_fs *), const char *path, const char *to) {
  rl_fs *fs = new_job(L, call, path, to);
  int got = run(L, fs);
  rl_fs_drop(&fs->work);
  errno = -got;
  return luaL_fileresult(L, got >= 0, path);
}

static int os_remove(lua_State *L) { return change(L, rl_fs_remove, luaL_checkstring(L, 1), NULL); }

static int os_rename(lua_State *L) {
  return change(L, rl_fs_rename, luaL_checkstring(L, 1), luaL_checkstring(L, 2));
}

// --- programs and variables

// A shell gets the whole environment, and runs anything.
static void demand_shell(lua_State *L, const char *op, const char *command) {
  char real[PATH_MAX], why[RL_REFUSAL];
  const rl_permit *p = rl_permit_of(L);
  int err = rl_permit_program(p, "/bin/sh", NULL, real, why);
  if (err == 0) err = rl_permit_env(p, NULL, why);
  if (err == RL_DENIED) rl_raise_denied(L, op, NULL, command, why);
}

static int io_popen(lua_State *L) {
  const char *command = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
  luaL_argcheck(L, strchr("rw", *mode) && *mode && !mode[1], 2, "invalid mode");
  demand_shell(L, "popen", command);
  luaL_Stream *s = push_closed_stream(L);
  fflush(NULL);
  s->f = popen(command, mode);
  s->closef = close_pipe;
  if (s->f) return 1;
  s->closef = NULL;
  return luaL_fileresult(L, 0, command);
}

static int os_execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  if (command) demand_shell(L, "execute", command);
  errno = 0;
  int status = system(command);
  if (command) return luaL_execresult(L, status);
  lua_pushboolean(L, status);
  return 1;
}

static int os_getenv(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  rl_demand_env(L, "getenv", name);
  lua_pushstring(L, getenv(name));
  return 1;
}

void rl_guard_files(lua_State *L) {
  static const luaL_Reg io[] = {{"open", io_open},   {"input", io_input},     {"output", io_output},
                                {"lines", io_lines}, {"tmpfile", io_tmpfile}, {"popen", io_popen},
                                {NULL, NULL}};
  static const luaL_Reg os[] = {{"tmpname", os_tmpname}, {"remove", os_remove},
                                {"rename", os_rename},   {"execute", os_execute},
                                {"getenv", os_getenv},   {NULL, NULL}};
  lua_getglobal(L, "io");
  luaL_setfuncs(L, io, 0);
  lua_getglobal(L, "os");
  luaL_setfuncs(L, os, 0);
  lua_pop(L, 2);
}
