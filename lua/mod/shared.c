// rille.native.shared: what several threads hold: channels of messages, buffers of bytes; and
// messages as bytes.
#include "lua/bind/permit.h"
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/message.h"
#include "runtime/thread/mailbox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int rl_open_shared(lua_State *L);

typedef struct channel {
  rl_shared base;
  rl_mailbox box;
} channel;

typedef struct buffer {
  rl_shared base;
  size_t size;
  _Atomic(int64_t) cells[];
} buffer;

static void channel_destroy(rl_shared *s);
static void channel_push(lua_State *L, rl_shared *s);
static void buffer_destroy(rl_shared *s);
static void buffer_push(lua_State *L, rl_shared *s);
static const rl_shared_kind channel_kind = {channel_destroy, channel_push};
static const rl_shared_kind buffer_kind = {buffer_destroy, buffer_push};

static int channel_send(lua_State *L);
static int channel_recv(lua_State *L);
static int channel_try_send(lua_State *L);
static int channel_post(lua_State *L);
static int channel_try_recv(lua_State *L);
static int channel_close(lua_State *L);
static int channel_closing(lua_State *L);
static int channel_is_closed(lua_State *L);
static int channel_len(lua_State *L);
static int shared_gc(lua_State *L);
static int shared_eq(lua_State *L);

static const luaL_Reg channel_methods[] = {{"send", channel_send},
                                           {"recv", channel_recv},
                                           {"post", channel_post},
                                           {"try_send", channel_try_send},
                                           {"try_recv", channel_try_recv},
                                           {"close", channel_close},
                                           {"is_closed", channel_is_closed},
                                           {"__len", channel_len},
                                           {"__call", channel_recv},
                                           {"__close", channel_closing},
                                           {"__gc", shared_gc},
                                           {"__eq", shared_eq},
                                           {"__shared", rl_shared_mark},
                                           {NULL, NULL}};

static const rl_class channel_class = {"rille.WorkerChannel", sizeof(rl_shared_box),
                                       channel_methods};

static int buffer_read(lua_State *L);
static int buffer_write(lua_State *L);
static int buffer_load(lua_State *L);
static int buffer_store(lua_State *L);
static int buffer_add(lua_State *L);
static int buffer_exchange(lua_State *L);
static int buffer_compare_exchange(lua_State *L);
static int buffer_len(lua_State *L);

static const luaL_Reg buffer_methods[] = {
    {"read", buffer_read},        {"write", buffer_write},
    {"load", buffer_load},        {"store", buffer_store},
    {"add", buffer_add},          {"exchange", buffer_exchange},
    {"__len", buffer_len},        {"compare_exchange", buffer_compare_exchange},
    {"__gc", shared_gc},          {"__eq", shared_eq},
    {"__shared", rl_shared_mark}, {NULL, NULL}};

static const rl_class buffer_class = {"rille.WorkerBuffer", sizeof(rl_shared_box), buffer_methods};

static int shared_gc(lua_State *L) {
  rl_shared_box *box = lua_touserdata(L, 1);
  if (box->shared) rl_shared_unref(box->shared);
  box->shared = NULL;
  return 0;
}

static int shared_eq(lua_State *L) {
  const rl_shared_box *a = lua_touserdata(L, 1), *b = lua_touserdata(L, 2);
  lua_pushboolean(L, a && b && lua_rawlen(L, 1) == lua_rawlen(L, 2) && a->shared == b->shared);
  return 1;
}

// Channels.

static void drop_message(void *item) { rl_msg_unref(item); }

static void channel_destroy(rl_shared *s) {
  channel *c = (channel *)s;
  rl_mailbox_fini(&c->box);
  free(c);
}

static void channel_push(lua_State *L, rl_shared *s) {
  rl_shared_box *box = rl_object_new(L, &channel_class, 0);
  rl_shared_ref(s);
  box->shared = s;
}

static rl_mailbox *check_channel(lua_State *L) {
  rl_shared_box *box = rl_check_object(L, 1, &channel_class);
  luaL_argcheck(L, box->shared, 1, "a channel that was collected");
  return &((channel *)box->shared)->box;
}

