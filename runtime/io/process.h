// Child processes: started on the pool, seen ending through a pidfd, always reaped. SIGCHLD is left
// to the host.
#ifndef RL_IO_PROCESS_H
#define RL_IO_PROCESS_H

#include "runtime/core/lot.h"
#include "runtime/io/handle.h"
#include "runtime/io/pooled.h"

typedef struct rl_process {
  rl_uvhandle handle;
  uv_poll_t poll;
  rl_lot waiters;
  pid_t pid;
  int pidfd;
  bool group;  // it leads a process group of its own
  bool ended;
  int code, signal;  // how it ended: signal 0 for an exit
  uint32_t refs;     // one for the handle while it runs, one for the holder
} rl_process;

// What becomes of a child's descriptor 0, 1 or 2.
typedef enum {
  RL_STDIO_NULL,
  RL_STDIO_INHERIT,
  RL_STDIO_PIPE,
  RL_STDIO_FD,
  RL_STDIO_STDOUT
} rl_stdio;

// The job that starts a child. Strings belong to the job; `finish` takes what it wants of the
// results.
typedef struct rl_spawn {
  rl_pooled work;
  rl_process *process;  // made with the job; a result once pid is set
  char **argv, **env;   // each ends with NULL
  char *cwd;
  rl_stdio how[3];
  int fds[3];      // in: of RL_STDIO_FD, owned by the job. Out: our ends of pipes, or -1
  const char *op;  // the call that failed
  const char *at;  // and what it was done to
  char *why;       // of RL_DENIED, from malloc
} rl_spawn;

rl_spawn *rl_spawn_new(void);  // NULL when memory is out; argv, env and cwd are from malloc

// Gives the started process to the caller, who watches over its end from here on: one reference is
// the caller's. Negative: it was killed and reaped.
int rl_spawn_take(rl_spawn *job, rl_process **out);

// `task` begins to wait, on its own op, for the end; not ended yet.
void rl_process_wait(rl_process *p, struct rl_task *task);
// Sends a signal to the process, or to its whole group. UV_ESRCH: it has ended.
int rl_process_kill(rl_process *p, int signal, bool group);
// The holder is gone: a process that still runs is killed, and reaped when it has ended.
void rl_process_unref(rl_process *p);

#endif
