// Messages for hosts: the codec of lua/bind under the names of rille.h.
#include "lua/host/runtime.h"

rille_status rille_msg_from_lua(lua_State *L, int first, int count, rille_msg **out) {
  (void)L, (void)first, (void)count;
  *out = NULL;
  return RILLE_EINVAL;
}

int rille_msg_push(lua_State *L, const rille_msg *msg) {
  (void)L, (void)msg;
  return 0;
}

rille_msg *rille_msg_ref(rille_msg *msg) { return msg; }
void rille_msg_unref(rille_msg *msg) { (void)msg; }
