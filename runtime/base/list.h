// Intrusive lists: a doubly linked ring whose links know no owner. A link outside any list points
// to itself.
#ifndef RL_BASE_LIST_H
#define RL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rl_link {
  struct rl_link *next, *prev;
} rl_link;

typedef rl_link rl_list;

static inline void rl_link_init(rl_link *l) { l->next = l->prev = l; }
static inline bool rl_list_empty(const rl_list *l) { return l->next == l; }
static inline bool rl_link_linked(const rl_link *l) { return l->next != l; }

static inline void rl_list_push(rl_list *list, rl_link *l) {  // at the tail
  l->prev = list->prev;
  l->next = list;
  list->prev->next = l;
  list->prev = l;
}

static inline void rl_link_remove(rl_link *l) {
  l->prev->next = l->next;
  l->next->prev = l->prev;
  rl_link_init(l);
}

static inline rl_link *rl_list_pop(rl_list *list) {
  rl_link *l = list->next;
  if (l == list) return NULL;
  rl_link_remove(l);
  return l;
}

// Moves every link of `from` to the tail of `to`.
static inline void rl_list_splice(rl_list *to, rl_list *from) {
  if (rl_list_empty(from)) return;
  from->next->prev = to->prev;
  from->prev->next = to;
  to->prev->next = from->next;
  to->prev = from->prev;
  rl_link_init(from);
}

#endif
