// --profile: a timer signal asks for the running stack, and counts the ticks of waiting. Written as
// collapsed stacks (FILE) and for speedscope (FILE.speedscope.json).
#include "lua/host/seeing.h"

#include "lua/bind/resume.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HERTZ = 997, STACK_MAX = 64, TEXT_MAX = 4096, BUCKETS = 4096 };

typedef struct stack {
  struct stack *next;
  uint64_t count;
  char text[];  // outermost first, joined by ';'
} stack;

typedef struct rl_profile {
  char *path;
  timer_t timer;
  atomic_uint idle;  // ticks while no task ran
  uint64_t samples;
  stack *buckets[BUCKETS];
} rl_profile;

static _Atomic(rille_runtime *) profiled;  // for the signal handler, which has no other way

static void on_tick(int number) {
  (void)number;
  int saved = errno;
  rille_runtime *rt = atomic_load(&profiled);
  if (rt && rt->profile) {
    if (rt->st.current) {
      rl_ask(rt, RL_ASK_SAMPLE);
    } else {
      atomic_fetch_add(&rt->profile->idle, 1);
    }
  }
  errno = saved;
}

static void note(rl_profile *p, const char *text, uint64_t count) {
  size_t length = strlen(text), hash = 5381;
  for (size_t i = 0; i < length; i++) hash = hash * 33 ^ (unsigned char)text[i];
  stack **at = &p->buckets[hash % BUCKETS];
  while (*at && strcmp((*at)->text, text) != 0) at = &(*at)->next;
  if (!*at) {
    *at = calloc(1, sizeof **at + length + 1);
    if (!*at) return;
    memcpy((*at)->text, text, length + 1);
  }
  (*at)->count += count;
  p->samples += count;
}

static void frame_name(char *out, size_t size, lua_State *L, lua_Debug *ar) {
  lua_getinfo(L, "Sn", ar);
  const char *name = ar->name ? ar->name : "?";
  if (*ar->what == 'm') {
    snprintf(out, size, "%s", ar->short_src);
  } else if (*ar->what == 'C') {
    snprintf(out, size, "[C] %s", name);
  } else {
    snprintf(out, size, "%s %s:%d", ar->name ? name : "function", ar->short_src, ar->linedefined);
  }
  for (char *c = out; *c; c++) {
    if (*c == ';' || *c == '\n') *c = ',';
  }
}

// Adds the frames of `co`, outermost first.
static void add_frames(char *text, lua_State *co) {
  lua_Debug ar;
  int depth = 0;
  while (depth < 10000 && lua_getstack(co, depth, &ar)) depth++;
  int first = depth < STACK_MAX ? depth - 1 : STACK_MAX - 1;
  for (int level = first; level >= 0 && lua_getstack(co, level, &ar); level--) {
    char frame[200];
    frame_name(frame, sizeof frame, co, &ar);
    if (strncmp(frame, "[C] ?", 5) == 0) continue;  // the roots of tasks
    size_t used = strlen(text);
    snprintf(text + used, TEXT_MAX - used, ";%s", frame);
  }
}

static void note_task(rl_profile *p, const rl_ltask *t, const char *mode, const char *leaf,
                      uint64_t count) {
  char text[TEXT_MAX] = "";
  snprintf(text, sizeof text, "%s", mode);
  if (t->L) add_frames(text, t->L);
  for (int i = 0; i < t->depth; i++) add_frames(text, t->chain[i]);
  size_t used = strlen(text);
  if (leaf) snprintf(text + used, sizeof text - used, ";(%s)", leaf);
  note(p, text, count);
}

void rl_profile_sample(rille_runtime *rt, lua_State *L) {
  (void)L;
  if (rt->profile && rt->st.current) note_task(rt->profile, rt->st.current, "running", NULL, 1);
}

static void note_waiting(rl_profile *p, const rl_scope *s, uint64_t count) {
  for (const rl_link *l = s->members.next; l != &s->members; l = l->next) {
    const rl_ltask *t = rl_ltask_of(rl_container_of(l, rl_task, member));
    if (t->core.state == RL_TASK_BLOCKED && t->core.op)
      note_task(p, t, "waiting", t->core.op->kind->name, count);
  }
  for (const rl_link *l = s->scopes.next; l != &s->scopes; l = l->next)
    note_waiting(p, rl_container_of(l, rl_scope, sibling), count);
}

void rl_profile_polled(rille_runtime *rt) {
  uint64_t ticks = atomic_exchange(&rt->profile->idle, 0);
  if (!ticks) return;
  note_waiting(rt->profile, rt->st.main_scope, ticks);
  note_waiting(rt->profile, rt->st.detached, ticks);
}

int rl_profile_start(rille_runtime *rt, const char *path) {
  rl_profile *p = calloc(1, sizeof *p);
  if (!p || !(p->path = strdup(path))) {
    free(p);
    return -ENOMEM;
  }
  FILE *probe = fopen(path, "we");
  if (!probe) {
    int err = -errno;
    free(p->path);
    free(p);
    return err;
  }
  fclose(probe);
  rt->profile = p;
  atomic_store(&profiled, rt);
  struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGPROF, &action, NULL);
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
  event._sigev_un._tid = gettid();
  struct itimerspec every = {.it_interval.tv_nsec = 1000000000 / HERTZ,
                             .it_value.tv_nsec = 1000000000 / HERTZ};
  if (timer_create(CLOCK_MONOTONIC, &event, &p->timer) < 0) return -errno;
  timer_settime(p->timer, 0, &every, NULL);
  return 0;
}

