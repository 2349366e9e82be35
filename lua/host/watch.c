// The watch thread: sees that a step of a task goes on and on, and has it say where; answers
// `rille ps` on a socket that only the owner may open. It signals the loop's thread, whose handler
// asks the running coroutine.
#include "lua/host/seeing.h"

#include "lua/bind/resume.h"
#include "lua/bind/site.h"
#include "lua/bind/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_WITHIN = 2000 };  // ms

typedef struct rl_watch {
  rille_runtime *rt;
  pthread_t loop, self;
  uint64_t limit;         // ns; 0: steps are not watched
  atomic_ullong step;     // odd while a task runs
  atomic_uint wanted;     // of the handler
  atomic_ullong began;    // as the thread saw it first
  int stop[2], listener;  // a pipe; a socket, or -1
  struct sigaction before;
  struct sockaddr_un name;
  pthread_mutex_t lock;
  pthread_cond_t answered;
  char *answer;
} rl_watch;

static _Atomic(rl_watch *) watching;  // for the signal handler, which has no other way

// The signal is also that of rille_interrupt, whose handler goes on being called.
static void on_nudge(int number, siginfo_t *info, void *context) {
  int saved = errno;
  rl_watch *w = atomic_load(&watching);
  if (w) {
    unsigned wanted = atomic_exchange(&w->wanted, 0);
    if (wanted) rl_ask(w->rt, wanted);
    if (w->before.sa_flags & SA_SIGINFO) w->before.sa_sigaction(number, info, context);
  }
  errno = saved;
}

static void nudge(rl_watch *w, unsigned what) {
  atomic_fetch_or(&w->wanted, what);
  pthread_kill(w->loop, SIGURG);
}

void rl_watch_step(rille_runtime *rt) {
  atomic_fetch_add_explicit(&rt->watch->step, 1, memory_order_relaxed);
}

// On the loop's thread, while the step goes on.
void rl_watch_report(rille_runtime *rt) {
  rl_watch *w = rt->watch;
  rl_state *st = &rt->st;
  if (!w || !st->current || !lua_checkstack(st->L, 8)) return;
  st->critical++;
  uint64_t ms = (uv_hrtime() - atomic_load(&w->began)) / 1000000;
  rl_push_stack(st->L, rl_innermost(st->current), 0, false);
  lua_pushfstring(st->L, "warning: task %d has held up the loop for %d ms (spawned at %s)%s",
                  (int)st->current->id, (int)ms, rl_site_text(st, st->current->site),
                  lua_tostring(st->L, -1));
  rl_report_text(st, lua_tostring(st->L, -1));
  lua_pop(st->L, 2);
  st->critical--;
}

void rl_watch_answer(rille_runtime *rt) {
  rl_watch *w = rt->watch;
  if (!w || !lua_checkstack(rt->st.L, 8)) return;
  rt->st.critical++;
  rl_push_task_tree(rt->st.L, "tasks:");
  rt->st.critical--;
  pthread_mutex_lock(&w->lock);
  free(w->answer);
  w->answer = strdup(lua_tostring(rt->st.L, -1));
  pthread_cond_signal(&w->answered);
  pthread_mutex_unlock(&w->lock);
  lua_pop(rt->st.L, 1);
}

// The thread.

static char *ask_tree(rl_watch *w) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += ANSWER_WITHIN / 1000;
  nudge(w, RL_ASK_ANSWER);
  pthread_mutex_lock(&w->lock);
  while (!w->answer) {
    if (pthread_cond_timedwait(&w->answered, &w->lock, &until) != 0) break;
  }
  char *answer = w->answer;
  w->answer = NULL;
  pthread_mutex_unlock(&w->lock);
  return answer;
}

static void serve(rl_watch *w) {
  int fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return;
  char *answer = ask_tree(w);
  const char *text = answer ? answer : "no answer: a C function has run for two seconds";
  size_t length = strlen(text);
  for (ssize_t n; length > 0 && (n = send(fd, text, length, MSG_NOSIGNAL)) > 0;) {
    text += n;
    length -= (size_t)n;
  }
  free(answer);
  close(fd);
}

typedef struct sight {
  uint64_t step, since;
  bool told;
} sight;

