// Starting a child: posix_spawn, which shares memory instead of copying page tables and reports a
// failed exec, on the pool.
#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/io/permit.h"
#include "runtime/io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void free_strings(char **strings) {
  for (char **s = strings; s && *s; s++) free(*s);
  free(strings);
}

static void drop(rl_pooled *work) {
  rl_spawn *job = (rl_spawn *)work;
  rl_process *p = job->process, *ours;
  for (int i = 0; i < 3; i++) close_fd(&job->fds[i]);
  if (p && p->pid <= 0) {
    free(p);
  } else if (p && rl_spawn_take(job, &ours) == 0) {
    rl_process_unref(ours);  // started for a task that is no longer there
  }
  free_strings(job->argv);
  free_strings(job->env);
  free(job->cwd);
  free(job->why);
  free(job);
}

// Moves a descriptor above 2: there it is neither overwritten by a dup2 nor taken for one of ours.
static int lift(int *fd) {
  if (*fd < 0) return -errno;
  if (*fd > 2) return 0;
  int high = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
  int err = high < 0 ? -errno : 0;
  close(*fd);
  *fd = high;
  return err;
}

static int make_pipe(int *ours, int *theirs, bool we_write) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  *ours = ends[we_write];
  *theirs = ends[!we_write];
  int err = lift(ours), other = lift(theirs);
  return err < 0 ? err : other;
}

static int prepare(rl_spawn *job, int i, int child[3]) {
  switch (job->how[i]) {
    case RL_STDIO_NULL:
      job->op = "open";
      job->at = "/dev/null";
      child[i] = open("/dev/null", (i ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
      return lift(&child[i]);
    case RL_STDIO_PIPE:
      job->op = "pipe";
      job->at = job->argv[0];
      return make_pipe(&job->fds[i], &child[i], i == 0);
    case RL_STDIO_FD:
      child[i] = job->fds[i];
      job->fds[i] = -1;
      return 0;
    default: return 0;
  }
}

static int add_stdio(posix_spawn_file_actions_t *actions, rl_spawn *job, const int child[3]) {
  int err = 0;
  for (int i = 0; i < 3 && !err; i++) {
    if (job->how[i] == RL_STDIO_STDOUT) {
      err = posix_spawn_file_actions_adddup2(actions, 1, i);
    } else if (job->how[i] != RL_STDIO_INHERIT) {
      err = posix_spawn_file_actions_adddup2(actions, child[i], i);
    } else if (fcntl(i, F_GETFD) >= 0) {
      err = posix_spawn_file_actions_adddup2(actions, i, i);
    }
  }
  return err;
}

static int set_attributes(posix_spawnattr_t *attr, bool group) {
  sigset_t none, pipe;
  sigemptyset(&none);
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);  // ignored by us, and not by programs
  int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (group ? POSIX_SPAWN_SETPGROUP : 0);
  int err = posix_spawnattr_setflags(attr, (short)flags);
  if (!err) err = posix_spawnattr_setsigmask(attr, &none);
  if (!err) err = posix_spawnattr_setsigdefault(attr, &pipe);
  if (!err && group) err = posix_spawnattr_setpgroup(attr, 0);
  return err;
}

// The program to start: under permissions its canonical path, which is what was permitted.
static int find(rl_spawn *job, char real[PATH_MAX], const char **program) {
  const rl_permit *permit = job->work.loop->permit;
  *program = job->argv[0];
  if (!permit) return 0;
  *program = real;
  job->why = malloc(RL_REFUSAL);
  return job->why ? rl_permit_program(permit, job->argv[0], job->cwd, real, job->why) : -ENOMEM;
}

static int start(rl_spawn *job, const char *program, const int child[3]) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  int err = posix_spawn_file_actions_init(&actions);
  if (err) return -err;
  err = posix_spawnattr_init(&attr);
  if (err) {
    posix_spawn_file_actions_destroy(&actions);
    return -err;
  }
  err = add_stdio(&actions, job, child);
  if (!err && job->cwd) err = posix_spawn_file_actions_addchdir_np(&actions, job->cwd);
  if (!err) err = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (!err) err = set_attributes(&attr, job->process->group);
  pid_t pid = 0;
  if (!err)
    err = posix_spawnp(&pid, program, &actions, &attr, job->argv, job->env ? job->env : environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&actions);
  if (!err) job->process->pid = pid;
  return -err;
}

// posix_spawn does not say whether the directory or the program was at fault.
static void blame(rl_spawn *job) {
  job->op = "spawn";
  job->at = job->argv[0];
  struct stat st;
  if (job->cwd && (stat(job->cwd, &st) < 0 || !S_ISDIR(st.st_mode) || access(job->cwd, X_OK) < 0)) {
    job->op = "chdir";
    job->at = job->cwd;
  }
}

static int open_pidfd(rl_spawn *job) {
  rl_process *p = job->process;
  p->pidfd = pidfd_open(p->pid, 0);
  if (p->pidfd >= 0) return 0;
  int err = -errno;
  kill(p->pid, SIGKILL);
  while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) continue;
  p->pid = 0;
  return err;
}

static int run(rl_pooled *work) {
  rl_spawn *job = (rl_spawn *)work;
  int child[3] = {-1, -1, -1};
  char real[PATH_MAX];
  const char *program;
  int err = find(job, real, &program);
  blame(job);
  for (int i = 0; i < 3 && err == 0; i++) err = prepare(job, i, child);
  if (err == 0) {
    err = start(job, program, child);
    blame(job);
  }
  for (int i = 0; i < 3; i++) close_fd(&child[i]);
  return err < 0 ? err : open_pidfd(job);
}

rl_spawn *rl_spawn_new(void) {
  rl_spawn *job = calloc(1, sizeof *job);
  rl_process *p = calloc(1, sizeof *p);
  if (!job || !p) {
    free(job);
    free(p);
    return NULL;
  }
  job->work.run = run;
  job->work.drop = drop;
  job->work.stays =
      true;  // it is short; and a cancelled caller knows that the child is being ended
  job->process = p;
  for (int i = 0; i < 3; i++) job->fds[i] = -1;
  rl_lot_init(&p->waiters);
  p->pidfd = -1;
  p->refs = 1;
  return job;
}
