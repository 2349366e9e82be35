// Interned places in scripts: a small number for each "FILE:LINE".
#include "lua/bind/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SITES_CACHED = 64 };

typedef struct site {
  char *text;  // "FILE:LINE"
  int line;
  char file[LUA_IDSIZE];
} site;

struct rl_sites {
  site *all;
  int count, cap;
  int cache[SITES_CACHED];
};

static struct rl_sites *sites_of(rl_state *st) {
  if (!st->sites) st->sites = calloc(1, sizeof *st->sites);
  return st->sites;
}

void rl_sites_free(rl_state *st) {
  if (!st->sites) return;
  for (int i = 0; i < st->sites->count; i++) free(st->sites->all[i].text);
  free(st->sites->all);
  free(st->sites);
  st->sites = NULL;
}

static bool same_place(const site *s, const lua_Debug *ar) {
  return s->line == ar->currentline && strcmp(s->file, ar->short_src) == 0;
}

static int add_site(struct rl_sites *sites, const lua_Debug *ar) {
  if (sites->count == sites->cap) {
    int cap = sites->cap ? sites->cap * 2 : 32;
    site *all = realloc(sites->all, (size_t)cap * sizeof *all);
    if (!all) return 0;
    sites->all = all;
    sites->cap = cap;
  }
  size_t size = strlen(ar->short_src) + 16;
  char *text = malloc(size);
  if (!text) return 0;
  snprintf(text, size, "%s:%d", ar->short_src, ar->currentline);
  site *s = &sites->all[sites->count++];
  *s = (site){.text = text, .line = ar->currentline};
  memcpy(s->file, ar->short_src, LUA_IDSIZE);
  return sites->count;
}

static int site_of(lua_State *L, const lua_Debug *ar) {
  if (ar->currentline < 0) return 0;
  struct rl_sites *sites = sites_of(rl_state_of(L));
  if (!sites) return 0;
  // A function's source text may move or be freed: the pointer is only a hint, the text decides.
  size_t hash = ((uintptr_t)ar->source / 16 * 31 + (size_t)ar->currentline) % SITES_CACHED;
  int cached = sites->cache[hash];
  if (cached && same_place(&sites->all[cached - 1], ar)) return cached;
  for (int i = 0; i < sites->count; i++) {
    if (same_place(&sites->all[i], ar)) return sites->cache[hash] = i + 1;
  }
  int added = add_site(sites, ar);
  return sites->cache[hash] = added;
}

int rl_site_here(lua_State *L) {
  lua_Debug ar;
  if (!lua_getstack(L, 1, &ar)) return 0;
  lua_getinfo(L, "Sl", &ar);
  return site_of(L, &ar);
}

// The innermost place in the script itself, not in the standard library.
static int place_now(rl_loop *loop) {
  rl_state *st = loop->owner;
  int site = 0;
  lua_Debug ar;
  for (int level = 0; st->running && lua_getstack(st->running, level, &ar); level++) {
    lua_getinfo(st->running, "Sl", &ar);
    if (ar.currentline < 0) continue;
    site = site_of(st->running, &ar);
    if (strncmp(ar.source, "@rille/", 7) != 0) break;
  }
  return site;
}

const char *rl_site_text(const rl_state *st, int number) {
  return number && st->sites ? st->sites->all[number - 1].text : "?";
}

void rl_site_unclosed(const rl_state *st, const char *what, int place) {
  if (!st->debug || !place) return;
  fprintf(stderr, "rille: a %s opened at %s was not closed\n", what, rl_site_text(st, place));
}

void rl_site_watch(rl_state *st) { st->loop.place = place_now; }
