// What a runtime may reach: rules that allow and deny, and the one place that decides. A runtime
// without rules has no rl_permit (NULL) and may do what its process may: doors ask only if there is
// one. Immutable once made, so any thread may ask.
//
// If any rule allows something (besides code), whatever no rule allows is refused; if all rules
// deny, everything else is allowed. Denial beats allowance.
#ifndef RL_IO_PERMIT_H
#define RL_IO_PERMIT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/socket.h>

typedef struct rl_permit rl_permit;

typedef enum {
  RL_MAY_NET,
  RL_MAY_READ,
  RL_MAY_WRITE,
  RL_MAY_RUN,
  RL_MAY_ENV,
  RL_MAY_CODE,    // files of Lua code; what may be read is allowed too
  RL_MAY_NATIVE,  // C modules, bytecode, the debug library: what no rule can bound
  RL_MAY_KINDS
} rl_may;

enum { RL_REFUSAL = 512 };  // room for `why`, always filled on RL_DENIED: which option is missing

// `rules` end with NULL: "allow-net=127.0.0.1:80,example.com", "deny-read=/etc", "allow-env".
// Directories are made canonical, programs are sought along PATH. No rules: *out is NULL. Negative:
// `why` is a sentence.
int rl_permit_new(rl_permit **out, const char *const *rules, char why[RL_REFUSAL]);
rl_permit *rl_permit_ref(rl_permit *p);  // any thread; NULL is fine
void rl_permit_unref(rl_permit *p);

// The rules again, made canonical: what a child needs to be bounded likewise. NULL: no more.
const char *rl_permit_rule(const rl_permit *p, int index);

// Each answers 0 or RL_DENIED.

typedef enum { RL_NET_CONNECT, RL_NET_LISTEN } rl_net_use;
// A resolved address; `name`: what it was resolved from, or NULL. A Unix socket's path goes through
// rl_pin, and is both read and written.
int rl_permit_address(const rl_permit *p, const struct sockaddr *sa, const char *name,
                      rl_net_use use, char *why);
// Whether the resolver may be asked for `host`; port -1: for no connection in particular.
int rl_permit_name(const rl_permit *p, const char *host, int port, char *why);
// `real` has neither links nor dots.
int rl_permit_path(const rl_permit *p, rl_may may, const char *real, char *why);
// The same for all that lies below a directory: it is moved or removed whole.
int rl_permit_below(const rl_permit *p, rl_may may, const char *real, char *why);
// Whether something else may get this name. Not if a rule's path is it, or goes through it: a link
// there would lead the rule elsewhere the next time it is read.
int rl_permit_replace(const rl_permit *p, const char *real, char *why);
int rl_permit_socket(const rl_permit *p, const char *real, char *why);
// Finds the program as execvp would, in `cwd` (NULL: here), and answers with its canonical path in
// `real`; -ENOENT and its like: there is none.
int rl_permit_program(const rl_permit *p, const char *program, const char *cwd, char real[PATH_MAX],
                      char *why);
int rl_permit_env(const rl_permit *p, const char *name, char *why);  // NULL: every variable
// Setting: a variable can steer libraries in this process, so it has to be named by a rule.
int rl_permit_setenv(const rl_permit *p, const char *name, char *why);
int rl_permit_all(const rl_permit *p, rl_may may, char *why);  // without any restriction

#endif
