// rille.native.websocket: messages over a stream whose handshake is over. What needs no frames is
// in stdlib/http/websocket.lua.
#include "lua/bind/await.h"
#include "lua/bind/error.h"
#include "lua/bind/stream.h"
#include "runtime/wire/base64.h"
#include "runtime/wire/ws.h"

#include <string.h>

typedef struct websocket {
  rl_box box;
  rl_stream *stream;  // one reference
  rl_ws_reader reader;
  rl_buf message;  // pieces of the message under way
  rl_buf replies;  // control frames that wait for a frame to be over
  bool server, sending, close_sent;
  uint64_t ping;   // ns of silence before a ping, and again before giving up; RL_NEVER: neither
  rl_timer timer;  // armed while somebody receives
  bool awaiting;   // a ping was sent, and nothing has come since
  uint64_t moved;  // bytes of messages that went
  uint64_t moved_then;  // when the last silence was noted
  rl_lot closing;       // tasks that wait for what the one that receives gets
  int code;             // the connection's end: a close code, or 0
  size_t reason_len;
  char reason[RL_WS_CONTROL_MAX];
} websocket;

static int ws_gc(lua_State *L);
static int ws_receive(lua_State *L);
static int ws_send(lua_State *L);
static int ws_try_send(lua_State *L);
static int ws_status(lua_State *L);
static int ws_receives(lua_State *L);
static int ws_await(lua_State *L);
static int ws_wake(lua_State *L);
static int ws_cut(lua_State *L);
static const luaL_Reg methods[] = {
    {"receive", ws_receive},   {"send", ws_send},
    {"try_send", ws_try_send}, {"status", ws_status},
    {"receives", ws_receives}, {"await", ws_await},
    {"wake", ws_wake},         {"cut", ws_cut},
    {"__gc", ws_gc},           {NULL, NULL},
};
static const rl_class websocket_class = {"rille.http.native.WebSocket", sizeof(websocket), methods};

static websocket *check_ws(lua_State *L) { return rl_check_object(L, 1, &websocket_class); }

// Masks are not to be foreseen by who chooses the payload.
static void new_mask(uint8_t mask[4]) { uv_random(NULL, NULL, mask, 4, 0, NULL); }

// A send was cancelled in the middle of a frame: nothing can follow it.
static bool is_cut(const websocket *w) { return w->sending && !rl_stream_writing(w->stream); }

// Control frames.

static void flush_replies(websocket *w) {
  size_t len = rl_buf_len(&w->replies);
  if (len == 0 || w->sending) return;
  uv_buf_t piece = uv_buf_init(rl_buf_head(&w->replies), (unsigned)len);
  ssize_t n = rl_stream_send(w->stream, &piece, 1);
  if (n > 0) rl_buf_consume(&w->replies, (size_t)n);
}

static void reply(websocket *w, uint8_t opcode, const char *data, size_t size) {
  enum {
    QUEUE_MAX = 16 * 1024
  };  // a peer that floods with pings and reads nothing is not answered for ever
  uint8_t head[RL_WS_HEADER_MAX], mask[4];
  char payload[RL_WS_CONTROL_MAX];
  if (rl_buf_len(&w->replies) > QUEUE_MAX) return;
  if (!w->server) new_mask(mask);
  memcpy(payload, data, size);
  if (!w->server) rl_ws_mask(payload, size, mask, 0);
  size_t n = rl_ws_put_header(head, opcode, true, false, size, w->server ? NULL : mask);
  if (!rl_buf_reserve(&w->replies, n + size)) return;
  rl_buf_put(&w->replies, head, n);
  rl_buf_put(&w->replies, payload, size);
  flush_replies(w);
}

static void send_close(websocket *w, int code, const char *reason, size_t len) {
  char payload[RL_WS_CONTROL_MAX];
  if (w->close_sent) return;
  w->close_sent = true;
  payload[0] = (char)(code >> 8);
  payload[1] = (char)code;
  if (len > sizeof payload - 2) len = sizeof payload - 2;
  if (len) memcpy(payload + 2, reason, len);
  reply(w, RL_WS_CLOSE, payload, code == 1005 ? 0 : len + 2);
}

static void on_close_frame(websocket *w, const char *data, size_t size) {
  int code = rl_ws_read_close(data, size);
  if (code < 0) {
    w->code = -code;
    send_close(w, w->code, NULL, 0);
    return;
  }
  w->code = code;
  w->reason_len = size > 2 ? size - 2 : 0;
  if (w->reason_len) memcpy(w->reason, data + 2, w->reason_len);
  send_close(w, code, NULL, 0);
}

// Receiving.

