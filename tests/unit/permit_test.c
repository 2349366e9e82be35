// Permissions: what rules allow and deny, and paths that try to lead out.
#include "runtime/io/permit.h"

#include "runtime/base/error.h"
#include "runtime/io/addr.h"
#include "runtime/io/pin.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char why[RL_REFUSAL];

static rl_permit *permit(const char *a, const char *b) {
  const char *const rules[] = {a, b, NULL};
  rl_permit *p;
  EXPECT(rl_permit_new(&p, rules, why) == 0);
  return p;
}

static int address(rl_permit *p, const char *host, int port, rl_net_use use) {
  rl_addr addr;
  EXPECT(rl_addr_parse(&addr, host, port) == 0);
  return rl_permit_address(p, (struct sockaddr *)&addr.sa, NULL, use, why);
}

static bool connects(const char *rule, const char *deny, const char *host, int port) {
  rl_permit *p = permit(rule, deny);
  int err = address(p, host, port, RL_NET_CONNECT);
  rl_permit_unref(p);
  return err == 0;
}

static bool listens(const char *rule, const char *deny, const char *host, int port) {
  rl_permit *p = permit(rule, deny);
  int err = address(p, host, port, RL_NET_LISTEN);
  rl_permit_unref(p);
  return err == 0;
}

static void check_addresses(void) {
  EXPECT(connects("allow-net", NULL, "10.0.0.1", 80));
  EXPECT(connects("allow-net=10.0.0.1", NULL, "10.0.0.1", 80));
  EXPECT(!connects("allow-net=10.0.0.1", NULL, "10.0.0.2", 80));
  EXPECT(connects("allow-net=10.0.0.1:80", NULL, "10.0.0.1", 80));
  EXPECT(!connects("allow-net=10.0.0.1:80", NULL, "10.0.0.1", 81));
  EXPECT(connects("allow-net=:80", NULL, "10.0.0.2", 80));
  EXPECT(!connects("allow-net=:80", NULL, "10.0.0.2", 81));
  EXPECT(connects("allow-net=10.1.0.0/15", NULL, "10.0.255.255", 1));
  EXPECT(!connects("allow-net=10.0.0.0/15", NULL, "10.2.0.0", 1));
  EXPECT(connects("allow-net=10.0.0.0/8:80", NULL, "10.9.9.9", 80));
  EXPECT(!connects("allow-net=10.0.0.0/8:80", NULL, "10.9.9.9", 81));
  EXPECT(connects("allow-net=0.0.0.0/0", NULL, "8.8.8.8", 1));
  EXPECT(!connects("allow-net=0.0.0.0/0", NULL, "2001:db8::1", 1));
  EXPECT(connects("allow-net=[::1]:80", NULL, "::1", 80));
  EXPECT(connects("allow-net=::1", NULL, "::1", 80));
  EXPECT(connects("allow-net=[fe80::]/10:80", NULL, "fe80::1", 80));
  EXPECT(connects("allow-net=1.2.3.4,localhost:80", NULL, "127.0.0.1", 80));
  EXPECT(connects("allow-net=localhost:80", NULL, "::1", 80));
  EXPECT(!connects("allow-net=localhost:80", NULL, "127.0.0.1", 81));
  EXPECT(!connects("allow-read=/", NULL, "127.0.0.1", 81));
}

static void check_denials(void) {
  EXPECT(!connects("deny-net=127.0.0.0/8", NULL, "127.0.0.1", 80));
  EXPECT(connects("deny-net=127.0.0.0/8", NULL, "10.0.0.1", 80));
  EXPECT(!connects("allow-net", "deny-net=127.0.0.1", "127.0.0.1", 80));
  EXPECT(!connects("allow-net", "deny-net=127.0.0.1", "::ffff:127.0.0.1", 80));
  EXPECT(!connects("allow-net", "deny-net=[::ffff:127.0.0.1]", "127.0.0.1", 80));
  EXPECT(!connects("allow-net", "deny-net=127.0.0.1", "0.0.0.0", 80));
  EXPECT(!connects("allow-net", "deny-net=127.0.0.1", "::ffff:0.0.0.0", 80));
  EXPECT(!connects("allow-net", "deny-net=[::1]", "::", 80));
  EXPECT(!connects("deny-net", "allow-net=127.0.0.1", "127.0.0.1", 80));
  EXPECT(strcmp(why, "--deny-net forbids it") == 0);
}

