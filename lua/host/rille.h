/* rille: a scriptable async runtime for C and C++ programs. This header is the whole public
 * interface.
 *
 * One runtime is one Lua state and one event loop on one thread; a process holds any number. Only
 * functions marked "any thread" may be called from elsewhere; the others answer RILLE_ETHREAD
 * there. Every entry runs protected: no Lua error, out of memory included, leaves through a host's
 * frames. C99 and C++. */
#ifndef RILLE_H
#define RILLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include <lua.h>

#if defined(__GNUC__)
#define RILLE_API __attribute__((visibility("default")))
#define RILLE_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define RILLE_API
#define RILLE_PRINTF(text, first)
#endif

struct uv_loop_s;

typedef struct rille_runtime rille_runtime; /* a Lua state, a scheduler, one loop thread */
typedef struct rille_call rille_call;       /* a task that the host started; reference-counted */
typedef struct rille_op rille_op;           /* a Lua task that waits for C */
typedef struct rille_msg rille_msg;         /* an immutable value that may cross threads */

typedef enum {
  RILLE_OK,
  RILLE_ESYNTAX,   /* the source does not compile */
  RILLE_EERROR,    /* a Lua error */
  RILLE_ENOMEM,    /* out of memory, or over the memory limit */
  RILLE_ECANCELED, /* the call was cancelled from outside */
  RILLE_ETIMEOUT,  /* the call's deadline has passed */
  RILLE_EBUDGET,   /* over the CPU limit */
  RILLE_EPERM,     /* not allowed */
  RILLE_ECLOSED,   /* the runtime is closing or closed */
  RILLE_EINVAL,    /* an argument that can mean nothing */
  RILLE_EBUSY,     /* not yet, or already */
  RILLE_ETHREAD,   /* called from a thread other than the loop's */
  RILLE_EVERSION   /* a struct of a size this library does not know */
} rille_status;

enum {
  RILLE_NO_SIGNALS = 1,  /* leave SIGINT, SIGTERM and SIGPIPE alone */
  RILLE_NO_STDIO = 2,    /* no rille.stdin and its like, no io.read, io.write, print */
  RILLE_NO_ENV = 4,      /* read no environment variable */
  RILLE_NO_CMODULES = 8, /* load no shared object */
  RILLE_UNTRUSTED =
      16, /* scripts are hostile: see docs/security.md. Implies NO_CMODULES, NO_ENV, NO_STDIO */
  RILLE_DEADLOCKS =
      32 /* rille_run(DEFAULT) ends tasks that nothing but this host's own calls could wake */
};

enum { RILLE_LOG_ERROR = 1, RILLE_LOG_WARNING = 2, RILLE_LOG_INFO = 3 };

typedef struct rille_options {
  size_t size; /* sizeof, so that it can grow */
  unsigned flags;
  struct uv_loop_s *loop; /* NULL: the runtime owns one */
  lua_Alloc alloc;        /* NULL: its own */
  void *alloc_ud;
  size_t memory_limit;   /* bytes that Lua may hold; 0: no limit */
  uint64_t cpu_limit_ns; /* CPU time of one call; 0: no limit */
  int pool_threads;      /* for CPU work; 0: one a core; none starts before it is needed */
  /* Asked first by `require`: pushes one loader function and returns 1, or returns 0. */
  int (*load_module)(lua_State *, const char *name, void *ud);
  void (*log)(void *ud, int level, const char *message, size_t length);
  /* Failures that nobody awaits: of detached tasks; under RILLE_UNTRUSTED 64 a turn, and then how
   * many more. NULL: stderr. */
  void (*on_unhandled)(void *ud, rille_runtime *, const char *traceback);
  void *ud; /* for the three above */
  int argc; /* for scripts: the global `arg` */
  char **argv;
  /* What scripts may reach, ended by NULL: "allow-net=127.0.0.1:80", "allow-read=DIR",
   * "deny-run"... as the options of the program (docs/security.md). NULL or empty: everything. */
  const char *const *permissions;
} rille_options;

typedef struct rille_call_options {
  size_t size;
  uint64_t timeout_ns; /* 0: none. The call ends with RILLE_ETIMEOUT */
  uint64_t grace_ns;   /* for its cleanup once cancelled; 0: five seconds */
  const char *name;    /* of the task, in reports */
} rille_call_options;

/* Runs exactly once for each call, on the loop's thread, never inside rille_call_async; also on
 * cancel and close. The values are the top `count` of `results` until it returns: the function's
 * results if RILLE_OK, else the error value and its report (message, traceback, where it was
 * spawned and awaited) as a string. It must not raise a Lua error. */
