// rille.native.line: a line editor on the terminal that leaves the loop running while one types.
// libedit is given the terminal only when bytes are there, so it never blocks.
#include "lua/bind/await.h"
#include "lua/bind/class.h"
#include "lua/bind/error.h"
#include "runtime/io/handle.h"

#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { HISTORY_MAX = 5000, PROMPT_MAX = 128 };

// Outlives the editor until libuv has closed it.
typedef struct watcher {
  rl_uvhandle handle;
  uv_poll_t poll;
  rl_op op;
  bool reading;
} watcher;

typedef struct editor {
  rl_box box;
  EditLine *el;
  History *history;
  watcher *w;
  lua_State *L;  // who reads, while libedit runs
  int complete;  // registry reference: the function that completes
  int length;    // of the line before the last key
  int prompt_width;
  bool end, shown;
  char prompt[PROMPT_MAX];
} editor;

static rl_stop read_stop(rl_op *op) {
  uv_poll_stop(&rl_container_of(op, watcher, op)->poll);
  return RL_STOP_NOW;
}

static const rl_op_kind read_kind = {"terminal:read", read_stop, NULL, RL_HOLD_PASSIVE};

static void on_readable(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  watcher *w = rl_container_of(poll, watcher, poll);
  uv_poll_stop(poll);
  rl_op_finish(&w->op, 0);
}

static void on_closed(rl_uvhandle *h) { free(rl_container_of(h, watcher, handle)); }

static int watcher_open(rl_loop *loop, watcher **out) {
  watcher *w = calloc(1, sizeof *w);
  if (!w) return UV_ENOMEM;
  int flags = fcntl(0, F_GETFL);
  int err = uv_poll_init(loop->uv, &w->poll, 0);
  fcntl(0, F_SETFL, flags);  // of the terminal, which output shares
  if (err < 0) {
    free(w);
    return err;
  }
  rl_uvhandle_opened(&w->handle, loop, &w->poll, on_closed);
  rl_op_init(&w->op, &read_kind);
  *out = w;
  return 0;
}

