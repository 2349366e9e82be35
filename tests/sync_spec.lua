-- Synchronisation: first in, first out, direct hand-off; no wake-up, permit or item is lost to a cancel.
local rille = require "rille"

local function code_of(f, ...)
  local ok, err = pcall(f, ...)
  return not ok and (type(err) == "table" and err.code or err) or nil
end

local clock
local function virtual()
  before_each(function() clock = rille.test.clock() end)
  after_each(function() clock:close() end)
end

describe("lock", function()
  virtual()

  it("is handed over in arrival order", function()
    local order, lock = {}, rille.lock()
    rille.group(function(g)
      local held <close> = lock:acquire()
      for i = 1, 3 do
        g:spawn(function()
          local _ <close> = lock:acquire()
          order[#order + 1] = i
        end)
      end
      rille.yield()
    end)
    assert.same({ 1, 2, 3 }, order)
  end)

  it("cannot be barged into", function()
    local lock, order = rille.lock(), {}
    rille.group(function(g)
      lock:acquire()
      g:spawn(function()
        lock:acquire()
        order[#order + 1] = "waiter"
        lock:release()
      end)
      rille.yield()
      lock:release()
      assert.is_nil(lock:try_acquire())
      lock:acquire()
      order[#order + 1] = "again"
      lock:release()
    end)
    assert.same({ "waiter", "again" }, order)
  end)

  it("refuses a second acquire by its owner and a release by another", function()
    local lock = rille.lock()
    lock:acquire()
    assert.equal("DEADLOCK", code_of(lock.acquire, lock))
    rille.group(function(g)
      g:spawn(function() assert.equal("DENIED", code_of(lock.release, lock)) end)
    end)
    assert.equal(rille.current(), lock:owner())
    lock:release()
    assert.is_nil(lock:owner())
    assert.equal("DENIED", code_of(lock.release, lock))
  end)

  it("may be released by hand before its block ends", function()
    local lock = rille.lock()
    do
      local _ <close> = lock:acquire()
      lock:release()
    end
    assert.is_nil(lock:owner())
  end)

  it("gives BROKEN to waiters when its owner ends holding it", function()
    local lock, code = rille.lock(), nil
    rille.group(function(g)
      g:spawn(function()
        lock:acquire()
        rille.sleep(1)
      end)
      g:spawn(function() code = code_of(lock.acquire, lock) end)
    end)
    assert.equal("BROKEN", code)
  end)

  it("is not lost to a cancelled waiter", function()
    local lock, got = rille.lock(), false
    rille.group(function(g)
      lock:acquire()
      local t = g:spawn(function() lock:acquire() end)
      g:spawn(function()
        lock:acquire()
        got = true
        lock:release()
      end)
      rille.yield()
      t:cancel()
      lock:release()
    end)
    assert.is_true(got)
  end)

  it("runs a function while it is held", function()
    local lock = rille.lock()
    assert.same({ 1, 2 }, { lock:with(function(...) return ... end, 1, 2) })
    assert.equal("x", code_of(lock.with, lock, error, "x", 0))
    assert.is_nil(lock:owner())
  end)
end)

describe("rwlock", function()
  virtual()

  it("admits many readers or one writer", function()
    local rw, readers, most, writing = rille.rwlock(), 0, 0, false
    rille.group(function(g)
      for _ = 1, 3 do
        g:spawn(function()
          local _ <close> = rw:read()
          assert.is_false(writing)
          readers = readers + 1
          most = math.max(most, readers)
          rille.sleep(1)
          readers = readers - 1
        end)
      end
      g:spawn(function()
        local _ <close> = rw:write()
        assert.equal(0, readers)
        writing = true
        rille.sleep(1)
        writing = false
      end)
    end)
    assert.equal(3, most)
  end)

  it("is phase-fair: readers behind a writer wait for it, and go together", function()
    local rw, log = rille.rwlock(), {}
    rille.group(function(g)
      local first = rw:read()
      g:spawn(function()
        local _ <close> = rw:write()
        log[#log + 1] = "w"
      end)
      rille.yield()
      for _ = 1, 2 do
        g:spawn(function()
          local _ <close> = rw:read()
          log[#log + 1] = "r"
        end)
      end
      rille.yield()
      assert.same({}, log)
      first:release()
    end)
    assert.same({ "w", "r", "r" }, log)
  end)

  it("lets the readers behind a cancelled writer in", function()
    local rw, entered = rille.rwlock(), false
    rille.group(function(g)
      local first <close> = rw:read()
      local writer = g:spawn(function() rw:write() end)
      rille.yield()
      g:spawn(function()
        local _ <close> = rw:read()
        entered = true
      end)
      rille.yield()
      writer:cancel()
      rille.sleep(1)
      assert.is_true(entered)
    end)
  end)
end)

describe("rwlock's queue", function()
  virtual()

  it("keeps its order when a writer leaves it under a writer, or before another", function()
    local rw, order = rille.rwlock(), {}
    local function queue(name, how)
      local t = rille.spawn(function()
        local _ <close> = how(rw)
        order[#order + 1] = name
        rille.sleep(1)
      end)
      rille.yield()
      return t
    end
    local held = rw:write()
    local quits = queue("quits", rw.write)
    queue("reader", rw.read)
    queue("writer", rw.write)
    quits:cancel()
    rille.sleep(1)
    assert.same({}, order)
    held:release()
    rille.sleep(3)
    assert.same({ "reader", "writer" }, order)
    assert.equal("DENIED", code_of(held.release, held))
  end)
end)

describe("semaphore", function()
  virtual()

  it("is weighted, first in first out", function()
    local s, order = rille.semaphore(3), {}
    rille.group(function(g)
      s:acquire(2)
      g:spawn(function()
        s:acquire(3)
        order[#order + 1] = "three"
        s:release(3)
      end)
      rille.yield()
      g:spawn(function()
        s:acquire(1)
        order[#order + 1] = "one"
        s:release(1)
      end)
      rille.yield()
      s:release(2)
    end)
    assert.same({ "three", "one" }, order)
  end)

  it("grants those behind a queued head that leaves", function()
    local s, got = rille.semaphore(3), false
    rille.group(function(g)
      s:acquire(2)
      local head = g:spawn(function() s:acquire(3) end)
      rille.yield()
      g:spawn(function()
        s:acquire(1)
        got = true
        s:release(1)
      end)
      rille.yield()
      head:cancel()
      rille.sleep(1)
      assert.is_true(got)
      s:release(2)
    end)
  end)

  it("releases at the end of a block", function()
    local s = rille.semaphore(2)
    do
      local _ <close> = s:acquire(2)
      assert.is_nil(s:try_acquire())
    end
    local permit = s:try_acquire(2)
    assert.truthy(permit)
    permit:release()
  end)

  it("has nothing for who tries for more than there is", function()
    local s = rille.semaphore(1)
    assert.is_nil(s:try_acquire(2))
    s:resize(0)
    assert.is_nil(s:try_acquire())
  end)

  it("refuses a release above its size", function()
    local s = rille.semaphore(1)
    assert.equal("LIMIT", code_of(s.release, s))
    assert.has_error(function() s:acquire(2) end)
  end)

  it("refuses counts that no integer can hold", function()
    local s = rille.semaphore(2)
    s:acquire()
    assert.equal("LIMIT", code_of(s.release, s, math.maxinteger))
    assert.equal(1, s:available())
  end)

  it("can be resized", function()
    local s, got = rille.semaphore(1), 0
    rille.group(function(g)
      s:acquire()
      for _ = 1, 2 do
        g:spawn(function()
          s:acquire()
          got = got + 1
        end)
      end
      rille.yield()
      s:resize(3)
      rille.yield()
      assert.equal(2, got)
    end)
  end)
end)

describe("event", function()
  virtual()

  it("wakes all that wait, even if it is cleared at once", function()
    local e, woken = rille.event(), 0
    rille.group(function(g)
      for _ = 1, 3 do
        g:spawn(function()
          e:wait()
          woken = woken + 1
        end)
      end
      rille.yield()
      e:set()
      e:clear()
    end)
    assert.equal(3, woken)
    assert.is_false(e:is_set())
    e:set()
    e:wait()
    assert.is_true(e:is_set())
  end)
end)

describe("condition", function()
  virtual()

  it("returns owning the lock", function()
    local c = rille.condition()
    local ready = false
    rille.group(function(g)
      g:spawn(function()
        local _ <close> = c:acquire()
        c:wait(function() return ready end)
        assert.equal(rille.current(), c.lock:owner())
      end)
      rille.yield()
      local _ <close> = c:acquire()
      c:notify()
      rille.yield()
      ready = true
      c:notify_all()
    end)
  end)

  it("raises owning the lock when it is cancelled", function()
    local c, owned = rille.condition(), nil
    local t = rille.spawn(function()
      c:acquire()
      rille.catch_cancel(c.wait, c)
      owned = c.lock:owner() == rille.current()
      c:release()
    end)
    rille.yield()
    t:cancel()
    pcall(t.await, t)
    assert.is_true(owned)
  end)

  it("never spends a notification on a cancelled waiter", function()
    local c, woken = rille.condition(), {}
    rille.group(function(g)
      local tasks = {}
      for i = 1, 2 do
        tasks[i] = g:spawn(function()
          local _ <close> = c:acquire()
          c:wait()
          woken[#woken + 1] = i
        end)
      end
      rille.yield()
      local _ <close> = c:acquire()
      tasks[1]:cancel()
      c:notify(1)
    end)
    assert.same({ 2 }, woken)
  end)

  it("refuses what is no lock", function()
    assert.is_false((pcall(rille.condition, rille.semaphore(1))))
  end)

  it("wants the lock held", function()
    local c = rille.condition()
    assert.equal("DENIED", code_of(c.wait, c))
    assert.equal("DENIED", code_of(c.notify, c))
  end)
end)

describe("barrier", function()
  virtual()

  it("gives the order of arrival", function()
    local b, got = rille.barrier(3), {}
    rille.group(function(g)
      for i = 1, 3 do
        g:spawn(function()
          rille.sleep(i)
          got[i] = b:wait()
        end)
      end
    end)
    assert.same({ 1, 2, 3 }, got)
  end)

  it("lets a cancelled party withdraw", function()
    local b, passed = rille.barrier(2), 0
    rille.group(function(g)
      local t = g:spawn(function() b:wait() end)
      rille.yield()
      t:cancel()
      rille.yield()
      for _ = 1, 2 do
        g:spawn(function()
          b:wait()
          passed = passed + 1
        end)
      end
    end)
    assert.equal(2, passed)
  end)

  it("can be aborted and reset", function()
    local b, code = rille.barrier(2), nil
    rille.group(function(g)
      g:spawn(function() code = code_of(b.wait, b) end)
      rille.yield()
      b:abort()
    end)
    assert.equal("BROKEN", code)
    assert.equal("BROKEN", code_of(b.wait, b))
    b:reset()
    rille.gather(function() b:wait() end, function() b:wait() end)
  end)
end)

describe("channel", function()
  virtual()

  it("of capacity 0 hands over directly", function()
    local ch, log = rille.channel(), {}
    rille.group(function(g)
      g:spawn(function()
        for i = 1, 2 do
          ch:send(i)
          log[#log + 1] = "sent " .. i
        end
      end)
      rille.sleep(1)
      assert.same({}, log)
      assert.equal(1, ch:recv())
      assert.equal(2, ch:recv())
    end)
  end)

  it("of a capacity holds back its senders", function()
    local ch, sent = rille.channel(2), 0
    rille.group(function(g)
      g:spawn(function()
        for i = 1, 5 do
          ch:send(i)
          sent = i
        end
      end)
      rille.sleep(1)
      assert.equal(2, sent)
      assert.equal(2, #ch)
      for i = 1, 5 do assert.equal(i, ch:recv()) end
    end)
  end)

  it("unbounded never holds back", function()
    local ch = rille.channel(math.huge)
    for i = 1, 1000 do ch:send(i) end
    assert.equal(1000, #ch)
    for i = 1, 1000 do assert.equal(i, ch:recv()) end
  end)

  it("carries false and refuses nil", function()
    local ch = rille.channel(1)
    ch:send(false)
    assert.is_false(ch:recv())
    assert.has_error(function() ch:send(nil) end)
    assert.has_error(function() ch:send() end)
  end)

  it("drains after close, then gives nil; senders get CLOSED", function()
    local ch = rille.channel(2)
    ch:send(1)
    ch:send(2)
    rille.group(function(g)
      g:spawn(function() assert.equal("CLOSED", code_of(ch.send, ch, 3)) end)
      rille.yield()
      ch:close()
    end)
    local got = {}
    for v in ch do got[#got + 1] = v end
    assert.same({ 1, 2 }, got)
    assert.is_nil(ch:recv())
    assert.equal("CLOSED", code_of(ch.send, ch, 4))
    assert.equal("CLOSED", code_of(ch.try_send, ch, 4))
    ch:close()
  end)

  it("can be closed discarding what it holds", function()
    local ch = rille.channel(2)
    ch:send(1)
    ch:close { discard = true }
    assert.is_nil(ch:recv())
    assert.has_error(function() ch:close { discrd = true } end)
  end)

  it("leaves an error alone that ends its block", function()
    local err = { code = "MINE" }
    for _, value in ipairs { err, "text", { discard = true } } do
      local ok, got = pcall(function()
        local ch <close> = rille.channel(1)
        ch:send "kept"
        error(value, 0)
      end)
      assert.is_false(ok)
      assert.is_true(rawequal(value, got))
    end
    local completed = rille.move_on_after(1, function()
      local ch <close> = rille.channel()
      ch:recv()
    end)
    assert.is_false(completed)
  end)

  it("tries without waiting", function()
    local ch = rille.channel(1)
    assert.is_false((ch:try_recv()))
    assert.is_true(ch:try_send("a"))
    assert.is_false(ch:try_send("b"))
    assert.same({ true, "a" }, { ch:try_recv() })
    ch:close()
    assert.is_nil(ch:try_recv())
  end)

  it("loses no item to a cancelled receiver or sender", function()
    local ch, got = rille.channel(), {}
    rille.group(function(g)
      local r = g:spawn(function() got[#got + 1] = ch:recv() end)
      rille.yield()
      r:cancel()
      local s = g:spawn(function() ch:send("dropped with its sender") end)
      rille.yield()
      s:cancel()
      rille.yield()
      g:spawn(function() ch:send("kept") end)
      got[#got + 1] = ch:recv()
    end)
    assert.same({ "kept" }, got)
  end)
end)

describe("future", function()
  virtual()

  it("gives its values to any number of awaits", function()
    local f = rille.future()
    assert.is_false(f:is_done())
    rille.group(function(g)
      for _ = 1, 2 do
        g:spawn(function() assert.same({ 1, nil, 3 }, { rille.await(f) }) end)
      end
      rille.yield()
      f:set(1, nil, 3)
    end)
    assert.is_true(f:is_done())
    assert.same({ 1, nil, 3 }, { f:await() })
    assert.equal("CLOSED", code_of(f.set, f, 2))
  end)

  it("raises the very error it failed with", function()
    local f, err = rille.future(), {}
    f:fail(err)
    local ok, got = pcall(f.await, f)
    assert.is_false(ok)
    assert.is_true(rawequal(err, got))
  end)
end)