static int push_message(lua_State *L, websocket *w, const rl_ws_event *event) {
  if (rl_buf_len(&w->message) == 0) {
    lua_pushlstring(L, event->data, event->size);
  } else {
    if (!rl_buf_put(&w->message, event->data, event->size))
      return luaL_error(L, "not enough memory");
    lua_pushlstring(L, rl_buf_head(&w->message), rl_buf_len(&w->message));
    rl_buf_clear(&w->message);
  }
  lua_pushstring(L, event->opcode == RL_WS_TEXT ? "text" : "binary");
  lua_pushboolean(L, event->compressed);
  return 3;
}

// While a message is going out no ping can, and its progress is the sign of life.
static void on_silence(rl_timer *timer) {
  websocket *w = rl_container_of(timer, websocket, timer);
  bool moves = w->sending && w->moved != w->moved_then;
  if (!rl_op_pending(&w->stream->reader)) return;
  if (w->awaiting && !moves) {
    w->code = 1006;
    rl_op_finish(&w->stream->reader, 0);
    return;
  }
  if (!w->awaiting) reply(w, RL_WS_PING, "", 0);
  w->awaiting = true;
  w->moved_then = w->moved;
  rl_loop_timer(w->stream->loop, timer, rl_loop_after(w->stream->loop, w->ping));
}

// Reads frames that have arrived. > 0: values pushed; 0: more must arrive, or w->code says why none
// will.
static int take(lua_State *L, websocket *w) {
  rl_stream *s = w->stream;
  while (!w->code) {
    rl_ws_event event;
    size_t used;
    int err = rl_ws_next(&w->reader, rl_buf_head(&s->in), rl_stream_len(s), &used, &event);
    if (err < 0) {
      w->code = -err;
      send_close(w, w->code, NULL, 0);
      break;
    }
    int pushed = 0;
    if (event.what == RL_WS_PIECE) {
      if (event.last)
        pushed = push_message(L, w, &event);
      else if (!rl_buf_put(&w->message, event.data, event.size))
        return luaL_error(L, "not enough memory");
    } else if (event.what == RL_WS_CONTROL && event.opcode == RL_WS_PING) {
      reply(w, RL_WS_PONG, event.data, event.size);
    } else if (event.what == RL_WS_CONTROL && event.opcode == RL_WS_CLOSE) {
      on_close_frame(w, event.data, event.size);
    }
    if (used) rl_stream_consume(s, used);
    if (pushed) return pushed;
    if (event.what == RL_WS_NOTHING && rl_stream_len(s) == 0) break;
  }
  return 0;
}

static int received(lua_State *L, int status, lua_KContext ctx);

// ctx 1: a wait is over.
static int receive_more(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  websocket *w = lua_touserdata(L, 1);
  rl_stream *s = w->stream;
  if (rl_stream_reading(s)) return rl_raise_op(L, "EBUSY", "recv", "another task receives");
  if (rl_stream_len(s)) {
    w->awaiting = false;
    int pushed = take(L, w);
    if (pushed) return pushed;
  }
  if (w->code) return 0;
  if (s->in_status < 0 || s->closed) {
    w->code = 1006;
    return 0;
  }
  flush_replies(w);
  rl_stream_wait_in(s, rl_stream_len(s) + 1, rl_current(L));
  if (w->ping != RL_NEVER && rl_op_pending(&s->reader))
    rl_loop_timer(s->loop, &w->timer, rl_loop_after(s->loop, w->ping));
  return rl_await(L, &s->reader, received, 1);
}

static int received(lua_State *L, int status, lua_KContext ctx) {
  websocket *w = lua_touserdata(L, 1);
  rl_loop_timer_stop(w->stream->loop, &w->timer);
  rl_stream_read_done(w->stream, rl_current(L));
  if (rl_current(L)->aborted) rl_lot_wake_all(&w->closing, 0);
  rl_awaited(L, &w->stream->reader);
  return receive_more(L, status, ctx);
}

// receive(): data, "text" | "binary", compressed; nothing at the end.
static int ws_receive(lua_State *L) {
  websocket *w = check_ws(L);
  lua_settop(L, 1);
  rl_checkpoint(L);
  if (w->code) return 0;
  return rl_no_wait(L, receive_more, 0);
}

// Sending. Stack: the websocket, the opcode, the payload, compressed, the header (and for a client,
// the masked payload).

enum { S_WS = 1, S_OPCODE, S_DATA, S_COMPRESSED, S_FRAME };

static int sent(lua_State *L, int status, lua_KContext done);

// What has come besides may be answered too: then they leave together.
static ssize_t pass(websocket *w, const uv_buf_t *pieces, unsigned count) {
  bool more = rl_stream_len(w->stream) > 0;
  return (more ? rl_stream_send_soon : rl_stream_send)(w->stream, pieces, count);
}