typedef void (*rille_done_fn)(void *ud, rille_call *, rille_status, lua_State *results, int count);

/* What a script calls: rille_register. */
typedef enum {
  RILLE_SYNC,  /* `function` is an ordinary lua_CFunction that does not wait */
  RILLE_ASYNC, /* `function` may end with `return rille_await(...)` */
  RILLE_POOL   /* `function` ends with `return rille_offload(...)` */
} rille_kind;

typedef struct rille_def {
  const char *name; /* NULL: the end of the list */
  int kind;         /* rille_kind */
  lua_CFunction function;
} rille_def;

enum { RILLE_RUN_DEFAULT, RILLE_RUN_ONCE, RILLE_RUN_NOWAIT };

/* Any thread. */
RILLE_API const char *rille_version(void);
/* Any thread. A short sentence, never NULL. */
RILLE_API const char *rille_strerror(rille_status status);

/* --- Life --- */

/* Fills in the defaults. `size` is sizeof(rille_options). */
RILLE_API void rille_options_init(rille_options *options, size_t size);
/* Makes a runtime; this thread becomes the loop's. `options` NULL: the defaults. On failure `*out`
 * is NULL. */
RILLE_API rille_status rille_new(const rille_options *options, rille_runtime **out);

/* Runs tasks. DEFAULT: until every call has ended, or rille_stop. ONCE: one turn, waiting for
 * something to do. NOWAIT: one turn, waiting for nothing. RILLE_EBUSY: it runs already. */
RILLE_API rille_status rille_run(rille_runtime *, int mode);
/* Any thread. rille_run(DEFAULT) returns after the turn; the host asks for the code with
 * rille_exit_code. */
RILLE_API void rille_stop(rille_runtime *, int exit_code);
/* What rille_stop was given; else 13 after a deadlock, 128 + n after a signal, 1 after a failed
 * detached task; else 0. */
RILLE_API int rille_exit_code(rille_runtime *);

/* For a foreign loop: poll this descriptor for reading, */
RILLE_API int rille_backend_fd(rille_runtime *);
/* for at most so many milliseconds (-1: for ever), then rille_run(NOWAIT). */
RILLE_API int rille_backend_timeout(rille_runtime *);
/* 1 while a call has not ended or a post has not run. */
RILLE_API int rille_alive(rille_runtime *);

/* The main thread of the state: for the host's values, never a task. NULL from another thread. */
RILLE_API lua_State *rille_lua(rille_runtime *);
/* The runtime of a state or of any of its coroutines. NULL for NULL. */
RILLE_API rille_runtime *rille_of(lua_State *);

/* Cancels every task, lets cleanup wait for `grace_ns`, closes all handles, then runs `closed` from
 * rille_run or, in an injected loop, from that loop. A call after it answers RILLE_ECLOSED. */
RILLE_API rille_status rille_close(rille_runtime *, uint64_t grace_ns, void (*closed)(void *ud),
                                   void *ud);
/* Frees it. RILLE_EBUSY until `closed` has run. NULL is fine. */
RILLE_API rille_status rille_free(rille_runtime *);

/* --- Calls --- */

/* Compiles text (never bytecode) and pushes the function on rille_lua's stack; on RILLE_ESYNTAX,
 * RILLE_EERROR and RILLE_ENOMEM the message instead. `name` is a chunk name as Lua's: "=text",
 * "@file"; NULL: none. */
RILLE_API rille_status rille_load(rille_runtime *, const char *source, size_t length,
                                  const char *name);
/* The same from a file, which may begin with a byte order mark or a `#` line. "-": standard input.
 * A file that cannot be read is RILLE_EERROR. */
RILLE_API rille_status rille_load_file(rille_runtime *, const char *path);

/* Starts the function below `nargs` arguments on rille_lua's stack as a task, and pops them.
 * `options`, `done` and `out` may be NULL. A call given in `*out` is released with
 * rille_call_unref. On failure `done` is not called: RILLE_ENOMEM has popped them too; RILLE_EINVAL
 * (fewer values on the stack), RILLE_EVERSION, RILLE_ECLOSED and RILLE_ETHREAD have touched
 * nothing. May be called from `done`, from a post, and from a function that a script calls. */
RILLE_API rille_status rille_call_async(rille_runtime *, int nargs,
                                        const rille_call_options *options, rille_done_fn done,
                                        void *ud, rille_call **out);
