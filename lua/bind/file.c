// The Lua face of open files.
#include "lua/bind/file.h"

#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/pooled.h"
#include "runtime/io/file.h"
#include "runtime/io/fs.h"
#include "runtime/io/uvstream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static rl_file *check_file(lua_State *L, const char *op) {
  rl_stream *s = rl_check_open_stream(L, 1, op);
  if (!rl_stream_is_file(s)) rl_raise_sys(L, UV_ESPIPE, op, NULL, NULL);
  return rl_file_of(s);
}

static int raise_at(lua_State *L, rl_file *f, int err, const char *op) {
  return rl_raise_sys(L, err, op, "path", f->path);
}

// --- jobs on the descriptor

typedef struct file_job {
  rl_pooled work;
  rl_file *file;
  int64_t size;  // to truncate to; the offset of a seek
  struct stat st;
} file_job;

static void drop_job(rl_pooled *work) {
  rl_file_unuse(((file_job *)work)->file);
  free(work);
}

static file_job *new_job(lua_State *L, rl_file *f, int (*run)(rl_pooled *)) {
  file_job *job = calloc(1, sizeof *job);
  if (!job) luaL_error(L, "not enough memory");
  job->work.run = run;
  job->work.drop = drop_job;
  job->file = f;
  rl_file_use(f);
  return job;
}

static int run_stat(rl_pooled *work) {
  file_job *job = (file_job *)work;
  return fstat(job->file->fd, &job->st) < 0 ? -errno : 0;
}

static int run_truncate(rl_pooled *work) {
  file_job *job = (file_job *)work;
  return ftruncate(job->file->fd, job->size) < 0 ? -errno : 0;
}

static int run_sync(rl_pooled *work) {
  return fsync(((file_job *)work)->file->fd) < 0 && errno != EINVAL ? -errno : 0;
}

// `k` runs when nothing is unsent: at once, or after a wait for it; then it begins with `written`.
static int when_written(lua_State *L, rl_file *f, const char *op, lua_KFunction k) {
  rl_checkpoint(L);
  if (rl_stream_writing(&f->s)) rl_stream_raise_writing(L, &f->s, op);
  rl_stream_wait_out(&f->s, 0, false, rl_current(L));
  return rl_await(L, &f->s.writer, k, (lua_KContext)f);
}

static rl_file *written(lua_State *L, lua_KContext ctx, const char *op) {
  rl_file *f = (rl_file *)ctx;
  int err = rl_awaited(L, &f->s.writer);
  rl_stream_write_done(&f->s, rl_current(L));
  if (err < 0) raise_at(L, f, err, op);
  return f;
}

// --- methods

static int finish_stat(lua_State *L, rl_pooled *work) {
  file_job *job = (file_job *)work;
  if (work->op.status < 0) raise_at(L, job->file, work->op.status, "stat");
  rl_push_stat(L, &job->st);
  return 1;
}

static int stat_written(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_file *f = written(L, ctx, "stat");
  return rl_pooled_wait(L, &new_job(L, f, run_stat)->work, finish_stat);
}

static int file_stat(lua_State *L) {
  return when_written(L, check_file(L, "stat"), "stat", stat_written);
}

static int finish_truncate(lua_State *L, rl_pooled *work) {
  if (work->op.status < 0) raise_at(L, ((file_job *)work)->file, work->op.status, "truncate");
  return 0;
}

static int truncate_written(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  file_job *job = new_job(L, written(L, ctx, "truncate"), run_truncate);
  job->size = lua_tointeger(L, 2);
  return rl_pooled_wait(L, &job->work, finish_truncate);
}

static int file_truncate(lua_State *L) {
  rl_file *f = check_file(L, "truncate");
  lua_Integer size = luaL_optinteger(L, 2, rl_file_tell(f));
  lua_settop(L, 1);
  lua_pushinteger(L, size);
  return when_written(L, f, "truncate", truncate_written);
}

static int finish_sync(lua_State *L, rl_pooled *work) {
  if (work->op.status < 0) raise_at(L, ((file_job *)work)->file, work->op.status, "fsync");
  return 0;
}

static int sync_written(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_file *f = written(L, ctx, "write");
  return rl_pooled_wait(L, &new_job(L, f, run_sync)->work, finish_sync);
}

static int file_sync(lua_State *L) {
  return when_written(L, check_file(L, "fsync"), "fsync", sync_written);
}

static int seek_to(lua_State *L, rl_file *f, int64_t from, int64_t offset) {
  int64_t to;
  if (__builtin_add_overflow(from, offset, &to) || to < 0) raise_at(L, f, UV_EINVAL, "seek");
  rl_file_seek(f, to);
  lua_pushinteger(L, to);
  return 1;
}

static int finish_seek_end(lua_State *L, rl_pooled *work) {
  file_job *job = (file_job *)work;
  if (work->op.status < 0) raise_at(L, job->file, work->op.status, "seek");
  return seek_to(L, job->file, job->st.st_size, job->size);
}

static int seek_written(lua_State *L, int status, lua_KContext ctx);

enum { SEEK_FROM_START, SEEK_FROM_HERE, SEEK_FROM_END };

static int file_seek(lua_State *L) {
  static const char *const names[] = {"set", "cur", "end", NULL};
  rl_file *f = check_file(L, "seek");
  int from = luaL_checkoption(L, 2, "cur", names);
  lua_Integer offset = luaL_optinteger(L, 3, 0);
  if (!f->seekable) raise_at(L, f, UV_ESPIPE, "seek");
  if (rl_stream_reading(&f->s)) rl_stream_raise_reading(L, &f->s, "seek");
  lua_settop(L, 1);
  lua_pushinteger(L, from);
  lua_pushinteger(L, offset);
  return when_written(L, f, "seek", seek_written);
}

