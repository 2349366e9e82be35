// rille.native.os: what the system tells of itself and of this process.
#include "lua/bind/error.h"
#include "lua/bind/permit.h"
#include "lua/bind/state.h"

#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *check_text(lua_State *L, int index) {
  size_t size;
  const char *text = luaL_checklstring(L, index, &size);
  luaL_argcheck(L, strlen(text) == size, index, "it holds a zero byte");
  return text;
}

static int os_getenv(lua_State *L) {
  const char *name = check_text(L, 1);
  rl_demand_env(L, "getenv", name);
  lua_pushstring(L, getenv(name));
  return 1;
}

static int os_setenv(lua_State *L) {
  const char *name = check_text(L, 1), *value = lua_isnil(L, 2) ? NULL : check_text(L, 2);
  char why[RL_REFUSAL];
  const rl_permit *p = rl_permit_of(L);
  if (p && rl_permit_setenv(p, name, why) < 0) return rl_raise_denied(L, "setenv", NULL, name, why);
  int failed = value ? setenv(name, value, 1) : unsetenv(name);
  return failed ? rl_raise_sys(L, -errno, "setenv", NULL, name) : 0;
}

// A copy of the environment, as far as it may be read.
static int os_environ(lua_State *L) {
  const rl_permit *p = rl_permit_of(L);
  char why[RL_REFUSAL];
  lua_newtable(L);
  for (char **entry = environ; entry && *entry; entry++) {
    const char *is = strchr(*entry, '=');
    if (!is) continue;
    const char *name = lua_pushlstring(L, *entry, (size_t)(is - *entry));
    if (p && rl_permit_env(p, name, why) < 0) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushstring(L, is + 1);
    lua_rawset(L, -3);
  }
  return 1;
}

static int os_cwd(lua_State *L) {
  char path[PATH_MAX];
  if (!getcwd(path, sizeof path)) return rl_raise_sys(L, -errno, "getcwd", NULL, NULL);
  lua_pushstring(L, path);
  return 1;
}

static int os_chdir(lua_State *L) {
  const char *path = check_text(L, 1);
  rl_pin pin;
  const char *at = rl_demand_path(L, "chdir", &pin, RL_PIN_OBJECT, RL_PIN_READ, path);
  int err = chdir(at) < 0 ? -errno : 0;
  rl_pin_drop(&pin);
  return err < 0 ? rl_raise_sys(L, err, "chdir", "path", path) : 0;
}

// The cores this process may run on.
static int os_cpus(lua_State *L) {
  cpu_set_t set;
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  lua_pushinteger(L, count > 0 ? count : 1);
  return 1;
}

static void set_bytes(lua_State *L, const char *name, uint64_t bytes) {
  lua_pushinteger(L, (lua_Integer)bytes);
  lua_setfield(L, -2, name);
}

// A line "NAME:  N kB" of /proc/meminfo, in bytes; 0 if there is none.
static uint64_t meminfo(const char *name) {
  FILE *file = fopen("/proc/meminfo", "re");
  char line[128];
  unsigned long long kb = 0;
  size_t n = strlen(name);
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, name, n) == 0 && line[n] == ':' && sscanf(line + n + 1, "%llu", &kb) == 1)
      break;
  }
  if (file) fclose(file);
  return kb * 1024;
}

static int os_memory(lua_State *L) {
  size_t resident = 0;
  uv_resident_set_memory(&resident);
  uint64_t available = meminfo("MemAvailable");
  lua_createtable(L, 0, 4);
  set_bytes(L, "total", uv_get_total_memory());
  set_bytes(L, "free", uv_get_free_memory());
  set_bytes(L, "available", available ? available : uv_get_free_memory());
  set_bytes(L, "resident", resident);
  return 1;
}

static int os_hostname(lua_State *L) {
  char name[UV_MAXHOSTNAMESIZE];
  size_t size = sizeof name;
  int err = uv_os_gethostname(name, &size);
  if (err < 0) return rl_raise_sys(L, err, "gethostname", NULL, NULL);
  lua_pushlstring(L, name, size);
  return 1;
}

static int os_uptime(lua_State *L) {
  double seconds = 0;
  int err = uv_uptime(&seconds);
  if (err < 0) return rl_raise_sys(L, err, "uptime", NULL, NULL);
  lua_pushnumber(L, seconds);
  return 1;
}

static int os_load(lua_State *L) {
  double load[3];
  uv_loadavg(load);
  for (int i = 0; i < 3; i++) lua_pushnumber(L, load[i]);
  return 3;
}

static int os_user(lua_State *L) {
  uv_passwd_t user;
  int err = uv_os_get_passwd(&user);
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, getuid());
  lua_setfield(L, -2, "uid");
  lua_pushinteger(L, getgid());
  lua_setfield(L, -2, "gid");
  if (err < 0) return 1;  // a number without a name, as in containers
  lua_pushstring(L, user.username);
  lua_setfield(L, -2, "name");
  lua_pushstring(L, user.homedir);
  lua_setfield(L, -2, "home");
  lua_pushstring(L, user.shell);
  lua_setfield(L, -2, "shell");
  uv_os_free_passwd(&user);
  return 1;
}

static int os_system(lua_State *L) {
  struct utsname name;
  uname(&name);
  lua_pushstring(L, name.sysname);
  lua_pushstring(L, name.release);
  lua_pushstring(L, name.machine);
  return 3;
}

static int os_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

int rl_open_os(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"getenv", os_getenv},   {"setenv", os_setenv},
      {"environ", os_environ}, {"cwd", os_cwd},
      {"chdir", os_chdir},     {"cpus", os_cpus},
      {"memory", os_memory},   {"hostname", os_hostname},
      {"uptime", os_uptime},   {"load", os_load},
      {"user", os_user},       {"system", os_system},
      {"pid", os_pid},         {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}
