// Child processes.
#include "runtime/io/process.h"

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/core/task.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void release(rl_process *p) {
  if (--p->refs == 0) free(p);
}

static void on_closed(rl_uvhandle *h) {
  rl_process *p = rl_container_of(h, rl_process, handle);
  close(p->pidfd);
  release(p);
}

static void ended(rl_process *p, int status) {
  p->ended = true;
  p->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  p->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + p->signal;
  rl_uvhandle_close(&p->handle);
  rl_lot_wake_all(&p->waiters, 0);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  rl_process *p = rl_container_of(poll, rl_process, poll);
  int how = 0;
  pid_t got = waitpid(p->pid, &how, WNOHANG);
  // ECHILD: the host ignores SIGCHLD, or has reaped it; how it ended is lost.
  if (got == p->pid || (got < 0 && errno == ECHILD)) ended(p, how);
}

// Without a way to be told, there is only waiting; a killed process ends soon.
static void reap_now(pid_t pid) {
  kill(pid, SIGKILL);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}

static int watch(rl_process *p, rl_loop *loop) {
  int err = uv_poll_init(loop->uv, &p->poll, p->pidfd);
  if (err < 0) return err;
  rl_uvhandle_opened(&p->handle, loop, &p->poll, on_closed);
  p->refs++;
  err = uv_poll_start(&p->poll, UV_READABLE, on_readable);
  if (err < 0) rl_uvhandle_close(&p->handle);
  return err;
}

int rl_spawn_take(rl_spawn *job, rl_process **out) {
  rl_process *p = job->process;
  job->process = NULL;
  int err = watch(p, job->work.loop);
  if (err < 0) {
    reap_now(p->pid);
    p->ended = true;
    if (!p->handle.uv) close(p->pidfd);
    release(p);
    return err;
  }
  *out = p;
  return 0;
}

static const rl_op_kind wait_kind = {"process:wait", rl_lot_stop, NULL, RL_HOLD_REAL};

void rl_process_wait(rl_process *p, rl_task *task) {
  rl_op_init(&task->wait, &wait_kind);
  rl_op_begin(&task->wait, task);
  rl_lot_park(&p->waiters, &task->wait);
}

int rl_process_kill(rl_process *p, int signal, bool group) {
  if (p->ended) return UV_ESRCH;
  return kill(group && p->group ? -p->pid : p->pid, signal) < 0 ? -errno : 0;
}

void rl_process_unref(rl_process *p) {
  rl_process_kill(p, SIGKILL, true);
  release(p);
}
