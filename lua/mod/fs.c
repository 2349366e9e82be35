// rille.native.fs: the file system. Every call is one job on libuv's pool.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "lua/bind/file.h"
#include "lua/bind/pooled.h"
#include "runtime/io/dir.h"
#include "runtime/io/fs.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

// --- arguments

static int raise_zero_byte(lua_State *L, int index, const char *op) {
  rl_push_error(L, "EINVAL", "%s '%s': the path holds a zero byte", op, lua_tostring(L, index));
  lua_pushstring(L, op);
  lua_setfield(L, -2, "op");
  lua_pushvalue(L, index);
  lua_setfield(L, -2, "path");
  return lua_error(L);
}

static const char *check_path(lua_State *L, int index, const char *op) {
  size_t size;
  const char *path = luaL_checklstring(L, index, &size);
  if (strlen(path) != size) raise_zero_byte(L, index, op);
  return path;
}

// A mode is an integer, or a string of octal digits, since Lua has no octal literals.
static int64_t to_mode(lua_State *L, int index, int64_t otherwise) {
  if (lua_isnoneornil(L, index)) return otherwise;
  if (lua_type(L, index) == LUA_TSTRING) {
    char *end;
    const char *digits = lua_tostring(L, index);
    unsigned long mode = strtoul(digits, &end, 8);
    if (end != digits && !*end && *digits != '-' && mode <= 07777) return (int64_t)mode;
  } else if (lua_isinteger(L, index)) {
    lua_Integer mode = lua_tointeger(L, index);
    if (mode >= 0 && mode <= 07777) return mode;
  }
  return luaL_error(L, "mode: an integer or a string of octal digits up to 7777 expected, got '%s'",
                    luaL_tolstring(L, index, NULL));
}

static int64_t option_mode(lua_State *L, int index, int64_t otherwise) {
  if (!lua_istable(L, index)) return otherwise;
  lua_getfield(L, index, "mode");
  int64_t mode = to_mode(L, lua_gettop(L), otherwise);
  lua_pop(L, 1);
  return mode;
}

// --- jobs

static rl_fs *new_job(lua_State *L, int (*call)(rl_fs *), const char *path, const char *to) {
  rl_checkpoint(L);
  rl_fs *fs = rl_fs_new(call, path, to);
  if (!fs) luaL_error(L, "not enough memory");
  return fs;
}

static int raise_limit(lua_State *L, rl_fs *fs) {
  rl_push_error(L, "LIMIT", "%s '%s': more than %I bytes", fs->op, fs->at, (lua_Integer)fs->limit);
  lua_pushstring(L, fs->op);
  lua_setfield(L, -2, "op");
  lua_pushstring(L, fs->at);
  lua_setfield(L, -2, "path");
  return lua_error(L);
}

static rl_fs *check_done(lua_State *L, rl_pooled *work) {
  rl_fs *fs = (rl_fs *)work;
  int err = work->op.status;
  if (err == RL_LIMIT) raise_limit(L, fs);
  if (err == RL_DENIED) rl_raise_denied(L, fs->op, "path", fs->at, fs->why);
  if (err < 0) rl_raise_sys(L, err, fs->op, "path", fs->at);
  return fs;
}

static int push_nothing(lua_State *L, rl_pooled *work) {
  check_done(L, work);
  return 0;
}

static int push_out(lua_State *L, rl_pooled *work) {
  rl_fs *fs = check_done(L, work);
  lua_pushlstring(L, fs->out, fs->out_size);
  return 1;
}

static int push_stat(lua_State *L, rl_pooled *work) {
  rl_push_stat(L, &check_done(L, work)->st);
  return 1;
}

// --- paths

static int path_call(lua_State *L, int (*call)(rl_fs *), const char *op,
                     int (*finish)(lua_State *, rl_pooled *)) {
  return rl_pooled_wait(L, &new_job(L, call, check_path(L, 1, op), NULL)->work, finish);
}

static int two_path_call(lua_State *L, int (*call)(rl_fs *), const char *op) {
  const char *path = check_path(L, 1, op), *to = check_path(L, 2, op);
  return rl_pooled_wait(L, &new_job(L, call, path, to)->work, push_nothing);
}

static int fs_stat(lua_State *L) { return path_call(L, rl_fs_stat, "stat", push_stat); }
static int fs_lstat(lua_State *L) { return path_call(L, rl_fs_lstat, "lstat", push_stat); }
static int fs_readlink(lua_State *L) { return path_call(L, rl_fs_readlink, "readlink", push_out); }
static int fs_realpath(lua_State *L) { return path_call(L, rl_fs_realpath, "realpath", push_out); }
static int fs_rename(lua_State *L) { return two_path_call(L, rl_fs_rename, "rename"); }
static int fs_link(lua_State *L) { return two_path_call(L, rl_fs_link, "link"); }
static int fs_symlink(lua_State *L) { return two_path_call(L, rl_fs_symlink, "symlink"); }
static int fs_copy(lua_State *L) { return two_path_call(L, rl_fs_copy, "copy"); }

