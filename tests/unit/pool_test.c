// The CPU pool: turns by key, cancelling, coming back, stopping.
#include "runtime/thread/pool.h"
#include "tests/unit/test.h"

typedef struct {
  rl_work work;
  int id;
  atomic_bool *gate;     // run waits until it is set
  atomic_bool *started;  // run sets it
  bool ran, done;
} job;

static int order[64];
static int ended;

static void run_job(rl_work *w) {
  job *j = (job *)w;
  if (j->started) atomic_store(j->started, true);
  while (j->gate && !atomic_load(j->gate) && !atomic_load(&w->cancelled)) uv_sleep(1);
}

static void job_done(rl_work *w, bool ran) {
  job *j = (job *)w;
  j->done = true;
  j->ran = ran;
  if (ended < 64) order[ended] = j->id;
  ended++;
}

static void no_jobs(rl_loop *loop, rl_job *j) {
  (void)loop;
  (void)j;
}

static job job_of(int id) {
  job j = {.id = id};
  j.work.run = run_job;
  j.work.done = job_done;
  return j;
}

static void tick_until(rl_loop *loop, int count) {
  while (ended < count) rl_loop_tick(loop, true);
}

static void end_loop(rl_loop *loop) {
  rl_loop_close(loop);
  while (!rl_loop_closed(loop)) rl_loop_tick(loop, true);
  rl_loop_fini(loop);
}

static void wait_for(atomic_bool *flag) {
  while (!atomic_load(flag)) uv_sleep(1);
}

static void keys_take_turns(void) {
  rl_loop loop;
  rl_pool pool;
  EXPECT_EQ(rl_loop_init(&loop, NULL, no_jobs, NULL), 0);
  EXPECT_EQ(rl_pool_init(&pool, &loop, 1), 0);
  ended = 0;
  atomic_bool gate = false, started = false;
  job first = job_of(0), jobs[8];
  first.gate = &gate;
  first.started = &started;
  int a, b, c;
  EXPECT_EQ(rl_pool_submit(&pool, &first.work, &a), 0);
  wait_for(&started);
  const void *keys[8] = {&a, &a, &a, &a, &b, &b, &c, &a};
  for (int i = 0; i < 8; i++) {
    jobs[i] = job_of(i + 1);
    EXPECT_EQ(rl_pool_submit(&pool, &jobs[i].work, keys[i]), 0);
  }
  EXPECT_EQ(pool.queued, 8);
  atomic_store(&gate, true);
  tick_until(&loop, 9);
  const int expected[9] = {0, 1, 5, 7, 2, 6, 3, 4, 8};
  for (int i = 0; i < 9; i++) EXPECT_EQ(order[i], expected[i]);
  EXPECT_EQ(pool.keys, 0);
  rl_pool_fini(&pool);
  end_loop(&loop);
}

static void cancelling_takes_queued_work_off_and_tells_running_work(void) {
  rl_loop loop;
  rl_pool pool;
  EXPECT_EQ(rl_loop_init(&loop, NULL, no_jobs, NULL), 0);
  EXPECT_EQ(rl_pool_init(&pool, &loop, 1), 0);
  ended = 0;
  atomic_bool never = false, started = false;
  job running = job_of(0), second = job_of(1), third = job_of(2), other = job_of(3);
  running.gate = &never;
  running.started = &started;
  int a, b;
  rl_pool_submit(&pool, &running.work, &a);
  wait_for(&started);
  rl_pool_submit(&pool, &second.work, &a);
  rl_pool_submit(&pool, &other.work, &b);
  rl_pool_submit(&pool, &third.work, &a);
  EXPECT(rl_pool_cancel(&pool, &second.work));
  EXPECT(second.done && !second.ran);
  EXPECT(!rl_pool_cancel(&pool, &running.work));
  tick_until(&loop, 4);
  EXPECT(running.ran && third.ran && other.ran);
  EXPECT_EQ(order[2], 2);  // the cancelled one's turn went to the next of its key
  EXPECT_EQ(order[3], 3);
  rl_pool_fini(&pool);
  end_loop(&loop);
}

static void many_keys_and_threads(void) {
  enum { COUNT = 2000 };
  static job jobs[COUNT];
  static char keys[COUNT];
  rl_loop loop;
  rl_pool pool;
  EXPECT_EQ(rl_loop_init(&loop, NULL, no_jobs, NULL), 0);
  EXPECT_EQ(rl_pool_init(&pool, &loop, 3), 0);
  ended = 0;
  for (int i = 0; i < COUNT; i++) {
    jobs[i] = job_of(0);
    EXPECT_EQ(rl_pool_submit(&pool, &jobs[i].work, &keys[i % 700]), 0);
    if (i % 50 == 0) rl_loop_tick(&loop, false);
  }
  tick_until(&loop, COUNT);
  EXPECT_EQ(ended, COUNT);
  EXPECT_EQ(pool.completed, COUNT);
  EXPECT_EQ(pool.started, 3);
  rl_pool_fini(&pool);
  end_loop(&loop);
}

static void stopping_drops_the_queue_and_waits_for_what_runs(void) {
  rl_loop loop;
  rl_pool pool;
  EXPECT_EQ(rl_loop_init(&loop, NULL, no_jobs, NULL), 0);
  EXPECT_EQ(rl_pool_init(&pool, &loop, 1), 0);
  ended = 0;
  atomic_bool never = false, started = false;
  job running = job_of(0), queued = job_of(1);
  running.gate = &never;
  running.started = &started;
  int a;
  rl_pool_submit(&pool, &running.work, &a);
  wait_for(&started);
  rl_pool_submit(&pool, &queued.work, &a);
  rl_loop_close(&loop);
  rl_pool_fini(&pool);
  EXPECT(queued.done && !queued.ran);
  EXPECT(running.done && running.ran);
  EXPECT_EQ(ended, 2);
  while (!rl_loop_closed(&loop)) rl_loop_tick(&loop, true);
  rl_loop_fini(&loop);
}

int main(void) {
  keys_take_turns();
  cancelling_takes_queued_work_off_and_tells_running_work();
  many_keys_and_threads();
  stopping_drops_the_queue_and_waits_for_what_runs();
  return test_result();
}