static int seek_written(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_file *f = written(L, ctx, "seek");
  int64_t offset = lua_tointeger(L, 3);
  int from = (int)lua_tointeger(L, 2);
  if (from != SEEK_FROM_END)
    return seek_to(L, f, from == SEEK_FROM_HERE ? rl_file_tell(f) : 0, offset);
  file_job *job = new_job(L, f, run_stat);
  job->size = offset;
  return rl_pooled_wait(L, &job->work, finish_seek_end);
}

static int file_closed(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_file *f = (rl_file *)ctx;
  int err = rl_awaited(L, &f->closer);
  if (err < 0 && err != RL_BROKEN) raise_at(L, f, err, "close");
  return 0;
}

// Closing a file tells of bytes that could not be written, unless another error is already on its
// way.
static int file_close(lua_State *L) {
  rl_stream *s = rl_check_stream(L, 1);
  bool unwinding = !lua_isnoneornil(L, 2);
  if (!s || s->closed) return 0;
  rl_stream_ref(s);
  rl_stream_close(s);
  bool open = rl_stream_is_file(s) && rl_file_of(s)->fd >= 0;
  rl_stream_unref(s);                                   // the box keeps its own
  if (!open || unwinding || !rl_can_wait(L)) return 0;  // no checkpoint: closing never raises one
  rl_file *f = rl_file_of(s);
  if (!rl_file_wait_closed(f, rl_current(L))) return 0;
  return rl_await(L, &f->closer, file_closed, (lua_KContext)f);
}

static const luaL_Reg file_methods[] = {
    RL_STREAM_METHODS,           {"seek", file_seek}, {"stat", file_stat},
    {"truncate", file_truncate}, {"sync", file_sync}, {"close", file_close},
    {"__close", file_close},     {NULL, NULL},
};

static const rl_class file_class = {"rille.File", sizeof(rl_stream_box), file_methods};

// --- pipes

static int pipe_flushed(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  lua_pushcfunction(L, rl_stream_m_close);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  lua_settop(L, 1);
  return 1;
}

// A pipe has no half: its end is told by closing it, once all has gone.
static int pipe_shutdown(lua_State *L) {
  rl_check_open_stream(L, 1, "shutdown");
  lua_settop(L, 1);
  lua_pushcfunction(L, rl_stream_m_flush);
  lua_pushvalue(L, 1);
  lua_callk(L, 1, 0, 0, pipe_flushed);
  return pipe_flushed(L, LUA_OK, 0);
}

static const luaL_Reg pipe_methods[] = {
    RL_STREAM_METHODS, {"shutdown", pipe_shutdown}, {NULL, NULL}};

static const rl_class pipe_class = {"rille.Pipe", sizeof(rl_stream_box), pipe_methods};

static rl_uvstream *open_pipe(rl_loop *loop, int fd, int *err) {
  rl_uvstream *u = rl_uvstream_new(loop, UV_NAMED_PIPE, err);
  if (!u) return NULL;
  *err = uv_pipe_open(&u->uv.pipe, fd);
  if (*err == 0) return u;
  rl_stream_close(&u->s);
  rl_stream_unref(&u->s);
  return NULL;
}

void rl_push_pipe(lua_State *L, int fd) {
  rl_stream_box *box = rl_object_new(L, &pipe_class, 0);
  int err = 0;
  rl_uvstream *u = open_pipe(&rl_state_of(L)->loop, fd, &err);
  if (!u) rl_raise_sys(L, err, "open", NULL, NULL);
  box->stream = &u->s;
}

void rl_push_file(lua_State *L, int fd, const struct stat *st, const char *path) {
  rl_loop *loop = &rl_state_of(L)->loop;
  bool polled = rl_fs_polled(fd, st);
  rl_stream_box *box = rl_object_new(L, polled ? &pipe_class : &file_class, 0);
  int err = UV_ENOMEM;
  if (!polled) {
    rl_file *f = rl_file_new(loop, fd, path);
    if (f) box->stream = &f->s;
  } else {
    rl_uvstream *u =
        S_ISCHR(st->st_mode) ? rl_uvstream_tty(loop, fd, &err) : open_pipe(loop, fd, &err);
    if (u) box->stream = &u->s;
  }
  if (!box->stream) rl_raise_sys(L, err, "open", "path", path);
}

// --- stat

const char *rl_stat_type(const struct stat *st) {
  switch (st->st_mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "link";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    case S_IFCHR: return "character";
    case S_IFBLK: return "block";
    default: return "unknown";
  }
}

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

double rl_stat_time(const struct timespec *t) {
  return (double)t->tv_sec + (double)t->tv_nsec / 1e9;
}

static void set_time(lua_State *L, const char *name, const struct timespec *t) {
  lua_pushnumber(L, rl_stat_time(t));
  lua_setfield(L, -2, name);
}

void rl_push_stat(lua_State *L, const struct stat *st) {
  lua_createtable(L, 0, 11);
  lua_pushstring(L, rl_stat_type(st));
  lua_setfield(L, -2, "type");
  set_integer(L, "size", st->st_size);
  set_integer(L, "mode", st->st_mode & 07777);
  set_integer(L, "uid", st->st_uid);
  set_integer(L, "gid", st->st_gid);
  set_integer(L, "links", (lua_Integer)st->st_nlink);
  set_integer(L, "device", (lua_Integer)st->st_dev);
  set_integer(L, "inode", (lua_Integer)st->st_ino);
  set_time(L, "mtime", &st->st_mtim);
  set_time(L, "atime", &st->st_atim);
  set_time(L, "ctime", &st->st_ctim);
}