static int push_exists(lua_State *L, rl_pooled *work) {
  check_done(L, work);
  lua_pushboolean(L, work->op.status);
  return 1;
}

static int fs_exists(lua_State *L) { return path_call(L, rl_fs_exists, "stat", push_exists); }

static int fs_mkdir(lua_State *L) {
  static const char *const options[] = {"parents", "mode", NULL};
  const char *path = check_path(L, 1, "mkdir");
  rl_check_options(L, 2, options);
  bool parents = rl_option_bool(L, 2, "parents", false);
  int64_t mode = option_mode(L, 2, 0777);
  rl_fs *fs = new_job(L, parents ? rl_fs_mkdirs : rl_fs_mkdir, path, NULL);
  fs->other = mode;
  return rl_pooled_wait(L, &fs->work, push_nothing);
}

static int fs_remove(lua_State *L) {
  static const char *const options[] = {"recursive", NULL};
  const char *path = check_path(L, 1, "unlink");
  rl_check_options(L, 2, options);
  bool recursive = rl_option_bool(L, 2, "recursive", false);
  rl_fs *fs = new_job(L, recursive ? rl_fs_remove_tree : rl_fs_remove, path, NULL);
  fs->work.stays = recursive;  // when a cancelled removal returns, it has stopped
  return rl_pooled_wait(L, &fs->work, push_nothing);
}

static int fs_chmod(lua_State *L) {
  const char *path = check_path(L, 1, "chmod");
  luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "a mode is needed");
  int64_t mode = to_mode(L, 2, 0);
  rl_fs *fs = new_job(L, rl_fs_chmod, path, NULL);
  fs->other = mode;
  return rl_pooled_wait(L, &fs->work, push_nothing);
}

static int fs_chown(lua_State *L) {
  const char *path = check_path(L, 1, "chown");
  lua_Integer user = luaL_optinteger(L, 2, -1), group = luaL_optinteger(L, 3, -1);
  rl_fs *fs = new_job(L, rl_fs_chown, path, NULL);
  fs->number = user;
  fs->other = group;
  return rl_pooled_wait(L, &fs->work, push_nothing);
}

static double opt_time(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return NAN;
  lua_Number t = luaL_checknumber(L, index);
  luaL_argcheck(L, fabs(t) < 9.2e18, index, "not a time");
  return t;
}

static int fs_utime(lua_State *L) {
  const char *path = check_path(L, 1, "utimensat");
  double atime = opt_time(L, 2), mtime = opt_time(L, 3);
  rl_fs *fs = new_job(L, rl_fs_utime, path, NULL);
  fs->atime = atime;
  fs->mtime = mtime;
  return rl_pooled_wait(L, &fs->work, push_nothing);
}

// --- whole files

enum { READ_LIMIT = 1 << 30 };

static void push_opened(lua_State *L, rl_fs *fs) {
  rl_push_file(L, fs->fd, &fs->st, fs->path);
  fs->fd = -1;
}

// The bytes; or nil and a stream, for what the loop polls.
static int push_contents(lua_State *L, rl_pooled *work) {
  rl_fs *fs = check_done(L, work);
  if (fs->fd < 0) {
    lua_pushlstring(L, fs->out, fs->out_size);
    return 1;
  }
  lua_pushnil(L);
  push_opened(L, fs);
  return 2;
}

// Nothing; or the stream to write to.
static int push_written(lua_State *L, rl_pooled *work) {
  rl_fs *fs = check_done(L, work);
  if (fs->fd < 0) return 0;
  push_opened(L, fs);
  return 1;
}

static int fs_read(lua_State *L) {
  static const char *const options[] = {"limit", NULL};
  const char *path = check_path(L, 1, "open");
  lua_Integer limit = READ_LIMIT;
  if (rl_check_options(L, 2, options))
    limit = rl_option_integer(L, 2, "limit", 0, LUA_MAXINTEGER, limit);
  rl_fs *fs = new_job(L, rl_fs_read, path, NULL);
  fs->limit = (uint64_t)limit;
  return rl_pooled_wait(L, &fs->work, push_contents);
}