/* The same, and runs the loop until it has ended. Returns what `done` would get; pushes `nresults`
 * results (-1: all), or the error value. RILLE_EBUSY inside rille_run. */
RILLE_API rille_status rille_call_wait(rille_runtime *, int nargs, int nresults,
                                       const rille_call_options *options);
/* Any thread. The call's task gets the cancellation at its next wait, and its cleanup the grace of
 * its options; `done` still runs. `reason`, which may be NULL, is in the error's message. */
RILLE_API void rille_call_cancel(rille_call *, const char *reason);
/* Any thread. Gives `*out` of rille_call_async back; the call goes on. NULL is fine. */
RILLE_API void rille_call_unref(rille_call *);

/* --- Functions for scripts --- */

/* Makes `require(module)` give a table of these functions; adds to it when it is there. `defs` ends
 * with a NULL name and is not kept. RILLE_EINVAL: an entry without a function, or of no kind. */
RILLE_API rille_status rille_register(rille_runtime *, const char *module, const rille_def *defs);

/* In an ASYNC function: `*op` stands for the waiting task. Start the work, then return what this
 * returned. Each op ends with exactly one rille_op_resolve, reject or post, also after `on_cancel`,
 * which tells that the task no longer waits (and may itself end the op). `*op` is gone once ended.
 * Raises if the task cannot wait here or is cancelled. */
RILLE_API int rille_await(lua_State *, rille_op **op, void (*on_cancel)(rille_op *, void *ud),
                          void *ud);
/* Where the results are pushed, for rille_op_resolve. NULL if the task no longer waits or memory is
 * out. */
RILLE_API lua_State *rille_op_stack(rille_op *);
/* The wait returns the top `nresults` values of rille_op_stack. The loop's thread, as for the
 * two around it. */
RILLE_API void rille_op_resolve(rille_op *, int nresults);
/* The wait raises an error with the status's name as its code. `format` is as for printf. */
RILLE_API void rille_op_reject(rille_op *, rille_status, const char *format, ...)
    RILLE_PRINTF(3, 4);
/* Any thread. The wait returns the message's values, or raises if the status is not RILLE_OK (with
 * the message's first value as the error's message). Takes the message, which may be NULL, also
 * when it answers RILLE_ECLOSED. */
RILLE_API rille_status rille_op_post(rille_op *, rille_status, rille_msg *);

/* In a POOL function: runs `work` on a pool thread while the task waits, then `after` on the loop's
 * thread, which pushes results and returns their count or raises. `drop` runs exactly once, last,
 * on the loop's thread, also when this raises. A work whose `*cancelled` is not 0 may give up; when
 * its task leaves, `after` is not called. */
RILLE_API int rille_offload(lua_State *, void *job, void (*work)(void *job, const int *cancelled),
                            int (*after)(lua_State *, void *job, rille_status),
                            void (*drop)(void *job));

/* --- Between threads --- */

/* Any thread. Runs `fn` on the loop's thread, or `drop` if the runtime closes first. RILLE_ECLOSED
 * and RILLE_ENOMEM: `drop`, which may be NULL, has run. */
RILLE_API rille_status rille_post(rille_runtime *, void (*fn)(rille_runtime *, void *ud), void *ud,
                                  void (*drop)(void *ud));

/* Packs `count` values from index `first`: nil, booleans, numbers, strings, tables of such. The
 * caller owns `*out`. RILLE_EINVAL for other values, and RILLE_ENOMEM: a sentence is then pushed.
 */
RILLE_API rille_status rille_msg_from_lua(lua_State *, int first, int count, rille_msg **out);
/* Pushes its values and returns their count. Without memory it raises in a function that Lua has
 * called, as lua_pushstring does; elsewhere it pushes nothing and returns -1. */
RILLE_API int rille_msg_push(lua_State *, const rille_msg *);
/* Any thread. One more owner; returns its argument. */
RILLE_API rille_msg *rille_msg_ref(rille_msg *);
/* Any thread. One owner less; the last frees it. NULL is fine. */
RILLE_API void rille_msg_unref(rille_msg *);

/* Any thread, and signal handlers. Stops the Lua code that runs now: its call ends with `why`. It
 * takes SIGURG on the loop's thread; a runtime with RILLE_NO_SIGNALS and without a CPU limit leaves
 * that alone, and stops only what runs next. */
RILLE_API void rille_interrupt(rille_runtime *, rille_status why);

#ifdef __cplusplus
}
#endif

#endif