static int channel_new(lua_State *L) {
  bool unbounded = lua_type(L, 1) == LUA_TNUMBER && lua_tonumber(L, 1) == (lua_Number)HUGE_VAL;
  lua_Integer capacity = unbounded ? 0 : luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, capacity >= 0, 1, "capacity must not be negative");
  rl_shared_box *box = rl_object_new(L, &channel_class, 0);
  channel *c = malloc(sizeof *c);
  int err = c ? rl_mailbox_init(&c->box, unbounded ? SIZE_MAX : (size_t)capacity, drop_message)
              : UV_ENOMEM;
  if (err < 0) {
    free(c);
    return rl_raise_sys(L, err, "channel", NULL, NULL);
  }
  rl_shared_init(&c->base, &channel_kind);
  box->shared = &c->base;
  return 1;
}

static rl_msg *pack_value(lua_State *L) {
  if (lua_isnoneornil(L, 2)) luaL_argerror(L, 2, "a channel cannot carry nil");
  lua_settop(L, 2);
  rl_msg *m;
  if (rl_msg_pack(L, 2, 1, "value", 1, 0, &m) < 0) lua_error(L);
  return m;
}

static int raise_closed(lua_State *L) { return rl_raise(L, "CLOSED", "channel: closed"); }

static int after_send(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_mail *m = (rl_mail *)ctx;
  status = m ? rl_awaited(L, &m->op) : 1;
  if (status == RL_CLOSED) return raise_closed(L);
  if (status < 0) return rl_raise_sys(L, status, "channel", NULL, NULL);
  lua_settop(L, 1);
  return 1;
}

static int new_mail(lua_State *L) {
  lua_newuserdatauv(L, sizeof(rl_mail), 0);
  return 1;
}

static int channel_send(lua_State *L) {
  rl_mailbox *b = check_channel(L);
  rl_checkpoint(L);
  rl_msg *msg = pack_value(L);
  rl_loop *self = &rl_state_of(L)->loop;
  int status = rl_mailbox_try_send(b, self, msg);
  if (status == 1) return rl_no_wait(L, after_send, 0);
  if (status < 0) {
    rl_msg_unref(msg);
    return status == RL_CLOSED ? raise_closed(L) : rl_raise_sys(L, status, "channel", NULL, NULL);
  }
  lua_pushcfunction(L, new_mail);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
    rl_msg_unref(msg);
    return lua_error(L);
  }
  rl_mail *m = lua_touserdata(L, -1);
  rl_mailbox_send(b, m, rl_current(L), msg);
  return rl_await(L, &m->op, after_send, (lua_KContext)m);
}

static int after_recv(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  rl_mail *m = (rl_mail *)ctx;
  status = rl_awaited(L, &m->op);
  if (status == RL_CLOSED) {
    lua_pushnil(L);
    return 1;
  }
  if (status < 0) return rl_raise_sys(L, status, "channel", NULL, NULL);
  return rl_msg_push_unref(L, m->item);
}

static int recv_at_once(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  if (ctx) return rl_msg_push_unref(L, (rl_msg *)ctx);
  lua_pushnil(L);
  return 1;
}

static int channel_recv(lua_State *L) {
  rl_mailbox *b = check_channel(L);
  rl_checkpoint(L);
  lua_settop(L, 1);
  void *item = NULL;
  int status = rl_mailbox_try_recv(b, &rl_state_of(L)->loop, &item);
  if (status != 0) return rl_no_wait(L, recv_at_once, (lua_KContext)item);
  rl_mail *m = lua_newuserdatauv(L, sizeof *m, 0);
  rl_mailbox_recv(b, m, rl_current(L));
  return rl_await(L, &m->op, after_recv, (lua_KContext)m);
}

static int channel_try_send(lua_State *L) {
  rl_mailbox *b = check_channel(L);
  rl_msg *msg = pack_value(L);
  int status = rl_mailbox_try_send(b, &rl_state_of(L)->loop, msg);
  if (status != 1) rl_msg_unref(msg);
  if (status == RL_CLOSED) return raise_closed(L);
  lua_pushboolean(L, status == 1);
  return 1;
}