// type, size, seconds of the last change; of a file, its bytes or a stream of them.
static int push_fetched(lua_State *L, rl_pooled *work) {
  rl_fs *fs = check_done(L, work);
  lua_pushstring(L, rl_stat_type(&fs->st));
  lua_pushinteger(L, fs->st.st_size);
  lua_pushnumber(L, rl_stat_time(&fs->st.st_mtim));
  if (fs->fd >= 0) {
    push_opened(L, fs);
  } else if (fs->out) {
    lua_pushlstring(L, fs->out, fs->out_size);
  } else {
    lua_pushnil(L);
  }
  return 4;
}

// (path, directory, limit): a file in one go, if it is in that directory (nil: wherever it is), and
// its bytes if they are at most `limit`.
static int fs_fetch(lua_State *L) {
  const char *path = check_path(L, 1, "open");
  const char *inside = lua_isnil(L, 2) ? NULL : check_path(L, 2, "open");
  lua_Integer limit = luaL_checkinteger(L, 3);
  rl_fs *fs = new_job(L, rl_fs_fetch, path, inside);
  fs->limit = (uint64_t)limit;
  return rl_pooled_wait(L, &fs->work, push_fetched);
}

static int fs_write(lua_State *L) {
  static const char *const options[] = {"mode", "append", "atomic", "sync", NULL};
  size_t size;
  const char *path = check_path(L, 1, "open");
  const char *data = luaL_checklstring(L, 2, &size);
  rl_check_options(L, 3, options);
  int64_t how = rl_option_bool(L, 3, "append", false) ? RL_FS_APPEND : 0;
  if (rl_option_bool(L, 3, "sync", false)) how |= RL_FS_SYNC;
  if (rl_option_bool(L, 3, "atomic", false)) how |= RL_FS_ATOMIC;
  if (how & RL_FS_APPEND && how & RL_FS_ATOMIC)
    luaL_argerror(L, 3, "options 'append' and 'atomic' exclude each other");
  int64_t mode = option_mode(L, 3, -1);
  rl_fs *fs = new_job(L, rl_fs_write, path, NULL);
  fs->number = how;
  fs->other = mode;
  fs->data = data;
  fs->size = size;
  fs->work.stays =
      true;  // it uses the string in place; and when a cancelled write returns, it has stopped
  return rl_pooled_wait(L, &fs->work, push_written);
}

// --- open files

// As io.open takes them: r, w or a, then + and b in any order, and x: the file must be new.
static int check_flags(lua_State *L, int index) {
  const char *mode = luaL_optstring(L, index, "r"), *rest = mode + 1;
  bool update = false, new = false;
  if (!*mode || !strchr("rwa", *mode)) rest = "?";
  for (; *rest && strchr("+bx", *rest); rest++) {
    if (*rest == '+') update = true;
    if (*rest == 'x') new = true;
  }
  if (*rest || (new &&*mode == 'r')) luaL_argerror(L, index, "invalid mode");
  int flags = update ? O_RDWR : *mode == 'r' ? O_RDONLY : O_WRONLY;
  if (*mode != 'r') flags |= O_CREAT | (*mode == 'a' ? O_APPEND : O_TRUNC);
  return flags | (new ? O_EXCL : 0);
}

static int push_open(lua_State *L, rl_pooled *work) {
  push_opened(L, check_done(L, work));
  return 1;
}

static int fs_open(lua_State *L) {
  static const char *const options[] = {"mode", NULL};
  const char *path = check_path(L, 1, "open");
  int flags = check_flags(L, 2);
  rl_check_options(L, 3, options);
  int64_t mode = option_mode(L, 3, 0666);
  rl_fs *fs = new_job(L, rl_fs_open, path, NULL);
  fs->number = flags;
  fs->other = mode;
  return rl_pooled_wait(L, &fs->work, push_open);
}

static int push_temp_file(lua_State *L, rl_pooled *work) {
  rl_fs *fs = check_done(L, work);
  rl_push_file(L, fs->fd, &fs->st, fs->out);
  fs->fd = -1;
  lua_pushlstring(L, fs->out, fs->out_size);
  fs->made = false;
  return 2;
}

static int push_temp_dir(lua_State *L, rl_pooled *work) {
  push_out(L, work);
  ((rl_fs *)work)->made = false;
  return 1;
}

static int make_temp(lua_State *L, int (*call)(rl_fs *), const char *op,
                     int (*finish)(lua_State *, rl_pooled *)) {
  const char *dir = check_path(L, 1, op), *prefix = check_path(L, 2, op);
  rl_fs *fs = new_job(L, call, dir, prefix);
  fs->work.stays = true;  // so that what was made for a cancelled task is gone when it goes on
  return rl_pooled_wait(L, &fs->work, finish);
}

static int fs_temp_file(lua_State *L) {
  return make_temp(L, rl_fs_temp_file, "open", push_temp_file);
}

static int fs_temp_dir(lua_State *L) {
  return make_temp(L, rl_fs_temp_dir, "mkdir", push_temp_dir);
}