static int send_more(lua_State *L, websocket *w, size_t done) {
  size_t head, len;
  const char *frame = lua_tolstring(L, S_FRAME, &head), *data = lua_tolstring(L, S_DATA, &len);
  if (!w->server) len = 0;  // it is in the frame
  uv_buf_t pieces[2];
  unsigned count = 0;
  if (done < head) pieces[count++] = uv_buf_init((char *)frame + done, (unsigned)(head - done));
  size_t of_data = done > head ? done - head : 0;
  if (of_data < len)
    pieces[count++] = (uv_buf_t){.base = (char *)data + of_data, .len = len - of_data};
  ssize_t n = pass(w, pieces, count);
  if (n < 0) {
    w->sending = false;
    return rl_stream_raise(L, w->stream, (int)n, "send");
  }
  done += (size_t)n;
  w->moved += (size_t)n;
  if (done < head + len) {
    w->sending = true;
    rl_stream_wait_out(w->stream, RL_STREAM_OUT_LOW, true, rl_current(L));
    return rl_await(L, &w->stream->writer, sent, (lua_KContext)done);
  }
  w->sending = false;
  flush_replies(w);
  return 0;
}

static int sent(lua_State *L, int status, lua_KContext done) {
  (void)status;
  websocket *w = lua_touserdata(L, S_WS);
  rl_stream_write_done(w->stream, rl_current(L));
  int err = rl_awaited(L, &w->stream->writer);
  if (err < 0) {
    w->sending = false;
    return rl_stream_raise(L, w->stream, err, "send");
  }
  return send_more(L, w, (size_t)done);
}

static void push_frame(lua_State *L, websocket *w, uint8_t opcode, const char *data, size_t len) {
  uint8_t head[RL_WS_HEADER_MAX], mask[4];
  if (!w->server) new_mask(mask);
  size_t n = rl_ws_put_header(head, opcode, true, lua_toboolean(L, S_COMPRESSED), len,
                              w->server ? NULL : mask);
  if (w->server) {
    lua_pushlstring(L, (char *)head, n);
    return;
  }
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, n + len);
  memcpy(out, head, n);
  memcpy(out + n, data, len);
  rl_ws_mask(out + n, len, mask, 0);
  luaL_pushresultsize(&b, n + len);
}

static int send_start(lua_State *L, int status, lua_KContext opcode) {
  (void)status;
  size_t len;
  websocket *w = lua_touserdata(L, S_WS);
  const char *data = lua_tolstring(L, S_DATA, &len);
  if (rl_stream_writing(w->stream)) return rl_raise_op(L, "EBUSY", "send", "another task sends");
  if (is_cut(w)) return rl_raise_op(L, "BROKEN", "send", "a send was cancelled half way");
  flush_replies(w);
  if (rl_buf_len(&w->replies)) {  // they go first
    lua_pushlstring(L, rl_buf_head(&w->replies), rl_buf_len(&w->replies));
    rl_buf_clear(&w->replies);
  } else {
    lua_pushliteral(L, "");
  }
  push_frame(L, w, (uint8_t)opcode, data, len);
  lua_concat(L, 2);
  return send_more(L, w, 0);
}

// A server's message for which there is room, without a copy of it.
static int try_start(lua_State *L, int status, lua_KContext opcode) {
  (void)status;
  uint8_t head[RL_WS_HEADER_MAX];
  size_t len;
  websocket *w = lua_touserdata(L, S_WS);
  const char *data = lua_tolstring(L, S_DATA, &len);
  rl_stream *s = w->stream;
  bool can = w->server && !w->sending && !w->close_sent && !w->code && !rl_stream_writing(s) &&
             rl_buf_len(&w->replies) == 0 && rl_stream_room(s) >= len + sizeof head;
  if (can) {
    size_t n =
        rl_ws_put_header(head, (uint8_t)opcode, true, lua_toboolean(L, S_COMPRESSED), len, NULL);
    uv_buf_t pieces[2] = {uv_buf_init((char *)head, (unsigned)n),
                          uv_buf_init((char *)data, (unsigned)len)};
    ssize_t took = pass(w, pieces, len ? 2 : 1);
    if (took < 0) return rl_stream_raise(L, s, (int)took, "send");
    RL_CHECK((size_t)took == n + len);
  }
  lua_pushboolean(L, can);
  return 1;
}

// try_send(opcode, data, compressed): false: only `send` can.
static int ws_try_send(lua_State *L) {
  check_ws(L);
  lua_Integer opcode = luaL_checkinteger(L, S_OPCODE);
  luaL_checkstring(L, S_DATA);
  rl_checkpoint(L);
  lua_settop(L, S_COMPRESSED);
  return rl_no_wait(L, try_start, (lua_KContext)opcode);
}

