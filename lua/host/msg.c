// Messages for hosts: the codec of lua/bind under the names of rille.h.
#include "lua/host/runtime.h"

#include "lua/bind/message.h"

typedef struct packing {
  int count, err;
  rl_msg *msg;
} packing;

// packing, values... -> the sentence, if they cannot travel
static int pack_protected(lua_State *L) {
  packing *p = lua_touserdata(L, 1);
  p->err = rl_msg_pack(L, 2, p->count, "args", 1, 0, &p->msg);
  if (p->err < 0) luaL_tolstring(L, -1, NULL);
  return p->err < 0 ? 1 : 0;
}

rille_status rille_msg_from_lua(lua_State *L, int first, int count, rille_msg **out) {
  if (!L || !out || count < 0) return RILLE_EINVAL;
  *out = NULL;
  first = lua_absindex(L, first);
  if (first < 1 || first + count - 1 > lua_gettop(L)) return RILLE_EINVAL;
  if (!lua_checkstack(L, count + 3)) return RILLE_ENOMEM;
  packing p = {.count = count};
  lua_pushcfunction(L, pack_protected);
  lua_pushlightuserdata(L, &p);
  for (int i = 0; i < count; i++) lua_pushvalue(L, first + i);
  int base = lua_gettop(L) - count - 2;
  int err = lua_pcall(L, count + 1, LUA_MULTRET, 0);
  if (err == LUA_OK && p.err >= 0) {
    lua_settop(L, base);
    *out = (rille_msg *)p.msg;
    return RILLE_OK;
  }
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);
  return err == LUA_ERRMEM ? RILLE_ENOMEM : RILLE_EINVAL;
}

static int push_protected(lua_State *L) { return rl_msg_push(L, lua_touserdata(L, 1)); }

int rille_msg_push(lua_State *L, const rille_msg *msg) {
  if (!L || !msg) return 0;
  lua_Debug ar;
  if (lua_getstack(L, 0, &ar)) return rl_msg_push(L, (const rl_msg *)msg);  // may raise
  if (!lua_checkstack(L, 2)) return -1;
  int base = lua_gettop(L);
  lua_pushcfunction(L, push_protected);
  lua_pushlightuserdata(L, (void *)msg);
  if (lua_pcall(L, 1, LUA_MULTRET, 0) == LUA_OK) return lua_gettop(L) - base;
  lua_pop(L, 1);
  return -1;
}

rille_msg *rille_msg_ref(rille_msg *msg) {
  return msg ? (rille_msg *)rl_msg_ref((rl_msg *)msg) : NULL;
}

void rille_msg_unref(rille_msg *msg) { rl_msg_unref((rl_msg *)msg); }
