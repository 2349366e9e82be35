// Blocking calls on libuv's pool.
#include "runtime/io/pooled.h"

#include "runtime/base/check.h"
#include "runtime/base/error.h"

static void on_pool(uv_work_t *req) {
  rl_pooled *p = req->data;
  p->status = rl_pooled_cancelled(p) ? RL_CANCELLED : p->run(p);
}

static void on_loop(uv_work_t *req, int status) {
  rl_pooled *p = req->data;
  p->loop->handles--;
  if (!rl_op_finish(&p->op, status < 0 ? status : p->status)) p->drop(p);
}

// The callback comes in every case, also for a request that was still queued.
static rl_stop stop(rl_op *op) {
  rl_pooled *p = rl_container_of(op, rl_pooled, op);
  atomic_store_explicit(&p->cancelled, true, memory_order_relaxed);
  bool queued = uv_cancel((uv_req_t *)&p->req) == 0;
  return p->stays && !queued ? RL_STOP_LATER : RL_STOP_LEAVE;
}

static const rl_op_kind pooled_kind = {"file", stop, NULL, RL_HOLD_REAL};

void rl_pooled_start(rl_pooled *p, rl_loop *loop, struct rl_task *task) {
  p->loop = loop;
  p->req.data = p;
  p->status = 0;
  atomic_init(&p->cancelled, false);
  rl_op_init(&p->op, &pooled_kind);
  rl_op_begin(&p->op, task);
  loop->handles++;  // the loop stays until the callback
  RL_CHECK(uv_queue_work(loop->uv, &p->req, on_pool, on_loop) == 0);
}
