// What doors ask before they act. Each raises DENIED, and costs one branch in a runtime without
// permissions. `op` is what the error says was tried.
#ifndef RL_BIND_PERMIT_H
#define RL_BIND_PERMIT_H

#include "lua/bind/state.h"
#include "runtime/io/permit.h"
#include "runtime/io/pin.h"

static inline const rl_permit *rl_permit_of(lua_State *L) { return rl_state_of(L)->loop.permit; }

// Whether C modules, bytecode and the debug library are permitted. Where they are not, no script
// can hand a C function what it must not get.
bool rl_may_native(lua_State *L);

// `name`: what the address was resolved from, or NULL.
void rl_demand_address(lua_State *L, const char *op, const struct sockaddr *sa, const char *name,
                       rl_net_use use);
void rl_demand_name(lua_State *L, const char *op, const char *host, int port);
void rl_demand_env(lua_State *L, const char *op, const char *name);
// The path to use instead, while the caller holds `pin`, which he drops in every case; raises
// without holding it.
const char *rl_demand_path(lua_State *L, const char *op, rl_pin *pin, rl_pin_how how, unsigned mays,
                           const char *path);

// Pushes what is in a file, some configuration that a library would open by itself, and gives it.
const char *rl_demand_text(lua_State *L, const char *op, const char *path, size_t *length);

#endif
