/* A host that names all of rille.h as it was promised: compiled as C99, C11 and C++17, linked, and
 * run against the installed package. Only what is assigned to a variable of its very type counts.
 */
#include <rille.h>

#include <string.h>

typedef void (*done_fn)(void *, rille_call *, rille_status, lua_State *, int);
typedef void (*drop_fn)(void *);

static const char *(*version)(void) = rille_version;
static const char *(*text_of)(rille_status) = rille_strerror;
static void (*options_init)(rille_options *, size_t) = rille_options_init;
static rille_status (*new_runtime)(const rille_options *, rille_runtime **) = rille_new;
static rille_status (*run)(rille_runtime *, int) = rille_run;
static void (*stop)(rille_runtime *, int) = rille_stop;
static int (*backend_fd)(rille_runtime *) = rille_backend_fd;
static int (*backend_timeout)(rille_runtime *) = rille_backend_timeout;
static int (*alive)(rille_runtime *) = rille_alive;
static lua_State *(*lua_of)(rille_runtime *) = rille_lua;
static rille_runtime *(*runtime_of)(lua_State *) = rille_of;
static rille_status (*load)(rille_runtime *, const char *, size_t, const char *) = rille_load;
static rille_status (*load_file)(rille_runtime *, const char *) = rille_load_file;
static rille_status (*call_async)(rille_runtime *, int, const rille_call_options *, rille_done_fn,
                                  void *, rille_call **) = rille_call_async;
static rille_status (*call_wait)(rille_runtime *, int, int,
                                 const rille_call_options *) = rille_call_wait;
static void (*call_cancel)(rille_call *, const char *) = rille_call_cancel;
static void (*call_unref)(rille_call *) = rille_call_unref;
static rille_status (*register_functions)(rille_runtime *, const char *,
                                          const rille_def *) = rille_register;
static int (*await_host)(lua_State *, rille_op **, void (*)(rille_op *, void *),
                         void *) = rille_await;
static lua_State *(*op_stack)(rille_op *) = rille_op_stack;
static void (*op_resolve)(rille_op *, int) = rille_op_resolve;
static void (*op_reject)(rille_op *, rille_status, const char *, ...) = rille_op_reject;
static rille_status (*op_post)(rille_op *, rille_status, rille_msg *) = rille_op_post;
static int (*offload)(lua_State *, void *, void (*)(void *, const int *),
                      int (*)(lua_State *, void *, rille_status), drop_fn) = rille_offload;
static rille_status (*post)(rille_runtime *, void (*)(rille_runtime *, void *), void *,
                            drop_fn) = rille_post;
static rille_status (*msg_from_lua)(lua_State *, int, int, rille_msg **) = rille_msg_from_lua;
static int (*msg_push)(lua_State *, const rille_msg *) = rille_msg_push;
static rille_msg *(*msg_ref)(rille_msg *) = rille_msg_ref;
static void (*msg_unref)(rille_msg *) = rille_msg_unref;
static void (*interrupt_runtime)(rille_runtime *, rille_status) = rille_interrupt;
static rille_status (*close_runtime)(rille_runtime *, uint64_t, drop_fn, void *) = rille_close;
static rille_status (*free_runtime)(rille_runtime *) = rille_free;

static const rille_status statuses[] = {
    RILLE_OK,       RILLE_ESYNTAX, RILLE_EERROR,  RILLE_ENOMEM,  RILLE_ECANCELED,
    RILLE_ETIMEOUT, RILLE_EBUDGET, RILLE_EPERM,   RILLE_ECLOSED, RILLE_EINVAL,
    RILLE_EBUSY,    RILLE_ETHREAD, RILLE_EVERSION};

static int load_module(lua_State *L, const char *name, void *ud) {
  (void)L, (void)name, (void)ud;
  return 0;
}

static void log_line(void *ud, int level, const char *message, size_t length) {
  (void)ud, (void)level, (void)message, (void)length;
}

static void unhandled(void *ud, rille_runtime *rt, const char *traceback) {
  (void)ud, (void)rt, (void)traceback;
}

static void set_options(rille_options *o) {
  lua_Alloc alloc = o->alloc;
  struct uv_loop_s *loop = o->loop;
  options_init(o, sizeof *o);
  o->flags = RILLE_NO_SIGNALS | RILLE_NO_STDIO | RILLE_NO_ENV | RILLE_NO_CMODULES | RILLE_UNTRUSTED;
  o->alloc = alloc;
  o->loop = loop;
  o->alloc_ud = NULL;
  o->memory_limit = (size_t)8 << 20;
  o->cpu_limit_ns = UINT64_C(1000000000);
  o->pool_threads = 1;
  o->load_module = load_module;
  o->log = log_line;
  o->on_unhandled = unhandled;
  o->ud = NULL;
  o->argc = 0;
  o->argv = NULL;
}

static int twice(lua_State *L) {
  lua_pushinteger(L, 2 * lua_tointeger(L, 1));
  return 1;
}

static void on_done(void *ud, rille_call *call, rille_status status, lua_State *results,
                    int count) {
  (void)call;
  if (status == RILLE_OK && count == 1) *(lua_Integer *)ud = lua_tointeger(results, -1);
}

int main(void) {
  static const rille_def defs[] = {{"twice", RILLE_SYNC, twice}, {NULL, 0, NULL}};
  static const char script[] = "return require('host').twice(21)";
  static const int kinds[] = {RILLE_SYNC, RILLE_ASYNC, RILLE_POOL};
  rille_options o;
  rille_call_options co;
  rille_runtime *rt = NULL;
  rille_call *call = NULL;
  rille_done_fn done = on_done;
  done_fn same = done;
  lua_Integer answer = 0;
  int used = backend_fd && backend_timeout && load_file && call_wait && call_cancel && await_host;
  used = used && op_stack && op_resolve && op_reject && op_post && offload && post && msg_from_lua;
  used = used && msg_push && msg_ref && msg_unref && interrupt_runtime && stop && text_of && same;
  memset(&o, 0, sizeof o);
  set_options(&o);
  memset(&co, 0, sizeof co);
  co.size = sizeof co;
  co.timeout_ns = UINT64_C(5000000000);
  co.grace_ns = 1;
  co.name = "contract";
  if (!used || !*version() || kinds[2] != 2 || statuses[12] != 12) return 1;
  if (new_runtime(&o, &rt) != RILLE_OK || runtime_of(lua_of(rt)) != rt) return 2;
  if (register_functions(rt, "host", defs) != RILLE_OK) return 3;
  if (load(rt, script, sizeof script - 1, "=contract") != RILLE_OK) return 4;
  if (call_async(rt, 0, &co, done, &answer, &call) != RILLE_OK || !alive(rt)) return 5;
  call_unref(call);
  if (run(rt, RILLE_RUN_DEFAULT) != RILLE_OK || answer != 42) return 6;
  if (run(rt, RILLE_RUN_ONCE) != RILLE_OK || run(rt, RILLE_RUN_NOWAIT) != RILLE_OK) return 7;
  if (close_runtime(rt, 0, NULL, NULL) != RILLE_OK) return 8;
  run(rt, RILLE_RUN_DEFAULT);
  return free_runtime(rt) == RILLE_OK ? 0 : 9;
}
