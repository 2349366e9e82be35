// Looking at a program while it runs: the task tree, what blocks the loop, traces, profiles.
#ifndef RL_HOST_SEEING_H
#define RL_HOST_SEEING_H

#include "lua/host/runtime.h"

enum {
  RL_ASK_REPORT = 1,     // print the task tree on stderr
  RL_ASK_INTERRUPT = 2,  // raise an error in what runs, or wake who waits for an interrupt
  RL_ASK_SAMPLE = 4,     // note the stack
  RL_ASK_BLOCKED = 8,    // print the stack of what holds up the loop
  RL_ASK_ANSWER = 16,    // give the task tree to the watch thread
};

// Signal handlers on the loop's thread.
void rl_ask(rille_runtime *rt, unsigned what);
// After a poll: what no coroutine has done.
void rl_asked(rille_runtime *rt);

// Pushes the tree of tasks: states, reasons, ages, owners, stacks.
void rl_push_task_tree(lua_State *L, const char *title);
void rl_report_tasks(rl_state *st);
const char *rl_task_state_name(const rl_ltask *t);
const rl_ltask *rl_task_awaited(const rl_ltask *t);  // who owns what it waits for, or NULL

typedef struct rl_seeing_options {
  const char *trace, *profile;  // files, or NULL
  uint64_t warn_blocking;       // ns; 0: off
  bool ps;                      // answer `rille ps`
} rl_seeing_options;

// Starts what the command line asks for; a negative error and its subject otherwise.
int rl_seeing_start(rille_runtime *rt, const rl_seeing_options *o, const char **subject);
// Before the runtime closes its state: ends the threads and writes the files.
void rl_seeing_stop(rille_runtime *rt);

void rl_seeing_measure(rille_runtime *rt);  // from now on steps are timed

// The watch thread: finds steps that last too long, answers `rille ps`.
struct rl_watch;
int rl_watch_start(rille_runtime *rt, uint64_t warn_blocking, bool ps);
void rl_watch_stop(rille_runtime *rt);
void rl_watch_report(rille_runtime *rt);
void rl_watch_answer(rille_runtime *rt);
void rl_watch_step(rille_runtime *rt);  // a step begins or ends

int rl_tracing_start(rille_runtime *rt, const char *path);
void rl_tracing_stop(rille_runtime *rt);
void rl_tracing_begin(rille_runtime *rt, const rl_ltask *t, bool fresh);
void rl_tracing_end(rille_runtime *rt, const rl_ltask *t, bool over);

int rl_profile_start(rille_runtime *rt, const char *path);
void rl_profile_stop(rille_runtime *rt);
void rl_profile_sample(rille_runtime *rt, lua_State *L);
void rl_profile_polled(rille_runtime *rt);  // counts the ticks that passed in the poll

#endif