// --- directories

typedef struct dir_box {
  rl_box box;
  bool open;  // false also while its rl_dir is with a job
  rl_dir dir;
} dir_box;

static const rl_class dir_class;

static int dir_close(lua_State *L) {
  dir_box *d = rl_check_object(L, 1, &dir_class);
  if (d->open) rl_dir_close(&d->dir);
  d->open = false;
  return 0;
}

static const luaL_Reg dir_methods[] = {
    {"close", dir_close}, {"__gc", dir_close}, {"__close", dir_close}, {NULL, NULL}};

static const rl_class dir_class = {"rille.Directory", sizeof(dir_box), dir_methods};

static const char *letter_name(char letter) {
  static const char names[][10] = {"directory", "file",      "link", "fifo",
                                   "socket",    "character", "block"};
  const char *at = strchr("dflpscb", letter);
  return at && letter ? names[at - "dflpscb"] : "unknown";
}

static rl_dir_job *check_dir_done(lua_State *L, rl_pooled *work) {
  rl_dir_job *job = (rl_dir_job *)work;
  if (work->op.status == RL_DENIED) rl_raise_denied(L, job->op, "path", job->path, job->why);
  if (work->op.status < 0) rl_raise_sys(L, work->op.status, job->op, "path", job->path);
  return job;
}

static void take_dir(dir_box *d, rl_dir_job *job) {
  d->dir = job->dir;
  job->dir = (rl_dir){.fd = -1};
}

static int push_dir(lua_State *L, rl_pooled *work) {
  rl_dir_job *job = check_dir_done(L, work);
  dir_box *d = rl_object_new(L, &dir_class, 1);
  take_dir(d, job);
  d->open = true;
  lua_pushstring(L, job->path);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

static rl_dir_job *new_dir_job(lua_State *L, const char *path) {
  rl_dir_job *job = rl_dir_job_new(path);
  if (!job) luaL_error(L, "not enough memory");
  return job;
}

// (path, follow): an open directory
static int fs_opendir(lua_State *L) {
  const char *path = check_path(L, 1, "opendir");
  rl_checkpoint(L);
  rl_dir_job *job = new_dir_job(L, path);
  job->follow = lua_isnone(L, 2) || lua_toboolean(L, 2);
  return rl_pooled_wait(L, &job->work, push_dir);
}

static int push_entry(lua_State *L, dir_box *d) {
  if (d->dir.at == d->dir.size) return 0;
  const char *entry = d->dir.batch + d->dir.at;
  size_t n = strlen(entry + 1);
  lua_pushlstring(L, entry + 1, n);
  lua_pushstring(L, letter_name(*entry));
  d->dir.at += n + 2;
  return 2;
}

static int entry_at_hand(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return push_entry(L, (dir_box *)ctx);
}

static int push_next_entry(lua_State *L, rl_pooled *work) {
  rl_dir_job *job = check_dir_done(L, work);
  dir_box *d = job->waiter;
  take_dir(d, job);
  d->open = true;
  return push_entry(L, d);
}

// (directory): name, type; or nothing
static int fs_next(lua_State *L) {
  dir_box *d = rl_check_object(L, 1, &dir_class);
  lua_getiuservalue(L, 1, 1);
  const char *path = lua_tostring(L, -1);
  if (!d->open) rl_raise_sys(L, RL_CLOSED, "readdir", "path", path);
  rl_checkpoint(L);
  if (d->dir.at < d->dir.size || d->dir.fd < 0)
    return rl_no_wait(L, entry_at_hand, (lua_KContext)d);
  rl_dir_job *job = new_dir_job(L, path);
  job->waiter = d;
  job->dir = d->dir;
  d->open = false;
  return rl_pooled_wait(L, &job->work, push_next_entry);
}

// --- the module

int rl_open_fs(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"read", fs_read},
      {"write", fs_write},
      {"open", fs_open},
      {"temp_file", fs_temp_file},
      {"temp_dir", fs_temp_dir},
      {"opendir", fs_opendir},
      {"next", fs_next},
      {"stat", fs_stat},
      {"lstat", fs_lstat},
      {"exists", fs_exists},
      {"mkdir", fs_mkdir},
      {"remove", fs_remove},
      {"rename", fs_rename},
      {"copy", fs_copy},
      {"link", fs_link},
      {"symlink", fs_symlink},
      {"readlink", fs_readlink},
      {"realpath", fs_realpath},
      {"chmod", fs_chmod},
      {"chown", fs_chown},
      {"utime", fs_utime},
      {"fetch", fs_fetch},
      {NULL, NULL},
  };
  rl_class_open(L, &dir_class);
  luaL_newlib(L, functions);
  return 1;
}
