// --trace: Chrome trace events, one track a task. A track shows what the task runs, and what it
// waits for by name; counters show the loop.
#include "lua/host/seeing.h"

#include "lua/bind/site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COUNTERS_EVERY = 1000000 };  // ns

typedef struct rl_tracing {
  FILE *file;
  uint64_t start, counted;
  int pid;
  bool any;
} rl_tracing;

static double micros(const rl_tracing *t) { return (double)(uv_hrtime() - t->start) / 1e3; }

static void write_string(FILE *f, const char *text) {
  fputc('"', f);
  for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
    if (*p == '"' || *p == '\\') {
      fprintf(f, "\\%c", *p);
    } else if (*p < 0x20 || *p >= 0x7f) {
      fprintf(f, "\\u%04x", *p);
    } else {
      fputc(*p, f);
    }
  }
  fputc('"', f);
}

static void head(rl_tracing *t, const char *phase, uint64_t track) {
  fprintf(t->file, "%s{\"ph\":\"%s\",\"pid\":%d,\"tid\":%llu,\"ts\":%.3f", t->any ? ",\n" : "",
          phase, t->pid, (unsigned long long)track, micros(t));
  t->any = true;
}

static void span(rl_tracing *t, const char *phase, uint64_t track, const char *category,
                 const char *name) {
  head(t, phase, track);
  fprintf(t->file, ",\"cat\":\"%s\",\"name\":", category);
  write_string(t->file, name);
  fputc('}', t->file);
}

static void name_track(rl_tracing *t, const rille_runtime *rt, const rl_ltask *task) {
  char text[300];
  snprintf(text, sizeof text, "task %llu %s", (unsigned long long)task->id,
           rl_site_text(&rt->st, task->site));
  head(t, "M", task->id);
  fputs(",\"name\":\"thread_name\",\"args\":{\"name\":", t->file);
  write_string(t->file, text);
  fputs("}}", t->file);
}

static const char *reason(const rl_ltask *task) {
  const rl_op *op = task->core.op;
  return task->core.state == RL_TASK_BLOCKED && op ? op->kind->name : "ready";
}

static void count(rl_tracing *t, const rille_runtime *rt) {
  uint64_t now = uv_hrtime();
  if (now - t->counted < COUNTERS_EVERY) return;
  t->counted = now;
  head(t, "C", 0);
  fprintf(t->file,
          ",\"name\":\"loop\",\"args\":{\"ready\":%u,\"tasks\":%u,\"pool_queued\":%u,\"pool_"
          "running\":%u}}",
          rt->st.loop.ready, rt->st.alive, rt->st.cpu.queued, rt->st.cpu.running);
  head(t, "C", 0);
  fprintf(t->file, ",\"name\":\"longest step (ms)\",\"args\":{\"ms\":%.3f}}",
          (double)rt->lag_max / 1e6);
}

void rl_tracing_begin(rille_runtime *rt, const rl_ltask *task, bool fresh) {
  rl_tracing *t = rt->tracing;
  if (fresh) {
    name_track(t, rt, task);
  } else {
    span(t, "E", task->id, "wait", "waiting");
  }
  span(t, "B", task->id, "run", "running");
}

void rl_tracing_end(rille_runtime *rt, const rl_ltask *task, bool over) {
  rl_tracing *t = rt->tracing;
  span(t, "E", task->id, "run", "running");
  if (!over) span(t, "B", task->id, "wait", reason(task));
  count(t, rt);
}

int rl_tracing_start(rille_runtime *rt, const char *path) {
  rl_tracing *t = calloc(1, sizeof *t);
  if (!t) return -ENOMEM;
  t->file = fopen(path, "we");
  if (!t->file) {
    free(t);
    return -errno;
  }
  t->start = uv_hrtime();
  t->pid = (int)getpid();
  fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", t->file);
  head(t, "M", 0);
  fputs(",\"name\":\"process_name\",\"args\":{\"name\":\"rille\"}}", t->file);
  rt->tracing = t;
  return 0;
}

void rl_tracing_stop(rille_runtime *rt) {
  rl_tracing *t = rt->tracing;
  rt->tracing = NULL;
  fputs("\n]}\n", t->file);
  if (ferror(t->file) | fclose(t->file)) fputs("rille: the trace could not be written\n", stderr);
  free(t);
}