// post(number, name, ...): one message of several values, for calls; args[1] is what follows the
// name. Does not wait.
static int channel_post(lua_State *L) {
  rl_mailbox *b = check_channel(L);
  rl_msg *msg;
  if (rl_msg_pack(L, 2, lua_gettop(L) - 1, "args", -1, 0, &msg) < 0) return lua_error(L);
  int status = rl_mailbox_try_send(b, &rl_state_of(L)->loop, msg);
  if (status != 1) rl_msg_unref(msg);
  lua_pushboolean(L, status == 1);
  return 1;
}

// try_recv() -> true, value; or false when there is none now; or nil at the end.
static int channel_try_recv(lua_State *L) {
  rl_mailbox *b = check_channel(L);
  void *item = NULL;
  int status = rl_mailbox_try_recv(b, &rl_state_of(L)->loop, &item);
  if (status == RL_CLOSED) return 0;
  lua_pushboolean(L, status == 1);
  return status == 1 ? 1 + rl_msg_push_unref(L, item) : 1;
}

// The end of its block: an error on its way there is no table of options.
static int channel_closing(lua_State *L) {
  lua_settop(L, 1);
  return channel_close(L);
}

static int channel_close(lua_State *L) {
  static const char *const names[] = {"discard", NULL};
  rl_mailbox *b = check_channel(L);
  bool discard =
      lua_istable(L, 2) && rl_check_options(L, 2, names) && rl_option_bool(L, 2, "discard", false);
  rl_mailbox_close(b, discard);
  return 0;
}

static int channel_is_closed(lua_State *L) {
  lua_pushboolean(L, rl_mailbox_closed(check_channel(L)));
  return 1;
}

static int channel_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)rl_mailbox_count(check_channel(L)));
  return 1;
}

// Buffers: bytes, of which each eight are a cell for atomic operations.

static void buffer_destroy(rl_shared *s) { free(s); }

static void buffer_push(lua_State *L, rl_shared *s) {
  rl_shared_box *box = rl_object_new(L, &buffer_class, 0);
  rl_shared_ref(s);
  box->shared = s;
}

static int buffer_new(lua_State *L) {
  lua_Integer size = luaL_checkinteger(L, 1);
  luaL_argcheck(L, size >= 0 && size < INT64_C(1) << 46, 1, "size out of range");
  rl_shared_box *box = rl_object_new(L, &buffer_class, 0);
  size_t cells = ((size_t)size + 7) / 8;
  buffer *b = calloc(1, sizeof *b + cells * sizeof *b->cells);
  if (!b) return rl_raise_sys(L, UV_ENOMEM, "buffer", NULL, NULL);
  rl_shared_init(&b->base, &buffer_kind);
  b->size = (size_t)size;
  box->shared = &b->base;
  return 1;
}

static buffer *check_buffer(lua_State *L) {
  rl_shared_box *box = rl_check_object(L, 1, &buffer_class);
  luaL_argcheck(L, box->shared, 1, "a buffer that was collected");
  return (buffer *)box->shared;
}

static _Atomic(int64_t) *check_cell(lua_State *L) {
  buffer *b = check_buffer(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i >= 1 && (lua_Unsigned)i <= b->size / 8, 2, "no such cell");
  return &b->cells[i - 1];
}

// Other threads may write meanwhile: bytes are moved by atomic accesses, a cell at once where it is
// whole.
static void copy_out(buffer *b, size_t from, char *to, size_t n) {
  while (n > 0) {
    size_t skip = from % 8, piece = 8 - skip < n ? 8 - skip : n;
    int64_t cell = atomic_load_explicit(&b->cells[from / 8], memory_order_relaxed);
    memcpy(to, (char *)&cell + skip, piece);
    from += piece;
    to += piece;
    n -= piece;
  }
}

static void copy_in(buffer *b, size_t to, const char *from, size_t n) {
  while (n > 0) {
    size_t skip = to % 8, piece = 8 - skip < n ? 8 - skip : n;
    _Atomic(int64_t) *cell = &b->cells[to / 8];
    int64_t old = atomic_load_explicit(cell, memory_order_relaxed), new;
    do {
      new = old;
      memcpy((char *)&new + skip, from, piece);
    } while (!atomic_compare_exchange_weak_explicit(cell, &old, new, memory_order_relaxed,
                                                    memory_order_relaxed));
    to += piece;
    from += piece;
    n -= piece;
  }
}