// send(opcode, data, compressed), or send(8, reason, code).
static int ws_send(lua_State *L) {
  websocket *w = check_ws(L);
  lua_Integer opcode = luaL_checkinteger(L, S_OPCODE);
  size_t len;
  const char *data = luaL_checklstring(L, S_DATA, &len);
  rl_checkpoint(L);
  if (opcode == RL_WS_CLOSE) {
    send_close(w, (int)luaL_checkinteger(L, S_COMPRESSED), data, len);
    return 0;
  }
  if (w->close_sent || w->code) return rl_raise_op(L, "CLOSED", "send", "the WebSocket is closed");
  luaL_argcheck(L, opcode < RL_WS_CLOSE || len <= RL_WS_CONTROL_MAX, S_DATA,
                "longer than 125 bytes");
  lua_settop(L, S_COMPRESSED);
  return rl_no_wait(L, send_start, (lua_KContext)opcode);
}

// status(): the close code and reason; nothing while it is open.
static int ws_status(lua_State *L) {
  websocket *w = check_ws(L);
  if (!w->code) return 0;
  lua_pushinteger(L, w->code);
  lua_pushlstring(L, w->reason, w->reason_len);
  return 2;
}

// receives(): a task does.
static int ws_receives(lua_State *L) {
  lua_pushboolean(L, rl_stream_reading(check_ws(L)->stream));
  return 1;
}

static int woken(lua_State *L, int status, lua_KContext op) {
  (void)status;
  rl_awaited(L, (rl_op *)op);
  return 0;
}

// await(): waits until the task that receives is cancelled, or wake() is called.
static int ws_await(lua_State *L) {
  static const rl_op_kind kind = {"websocket:close", rl_lot_stop, NULL, RL_HOLD_NONE};
  websocket *w = check_ws(L);
  rl_checkpoint(L);
  rl_task *t = rl_current(L);
  rl_task_park(t, &w->closing, &kind, w);
  return rl_await(L, &t->wait, woken, (lua_KContext)&t->wait);
}

static int ws_wake(lua_State *L) {
  rl_lot_wake_all(&check_ws(L)->closing, 0);
  return 0;
}

// cut(): a send was cancelled in the middle of a frame.
static int ws_cut(lua_State *L) {
  lua_pushboolean(L, is_cut(check_ws(L)));
  return 1;
}

static int ws_gc(lua_State *L) {
  websocket *w = check_ws(L);
  if (!w->stream) return 0;
  rl_loop_timer_stop(w->stream->loop, &w->timer);
  rl_buf_fini(&w->message);
  rl_buf_fini(&w->replies);
  rl_stream_unref(w->stream);
  w->stream = NULL;
  return 0;
}

// open(stream, server, deflate, limit, ping): ping 0: none.
static int websocket_open(lua_State *L) {
  rl_stream *s = rl_check_open_stream(L, 1, "websocket");
  bool server = lua_toboolean(L, 2), deflate = lua_toboolean(L, 3);
  lua_Integer limit = luaL_checkinteger(L, 4);
  lua_Number ping = luaL_checknumber(L, 5);
  websocket *w = rl_object_new(L, &websocket_class, 1);
  rl_stream_ref(s);
  w->stream = s;
  w->server = server;
  w->ping = ping > 0 && ping < 1e9 ? (uint64_t)(ping * 1e9) : RL_NEVER;
  rl_timer_init(&w->timer, on_silence);
  rl_lot_init(&w->closing);
  rl_ws_reader_init(&w->reader, server, deflate, (uint64_t)limit);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

static int websocket_accept(lua_State *L) {
  size_t len;
  const char *key = luaL_checklstring(L, 1, &len);
  char out[RL_WS_ACCEPT_LEN];
  if (!rl_ws_is_key(key, len)) return 0;
  rl_ws_accept(key, len, out);
  lua_pushlstring(L, out, sizeof out);
  return 1;
}

// A new handshake's key.
static int websocket_key(lua_State *L) {
  char bytes[16], key[24];
  uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL);
  lua_pushlstring(L, key, rl_base64_encode(key, bytes, sizeof bytes, RL_BASE64, true));
  return 1;
}

// True for text that may be sent as such.
static int websocket_is_text(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  rl_utf8 utf8;
  rl_utf8_init(&utf8);
  lua_pushboolean(L, rl_utf8_check(&utf8, s, len) && rl_utf8_whole(&utf8));
  return 1;
}

static int websocket_is_close_code(lua_State *L) {
  lua_Integer code = luaL_checkinteger(L, 1);
  lua_pushboolean(L, code >= 0 && code < 5000 && rl_ws_is_close_code((unsigned)code));
  return 1;
}

static const luaL_Reg functions[] = {
    {"open", websocket_open},
    {"accept", websocket_accept},
    {"key", websocket_key},
    {"is_text", websocket_is_text},
    {"is_close_code", websocket_is_close_code},
    {NULL, NULL},
};

int rl_open_websocket(lua_State *L);
int rl_open_websocket(lua_State *L) {
  rl_class_open(L, &websocket_class);
  luaL_newlib(L, functions);
  return 1;
}