static void check_listening(void) {
  EXPECT(listens("allow-net=0.0.0.0:80", NULL, "0.0.0.0", 80));
  EXPECT(!listens("allow-net=127.0.0.1:80", NULL, "0.0.0.0", 80));
  EXPECT(!listens("deny-net=127.0.0.1", NULL, "0.0.0.0", 80));
  EXPECT(!listens("deny-net=127.0.0.1", NULL, "::", 80));
  EXPECT(listens("deny-net=127.0.0.1:81", NULL, "::", 80));
  EXPECT(listens("allow-net=127.0.0.1:0", NULL, "127.0.0.1", 0));
  EXPECT(!listens("allow-net=127.0.0.1:80", NULL, "127.0.0.1", 0));
}

static void check_names(void) {
  rl_permit *p = permit("allow-net=Example.com:80", "deny-net=evil.example.com");
  rl_addr addr;
  EXPECT(rl_permit_name(p, "example.com", 80, why) == 0);
  EXPECT(rl_permit_name(p, "EXAMPLE.com.", 80, why) == 0);
  EXPECT(rl_permit_name(p, "example.com", -1, why) == 0);
  EXPECT(rl_permit_name(p, "example.com", 81, why) == RL_DENIED);
  EXPECT(strcmp(why, "it needs --allow-net=example.com:81") == 0);
  EXPECT(rl_permit_name(p, "example.co", 80, why) == RL_DENIED);
  EXPECT(rl_permit_name(p, "sub.example.com", 80, why) == RL_DENIED);
  EXPECT(rl_permit_name(p, "evil.example.com", 80, why) == RL_DENIED);
  EXPECT(rl_permit_name(p, "localhost", 80, why) == 0);  // its addresses are checked
  EXPECT(address(p, "127.0.0.1", 80, RL_NET_CONNECT) == RL_DENIED);
  EXPECT(rl_addr_parse(&addr, "10.0.0.1", 80) == 0);
  const struct sockaddr *sa = (struct sockaddr *)&addr.sa;
  EXPECT(rl_permit_address(p, sa, "example.com", RL_NET_CONNECT, why) == 0);
  EXPECT(rl_permit_address(p, sa, "example.org", RL_NET_CONNECT, why) == RL_DENIED);
  EXPECT(rl_permit_address(p, sa, NULL, RL_NET_CONNECT, why) == RL_DENIED);
  rl_permit_unref(p);
}

static void check_wildcards(void) {
  rl_permit *p = permit("allow-net=*.example.com:80", "deny-net=*.evil.example.com");
  EXPECT(rl_permit_name(p, "a.example.com", 80, why) == 0);
  EXPECT(rl_permit_name(p, "A.b.Example.com.", 80, why) == 0);
  EXPECT(rl_permit_name(p, "a.example.com", 81, why) == RL_DENIED);
  EXPECT(rl_permit_name(p, "example.com", 80, why) == RL_DENIED);
  EXPECT(rl_permit_name(p, ".example.com", 80, why) == RL_DENIED);
  EXPECT(rl_permit_name(p, "aexample.com", 80, why) == RL_DENIED);
  EXPECT(rl_permit_name(p, "a.example.com.org", 80, why) == RL_DENIED);
  EXPECT(rl_permit_name(p, "x.evil.example.com", 80, why) == RL_DENIED);
  EXPECT(rl_permit_name(p, "", 80, why) == RL_DENIED);
  rl_permit_unref(p);
}

static void check_variables(void) {
  rl_permit *p = permit("allow-env=HOME,AWS_*", "deny-env=AWS_SECRET");
  EXPECT(rl_permit_env(p, "HOME", why) == 0);
  EXPECT(rl_permit_env(p, "HOMER", why) == RL_DENIED);
  EXPECT(rl_permit_env(p, "AWS_X", why) == 0);
  EXPECT(rl_permit_env(p, "AWS_SECRET", why) == RL_DENIED);
  EXPECT(rl_permit_env(p, NULL, why) == RL_DENIED);
  EXPECT(rl_permit_setenv(p, "HOME", why) == 0);
  rl_permit_unref(p);
  p = permit("allow-env", NULL);
  EXPECT(rl_permit_env(p, NULL, why) == 0);
  EXPECT(rl_permit_env(p, "PATH", why) == 0);
  EXPECT(rl_permit_setenv(p, "PATH", why) == RL_DENIED);
  rl_permit_unref(p);
}

static void check_programs(void) {
  char real[PATH_MAX];
  rl_permit *p = permit("allow-run=sh", NULL);
  EXPECT(rl_permit_program(p, "sh", NULL, real, why) == 0);
  EXPECT(*real == '/');
  EXPECT(rl_permit_program(p, "/bin/sh", NULL, real, why) == 0);
  EXPECT(rl_permit_program(p, "../bin/sh", "/usr", real, why) == 0);
  EXPECT(rl_permit_program(p, "ls", NULL, real, why) == RL_DENIED);
  EXPECT(rl_permit_program(p, "no-such-program", NULL, real, why) == RL_DENIED);
  rl_permit_unref(p);
}