// What ran comes before what waited, then the most frequent first.
static int by_count(const void *a, const void *b) {
  const stack *x = *(stack *const *)a, *y = *(stack *const *)b;
  if (x->text[0] != y->text[0]) return x->text[0] - y->text[0];
  return x->count < y->count ? 1 : x->count > y->count ? -1 : strcmp(x->text, y->text);
}

static size_t sort_stacks(rl_profile *p, stack ***out) {
  size_t count = 0;
  for (int i = 0; i < BUCKETS; i++) {
    for (stack *s = p->buckets[i]; s; s = s->next) count++;
  }
  stack **all = *out = calloc(count + 1, sizeof *all);
  if (!all) return 0;
  count = 0;
  for (int i = 0; i < BUCKETS; i++) {
    for (stack *s = p->buckets[i]; s; s = s->next) all[count++] = s;
  }
  qsort(all, count, sizeof *all, by_count);
  return count;
}

static void write_collapsed(FILE *f, stack **all, size_t count) {
  for (size_t i = 0; i < count; i++)
    fprintf(f, "%s %llu\n", all[i]->text, (unsigned long long)all[i]->count);
}

static void write_json(FILE *f, const char *text, size_t length) {
  fputc('"', f);
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\') {
      fprintf(f, "\\%c", c);
    } else if (c < 0x20) {
      fprintf(f, "\\u%04x", c);
    } else {
      fputc(c, f);
    }
  }
  fputc('"', f);
}

// Of a frame's name: the next in its stack; NULL: it was the innermost.
static const char *next_frame(const char *name) {
  const char *end = strchr(name, ';');
  return end ? end + 1 : NULL;
}

// Anew for each stack: a frame's number is its place in this list.
static void write_frames(FILE *f, stack **all, size_t count) {
  const char *comma = "";
  for (size_t i = 0; i < count; i++) {
    for (const char *name = all[i]->text; name; name = next_frame(name)) {
      fprintf(f, "%s{\"name\":", comma);
      write_json(f, name, strcspn(name, ";"));
      fputc('}', f);
      comma = ",";
    }
  }
}

static bool is_of(const stack *s, const char *mode) {
  return strncmp(s->text, mode, strlen(mode)) == 0;
}

static void write_samples(FILE *f, stack **all, size_t count, const char *mode) {
  size_t frame = 0;
  const char *comma = "";
  for (size_t i = 0; i < count; i++) {
    size_t first = frame;
    for (const char *name = all[i]->text; name; name = next_frame(name)) frame++;
    if (!is_of(all[i], mode)) continue;
    fprintf(f, "%s[%zu", comma, first);
    while (++first < frame) fprintf(f, ",%zu", first);
    fputc(']', f);
    comma = ",";
  }
}

// Returns their sum.
static unsigned long long write_weights(FILE *f, stack **all, size_t count, const char *mode) {
  unsigned long long total = 0;
  const char *comma = "";
  for (size_t i = 0; i < count; i++) {
    if (!is_of(all[i], mode)) continue;
    fprintf(f, "%s%llu", comma, (unsigned long long)all[i]->count);
    comma = ",";
    total += all[i]->count;
  }
  return total;
}

// One profile each of what ran and what waited.
static void write_speedscope(FILE *f, stack **all, size_t count) {
  static const char *const modes[] = {"running", "waiting"};
  fputs(
      "{\"$schema\":\"https://www.speedscope.app/"
      "file-format-schema.json\",\"shared\":{\"frames\":[",
      f);
  write_frames(f, all, count);
  fputs("]},\"profiles\":[", f);
  for (int m = 0; m < 2; m++) {
    fprintf(f, "%s{\"type\":\"sampled\",\"name\":\"%s\",\"unit\":\"none\",\"startValue\":0,",
            m ? "," : "", modes[m]);
    fputs("\"samples\":[", f);
    write_samples(f, all, count, modes[m]);
    fputs("],\"weights\":[", f);
    fprintf(f, "],\"endValue\":%llu}", write_weights(f, all, count, modes[m]));
  }
  fputs("]}\n", f);
}

static void write_file(const char *path, stack **all, size_t count,
                       void (*writer)(FILE *, stack **, size_t)) {
  FILE *f = fopen(path, "we");
  if (f) writer(f, all, count);
  if (!f || ferror(f) | fclose(f)) fprintf(stderr, "rille: cannot write '%s'\n", path);
}

void rl_profile_stop(rille_runtime *rt) {
  rl_profile *p = rt->profile;
  timer_delete(p->timer);
  signal(SIGPROF, SIG_IGN);
  atomic_store(&profiled, NULL);
  rt->profile = NULL;
  stack **all;
  size_t count = sort_stacks(p, &all);
  write_file(p->path, all, count, write_collapsed);
  char json[TEXT_MAX];
  snprintf(json, sizeof json, "%s.speedscope.json", p->path);
  write_file(json, all, count, write_speedscope);
  for (size_t i = 0; i < count; i++) free(all[i]);
  free(all);
  free(p->path);
  free(p);
}