static void look(rl_watch *w, sight *seen) {
  uint64_t step = atomic_load_explicit(&w->step, memory_order_relaxed), now = uv_hrtime();
  if (step != seen->step) {
    *seen = (sight){step, now, false};
    return;
  }
  if (step % 2 == 0 || seen->told || now - seen->since < w->limit) return;
  seen->told = true;
  atomic_store(&w->began, seen->since);
  nudge(w, RL_ASK_BLOCKED);
}

static void *run(void *ud) {
  rl_watch *w = ud;
  sight seen = {0};
  struct pollfd fds[2] = {{w->stop[0], POLLIN, 0}, {w->listener, POLLIN, 0}};
  int every = w->limit ? (int)(w->limit / 4000000) : -1;
  if (every == 0) every = 1;
  for (;;) {
    int ready = poll(fds, w->listener >= 0 ? 2 : 1, every);
    if (ready > 0 && fds[0].revents) return NULL;
    if (ready > 0 && w->listener >= 0 && fds[1].revents) serve(w);
    if (w->limit) look(w, &seen);
  }
}

// The socket.

static int socket_name(struct sockaddr_un *name) {
  const char *base = getenv("XDG_RUNTIME_DIR");
  *name = (struct sockaddr_un){.sun_family = AF_UNIX};
  char dir[80];
  if (!base || !*base || strlen(base) > 60) {
    snprintf(dir, sizeof dir, "/tmp/rille-%d", (int)getuid());
    if (mkdir(dir, 0700) < 0 && errno != EEXIST) return -errno;
    struct stat st;
    if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != getuid() ||
        (st.st_mode & 077) != 0)
      return -EPERM;
    base = dir;
  }
  snprintf(name->sun_path, sizeof name->sun_path, "%s/rille-%d.sock", base, (int)getpid());
  return 0;
}

static int open_socket(rl_watch *w) {
  int err = socket_name(&w->name);
  if (err < 0) return err;
  w->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (w->listener < 0) return -errno;
  unlink(w->name.sun_path);
  if (bind(w->listener, (struct sockaddr *)&w->name, sizeof w->name) < 0 ||
      chmod(w->name.sun_path, 0600) < 0 || listen(w->listener, 4) < 0)
    return -errno;
  return 0;
}

static void watch_free(rl_watch *w) {
  if (w->listener >= 0) {
    close(w->listener);
    unlink(w->name.sun_path);
  }
  if (w->stop[0] >= 0) close(w->stop[0]);
  if (w->stop[1] >= 0) close(w->stop[1]);
  pthread_mutex_destroy(&w->lock);
  pthread_cond_destroy(&w->answered);
  free(w->answer);
  free(w);
}

// The thread takes none of the process's signals.
static int start_thread(rl_watch *w) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int err = pthread_create(&w->self, NULL, run, w);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return -err;
}

int rl_watch_start(rille_runtime *rt, uint64_t warn_blocking, bool ps) {
  rl_watch *w = calloc(1, sizeof *w);
  if (!w) return -ENOMEM;
  w->rt = rt;
  w->loop = pthread_self();
  w->limit = warn_blocking;
  w->listener = w->stop[0] = w->stop[1] = -1;
  pthread_mutex_init(&w->lock, NULL);
  pthread_cond_init(&w->answered, NULL);
  int err = pipe2(w->stop, O_CLOEXEC) < 0 ? -errno : 0;
  if (err == 0 && ps) err = open_socket(w);
  if (err == 0) {
    struct sigaction action = {.sa_sigaction = on_nudge, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGURG, &action, &w->before);
    atomic_store(&watching, w);
    rt->watch = w;
    err = start_thread(w);
  }
  if (err == 0) return 0;
  atomic_store(&watching, NULL);
  rt->watch = NULL;
  watch_free(w);
  return err;
}

void rl_watch_stop(rille_runtime *rt) {
  rl_watch *w = rt->watch;
  if (write(w->stop[1], "", 1) != 1) return;
  pthread_join(w->self, NULL);
  sigaction(SIGURG, &w->before, NULL);
  atomic_store(&watching, NULL);
  rt->watch = NULL;
  watch_free(w);
}