// What the cursor has passed since the beginning of the prompt, in rows of the screen.
static int rows_above(const editor *ed) {
  struct winsize size = {0};
  if (ioctl(1, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) size.ws_col = 80;
  const LineInfo *line = el_line(ed->el);
  int row = 0, column = ed->prompt_width;
  mbstate_t state = {0};
  for (const char *p = line->buffer; p < line->cursor;) {
    wchar_t c = L'?';
    size_t n = mbrtowc(&c, p, (size_t)(line->cursor - p), &state);
    if (n == 0 || n > (size_t)(line->cursor - p)) n = 1;
    int width = wcwidth(c);
    p += n;
    if (c == L'\n') {
      row++;
      column = 0;
      continue;
    }
    column += width > 0 ? width : 0;
    if (column >= size.ws_col) {
      row++;
      column -= size.ws_col;
    }
  }
  return row;
}

static void hide(editor *ed) {
  if (!ed->shown) return;
  int rows = rows_above(ed);
  fflush(stdout);
  if (rows > 0) {
    fprintf(stdout, "\r\33[%dA\33[J", rows);
  } else {
    fputs("\r\33[J", stdout);
  }
  fflush(stdout);
  ed->shown = false;
}

static void show(editor *ed) {
  if (ed->shown || !ed->w || !ed->w->reading) return;
  fflush(stdout);
  el_set(ed->el, EL_REFRESH);
  ed->shown = true;
}

// Keys.

static editor *editor_of(EditLine *el) {
  void *ed;
  el_get(el, EL_CLIENTDATA, &ed);
  return ed;
}

static char *prompt_of(EditLine *el) { return editor_of(el)->prompt; }

// Ctrl-D: the end on an empty line, else deletes.
static unsigned char key_end(EditLine *el, int key) {
  (void)key;
  const LineInfo *line = el_line(el);
  if (line->lastchar == line->buffer) {
    editor_of(el)->end = true;
    return CC_NORM;
  }
  if (line->cursor == line->lastchar) return CC_ERROR;
  el_cursor(el, 1);
  el_deletestr(el, 1);
  return CC_REFRESH;
}

// Tab: complete(line before the cursor) -> text to insert, text to show below.
static unsigned char key_complete(EditLine *el, int key) {
  (void)key;
  editor *ed = editor_of(el);
  lua_State *L = ed->L;
  const LineInfo *line = el_line(el);
  if (!lua_checkstack(L, 6)) return CC_ERROR;
  lua_rawgeti(L, LUA_REGISTRYINDEX, ed->complete);
  lua_pushlstring(L, line->buffer, (size_t)(line->cursor - line->buffer));
  if (lua_pcall(L, 1, 2, 0) != LUA_OK) {
    lua_pop(L, 1);
    return CC_ERROR;
  }
  unsigned char result = CC_ERROR;
  const char *insert = lua_tostring(L, -2), *list = lua_tostring(L, -1);
  if (insert && *insert && el_insertstr(el, insert) == 0) result = CC_REFRESH;
  if (list) {
    fprintf(stdout, "\n%s\n", list);
    fflush(stdout);
    result = CC_REDISPLAY;
  }
  lua_pop(L, 2);
  return result;
}

static void bind_keys(EditLine *el) {
  el_set(el, EL_EDITOR, "emacs");
  el_set(el, EL_ADDFN, "rille-end", "Ends, or deletes", key_end);
  el_set(el, EL_ADDFN, "rille-complete", "Completes", key_complete);
  el_set(el, EL_BIND, "^D", "rille-end", NULL);
  el_set(el, EL_BIND, "^I", "rille-complete", NULL);
  el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
  el_set(el, EL_BIND, "\\e[1;5D", "ed-prev-word", NULL);
  el_set(el, EL_BIND, "\\e[1;5C", "em-next-word", NULL);
  el_set(el, EL_BIND, "\\e[3~", "ed-delete-next-char", NULL);
}

// Failures of detached tasks appear above the line. The editor is found by the registry.
static void report_above(rl_state *st, const char *text) {
  lua_getfield(st->L, LUA_REGISTRYINDEX, "rille.line");
  editor *ed = lua_touserdata(st->L, -1);
  lua_pop(st->L, 1);
  bool shown = ed && ed->shown;
  st->failed = false;  // who typed it has seen it
  if (shown) hide(ed);
  fflush(stdout);
  fprintf(stderr, "%s\n", text);
  if (shown) show(ed);
}

static void set_report(lua_State *L, editor *ed) {
  if (ed) {
    lua_pushlightuserdata(L, ed);
  } else {
    lua_pushnil(L);
  }
  lua_setfield(L, LUA_REGISTRYINDEX, "rille.line");
  rl_state_of(L)->report = ed ? report_above : NULL;
}

// Life.

static editor *check_editor(lua_State *L);

static const rl_class editor_class;

static int line_close(lua_State *L) {
  editor *ed = rl_check_object(L, 1, &editor_class);
  if (ed->el) {
    set_report(L, NULL);
    el_end(ed->el);
    ed->el = NULL;
  }
  if (ed->history) history_end(ed->history);
  ed->history = NULL;
  if (ed->w) rl_uvhandle_close(&ed->w->handle);
  ed->w = NULL;
  if (ed->complete) luaL_unref(L, LUA_REGISTRYINDEX, ed->complete);
  ed->complete = 0;
  return 0;
}

static int line_add(lua_State *L) {  // (line): to the history
  editor *ed = check_editor(L);
  HistEvent event;
  history(ed->history, &event, H_ENTER, luaL_checkstring(L, 2));
  return 0;
}

// Reading.

static int give(lua_State *L, editor *ed, const char *line, size_t length, bool interrupted) {
  ed->w->reading = ed->shown = false;
  el_set(ed->el, EL_UNBUFFERED, 0);
  ed->L = NULL;
  if (interrupted) {
    lua_pushboolean(L, 0);
  } else if (line) {
    lua_pushlstring(L, line, length);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

static bool arrived(bool *gone) {
  int bytes = 0;
  if (ioctl(0, FIONREAD, &bytes) == 0 && bytes > 0) return true;
  struct pollfd p = {0, POLLIN, 0};
  *gone = poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL));
  return false;
}

static int read_on(lua_State *L, int status, lua_KContext ctx);

static int feed(lua_State *L, editor *ed) {
  bool gone = false;
  ed->L = L;
  while (arrived(&gone)) {
    int count = 0;
    const char *text = el_gets(ed->el, &count);
    if (ed->end) return give(L, ed, NULL, 0, false);
    bool longer = count > ed->length;
    ed->length = count;
    if (text && longer && text[count - 1] == '\n')
      return give(L, ed, text, (size_t)count - 1, false);
  }
  if (gone) return give(L, ed, NULL, 0, false);
  watcher *w = ed->w;
  rl_op_init(&w->op, &read_kind);
  int err = uv_poll_start(&w->poll, UV_READABLE, on_readable);
  if (err < 0) return rl_raise_sys(L, err, "read", "path", "terminal");
  rl_op_begin(&w->op, rl_current(L));
  return rl_await(L, &w->op, read_on, (lua_KContext)ed);
}

static int read_on(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  editor *ed = (editor *)ctx;
  if (rl_current(L)->aborted) {
    hide(ed);
    give(L, ed, NULL, 0, false);
  }
  if (rl_awaited(L, &ed->w->op) > 0) return give(L, ed, NULL, 0, true);
  return feed(L, ed);
}

// (prompt, color): the next line; nil at the end; false after an interrupt
static int line_read(lua_State *L) {
  editor *ed = check_editor(L);
  const char *prompt = luaL_checkstring(L, 2), *color = luaL_optstring(L, 3, "");
  if (ed->w->reading) return rl_raise(L, "EBUSY", "another task reads from the terminal");
  rl_checkpoint(L);
  snprintf(ed->prompt, sizeof ed->prompt, "%s", prompt);
  if (*color) {
    snprintf(ed->prompt, sizeof ed->prompt, "\1\33[%sm\1%s\1\33[0m\1", color, prompt);
  }
  ed->prompt_width = (int)strlen(prompt);
  ed->end = false;
  ed->length = 0;
  ed->w->reading = ed->shown = true;
  fflush(stdout);
  el_set(ed->el, EL_UNBUFFERED, 1);
  return feed(L, ed);
}

static int line_interrupt(lua_State *L) {  // ends a read; true if there was one
  editor *ed = check_editor(L);
  bool reads = ed->w->reading && rl_op_pending(&ed->w->op);
  if (reads) {
    uv_poll_stop(&ed->w->poll);
    rl_op_finish(&ed->w->op, 1);
  }
  lua_pushboolean(L, reads);
  return 1;
}

static int line_text(lua_State *L) {  // what is typed so far
  editor *ed = check_editor(L);
  const LineInfo *line = el_line(ed->el);
  lua_pushlstring(L, line->buffer, (size_t)(line->lastchar - line->buffer));
  return 1;
}

static int line_reading(lua_State *L) {
  lua_pushboolean(L, check_editor(L)->w->reading);
  return 1;
}

static int line_newline(lua_State *L) {  // past the screen guard
  (void)check_editor(L);
  fputc('\n', stdout);
  return 0;
}

static int line_hide(lua_State *L) {
  hide(check_editor(L));
  return 0;
}

static int line_show(lua_State *L) {
  show(check_editor(L));
  return 0;
}

static const luaL_Reg methods[] = {
    {"read", line_read},  {"add", line_add},         {"interrupt", line_interrupt},
    {"text", line_text},  {"reading", line_reading}, {"newline", line_newline},
    {"hide", line_hide},  {"show", line_show},       {"close", line_close},
    {"__gc", line_close}, {"__close", line_close},   {NULL, NULL},
};
static const rl_class editor_class = {"rille.LineEditor", sizeof(editor), methods};

static editor *check_editor(lua_State *L) {
  editor *ed = rl_check_object(L, 1, &editor_class);
  if (!ed->el) rl_raise(L, "CLOSED", "the line editor is closed");
  return ed;
}

static int line_open(lua_State *L) {  // (complete)
  luaL_checktype(L, 1, LUA_TFUNCTION);
  editor *ed = rl_object_new(L, &editor_class, 0);
  lua_pushvalue(L, 1);
  ed->complete = luaL_ref(L, LUA_REGISTRYINDEX);
  int err = watcher_open(&rl_state_of(L)->loop, &ed->w);
  if (err < 0) return rl_raise_sys(L, err, "open", "path", "terminal");
  setlocale(LC_CTYPE, "");
  ed->history = history_init();
  ed->el = el_init("rille", stdin, stdout, stderr);
  if (!ed->el || !ed->history) return luaL_error(L, "not enough memory");
  HistEvent event;
  history(ed->history, &event, H_SETSIZE, HISTORY_MAX);
  el_set(ed->el, EL_CLIENTDATA, ed);
  el_set(ed->el, EL_PROMPT_ESC, prompt_of, '\1');
  el_set(ed->el, EL_HIST, history, ed->history);
  el_set(ed->el, EL_SIGNAL, 0);
  bind_keys(ed->el);
  el_source(ed->el, NULL);
  set_report(L, ed);
  return 1;
}

static int line_usable(lua_State *L) {  // there is a terminal that can edit
  const char *term = getenv("TERM");
  lua_pushboolean(L, isatty(0) && isatty(1) && term && *term && strcmp(term, "dumb") != 0);
  return 1;
}

static const luaL_Reg functions[] = {{"open", line_open}, {"usable", line_usable}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_rille_native_line(lua_State *L);
int luaopen_rille_native_line(lua_State *L) {
  rl_class_open(L, &editor_class);
  luaL_newlib(L, functions);
  return 1;
}