static void check_rules(void) {
  const char *const bad[] = {"allow-net=1.2.3",
                             "allow-net=a:b",
                             "allow-net=1.2.3.4/33",
                             "allow-net=::1::",
                             "allow-net=",
                             "allow-net=a,,b",
                             "allow-net=[::1",
                             "allow-net=x:70000",
                             "allow-nets",
                             "permit-net",
                             "allow-env=A*B",
                             "allow-net=*",
                             "allow-net=a.*.b",
                             "allow-native=x",
                             "allow-read=/no/../",
                             "deny-",
                             "allow-run=no-such-program"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const char *const rules[] = {bad[i], NULL};
    rl_permit *p;
    EXPECT(rl_permit_new(&p, rules, why) < 0 && !p);
  }
  rl_permit *p = permit("allow-net=localhost:80", "deny-read=/usr/../usr/");
  EXPECT(strcmp(rl_permit_rule(p, 3), "deny-read=/usr") == 0);
  EXPECT(rl_permit_rule(p, 4) == NULL);
  rl_permit_unref(p);
  const char *const none[] = {NULL};
  EXPECT(rl_permit_new(&p, none, why) == 0 && !p);
}

// root/in is allowed, root/out is not; root/in/keep is denied.
static char root[] = "/tmp/rille-permit-XXXXXX";

static void make(const char *name) {
  int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  EXPECT(fd >= 0);
  close(fd);
}

static int reach(const rl_permit *p, rl_pin_how how, const char *path) {
  rl_pin pin;
  int err = rl_pin_open(&pin, p, how, RL_PIN_READ, path, why);
  rl_pin_drop(&pin);
  return err;
}

static void check_paths(void) {
  char allow[64], deny[64], real[PATH_MAX];
  EXPECT(mkdtemp(root) != NULL && chdir(root) == 0 && realpath(".", real));
  EXPECT(mkdir("in", 0700) == 0 && mkdir("out", 0700) == 0 && mkdir("in/keep", 0700) == 0);
  EXPECT(symlink("../out", "in/link") == 0 && symlink("../out/nothing", "in/dangling") == 0);
  EXPECT(symlink("in", "way") == 0 && mkdir("inside", 0700) == 0);
  make("in/file"), make("out/file"), make("in/keep/file");
  snprintf(allow, sizeof allow, "allow-read=%s/in", root);
  snprintf(deny, sizeof deny, "deny-read=%s/in/keep", root);
  rl_permit *p = permit(allow, deny);
  EXPECT(reach(p, RL_PIN_OBJECT, "in/file") == 0);
  EXPECT(reach(p, RL_PIN_OBJECT, "in") == 0);
  EXPECT(reach(p, RL_PIN_OBJECT, "way/file") == 0);
  EXPECT(reach(p, RL_PIN_OBJECT, "out/../in/./file") == 0);
  EXPECT(reach(p, RL_PIN_OBJECT, "in/nothing") == -ENOENT);
  EXPECT(reach(p, RL_PIN_ENTRY, "in/nothing") == 0);
  EXPECT(reach(p, RL_PIN_LINK, "in/link") == 0);
  EXPECT(reach(p, RL_PIN_ENTRY, "in/link") == 0);
  EXPECT(reach(p, RL_PIN_OBJECT, "out/file") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_OBJECT, "inside") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_OBJECT, "in/link/file") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_OBJECT, "in/link") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_OBJECT, "in/dangling") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_ENTRY, "in/link/new") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_ENTRY, "in/..") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_ENTRY, "/") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_OBJECT, "in/../out/file") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_OBJECT, "nothing") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_OBJECT, "/proc/self/cwd/out/file") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_OBJECT, "/proc/self/root/etc/passwd") == RL_DENIED);
  EXPECT(reach(p, RL_PIN_OBJECT, "/proc/self/cwd/in/file") == 0);
  EXPECT(reach(p, RL_PIN_OBJECT, "in/keep/file") == RL_DENIED);
  EXPECT(rl_permit_below(p, RL_MAY_READ, real, why) == RL_DENIED);
  rl_permit_unref(p);
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", root);
  EXPECT(chdir("/") == 0 && system(command) == 0);
}

int main(void) {
  check_addresses();
  check_denials();
  check_listening();
  check_names();
  check_wildcards();
  check_variables();
  check_programs();
  check_rules();
  check_paths();
  return test_result();
}