// read([offset=0 [, n]]) -> bytes
static int buffer_read(lua_State *L) {
  buffer *b = check_buffer(L);
  lua_Integer offset = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L, offset >= 0 && (size_t)offset <= b->size, 2, "outside of the buffer");
  lua_Integer n = luaL_optinteger(L, 3, (lua_Integer)b->size - offset);
  luaL_argcheck(L, n >= 0 && n <= (lua_Integer)b->size - offset, 3, "outside of the buffer");
  luaL_Buffer out;
  copy_out(b, (size_t)offset, luaL_buffinitsize(L, &out, (size_t)n), (size_t)n);
  luaL_pushresultsize(&out, (size_t)n);
  return 1;
}

// write(offset, bytes) -> self
static int buffer_write(lua_State *L) {
  buffer *b = check_buffer(L);
  lua_Integer offset = luaL_checkinteger(L, 2);
  size_t n;
  const char *bytes = luaL_checklstring(L, 3, &n);
  luaL_argcheck(L, offset >= 0 && (size_t)offset <= b->size && n <= b->size - (size_t)offset, 2,
                "outside of the buffer");
  copy_in(b, (size_t)offset, bytes, n);
  lua_settop(L, 1);
  return 1;
}

static int buffer_load(lua_State *L) {
  lua_pushinteger(L, atomic_load(check_cell(L)));
  return 1;
}

static int buffer_store(lua_State *L) {
  atomic_store(check_cell(L), luaL_checkinteger(L, 3));
  lua_settop(L, 1);
  return 1;
}

static int buffer_add(lua_State *L) {
  lua_Unsigned n = (lua_Unsigned)luaL_optinteger(L, 3, 1);
  lua_Integer before = atomic_fetch_add(check_cell(L), (int64_t)n);
  lua_pushinteger(L, (lua_Integer)((lua_Unsigned)before + n));
  return 1;
}

static int buffer_exchange(lua_State *L) {
  lua_pushinteger(L, atomic_exchange(check_cell(L), luaL_checkinteger(L, 3)));
  return 1;
}

static int buffer_compare_exchange(lua_State *L) {
  int64_t expected = luaL_checkinteger(L, 3);
  lua_pushboolean(
      L, atomic_compare_exchange_strong(check_cell(L), &expected, luaL_checkinteger(L, 4)));
  lua_pushinteger(L, expected);
  return 2;
}

static int buffer_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_buffer(L)->size);
  return 1;
}

// Messages as bytes, between processes.

// pack(number, ...) -> bytes; args[number] is the first, for errors
static int shared_pack(lua_State *L) {
  int number = (int)luaL_checkinteger(L, 1);
  rl_msg *m;
  if (rl_msg_pack(L, 2, lua_gettop(L) - 1, "args", number, RL_MSG_FLAT, &m) < 0)
    return lua_error(L);
  size_t size;
  uint32_t count;
  const char *bytes = rl_msg_bytes(m, &size, &count);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addlstring(&b, (const char *)&count, sizeof count);
  luaL_addlstring(&b, bytes, size);
  luaL_pushresult(&b);
  rl_msg_unref(m);
  return 1;
}

// unpack(bytes, functions) -> values
static int shared_unpack(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  uint32_t count;
  rl_msg *m;
  if (size < sizeof count) return rl_raise(L, "INVALID", "message: too short");
  memcpy(&count, bytes, sizeof count);
  bool functions = lua_toboolean(L, 2) && rl_may_native(L);  // they are bytecode
  int err = rl_msg_from_bytes(bytes + sizeof count, size - sizeof count, count, functions, &m);
  if (err < 0 && !functions && lua_toboolean(L, 2))
    return rl_raise(L, "INVALID", "message: malformed, or a function, which needs --allow-native");
  if (err < 0) return rl_raise_sys(L, err, "message", NULL, NULL);
  return rl_msg_push_unref(L, m);
}

static const luaL_Reg functions[] = {
    {"channel", channel_new},  {"buffer", buffer_new}, {"pack", shared_pack},
    {"unpack", shared_unpack}, {NULL, NULL},
};

int rl_open_shared(lua_State *L) {
  rl_class_open(L, &channel_class);
  rl_class_open(L, &buffer_class);
  luaL_newlib(L, functions);
  return 1;
}
