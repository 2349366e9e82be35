-- Cancellation: delivery, protected calls, cleanup, grace, absorption, shields, deadlines.
local rille = require "rille"

local function code_of(f, ...)
  local ok, err = pcall(f, ...)
  return not ok and (type(err) == "table" and err.code or err) or nil
end

describe("cancellation", function()
  local clock
  before_each(function() clock = rille.test.clock() end)
  after_each(function() clock:close() end)

  it("wakes the innermost wait at once", function()
    local t0 = rille.now()
    local t = rille.spawn(rille.sleep, 1000)
    rille.yield()
    t:cancel("enough")
    assert.equal("CANCELLED", code_of(t.await, t))
    assert.equal(t0, rille.now())
  end)

  it("starts a task that has not begun, which gets it at its first checkpoint", function()
    local steps = {}
    local t = rille.spawn(function()
      steps[1] = "started"
      rille.yield()
      steps[2] = "went on"
    end)
    t:cancel()
    pcall(t.await, t)
    assert.same({ "started" }, steps)
  end)

  it("is delivered at every call that may wait, even if it would not have waited", function()
    local ch = rille.channel(10)
    for name, call in pairs {
      send = function() ch:send(1) end,
      recv = function() ch:try_send(1) ch:recv() end,
      acquire = function() rille.lock():acquire() end,
      sleep0 = function() rille.sleep(0) end,
      gather = function() rille.gather() end,
      group = function() rille.group(function() end) end,
      event = function() local e = rille.event() e:set() e:wait() end,
      await = function() local f = rille.future() f:set(1) f:await() end,
    } do
      local passed = false
      local t = rille.spawn(function()
        rille.current():cancel()
        call()
        passed = true
      end)
      assert.equal("CANCELLED", code_of(t.await, t), name)
      assert.is_false(passed, name)
    end
  end)

  it("is not caught by pcall and xpcall", function()
    local after = {}
    local t = rille.spawn(function()
      after.pcall = { pcall(rille.sleep, 10) }
    end)
    local u = rille.spawn(function()
      after.xpcall = { xpcall(rille.sleep, function() return "handled" end, 10) }
    end)
    rille.yield()
    t:cancel()
    u:cancel()
    assert.equal("CANCELLED", code_of(t.await, t))
    assert.equal("CANCELLED", code_of(u.await, u))
    assert.same({}, after)
  end)

  it("is not caught by coroutine.resume", function()
    local passed = false
    local t = rille.spawn(function()
      local co = coroutine.create(function() rille.sleep(10) end)
      coroutine.resume(co)
      passed = true
    end)
    rille.yield()
    t:cancel()
    assert.equal("CANCELLED", code_of(t.await, t))
    assert.is_false(passed)
  end)

  it("goes on whatever the code inside a pcall did with the error", function()
    local reached = false
    local t = rille.async(function()
      pcall(function()
        rille.catch_cancel(rille.sleep, 10)
        error("another", 0)
      end)
      reached = true
    end)()
    rille.yield()
    t:cancel()
    local ok, err = pcall(t.await, t)
    assert.is_false(ok)
    assert.is_false(reached)
    assert.equal("CANCELLED", err.code)
    assert.same({ "another" }, rille.suppressed(err))
  end)

  it("of a deadline stays one when its cleanup fails, inside a pcall or not", function()
    for _, protect in ipairs { function(f) f() end, pcall } do
      local failure = { "in cleanup" }
      local ok, err = pcall(rille.timeout, 1, function()
        protect(function()
          local _ <close> = setmetatable({}, { __close = function() error(failure) end })
          rille.sleep(10)
        end)
      end)
      assert.is_false(ok)
      assert.equal("TIMEOUT", err.code)
      assert.same({ failure }, rille.suppressed(err))
    end
  end)

  it("goes on from an xpcall, and keeps what the runtime raised in its cleanup", function()
    local function same(err) return err end
    local ok, err = pcall(rille.timeout, 1, function()
      xpcall(function()
        local _ <close> = setmetatable({}, { __close = function()
          local closed = rille.channel()
          closed:close()
          closed:send(1)
        end })
        rille.sleep(10)
      end, same)
    end)
    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
    assert.equal("CLOSED", rille.suppressed(err)[1].code)
  end)

  it("is seen by catch_cancel, with the reason", function()
    local seen
    local t = rille.spawn(function()
      local ok, err = rille.catch_cancel(rille.sleep, 10)
      seen = { ok, err.code, err.reason }
      error(err, 0)
    end)
    rille.yield()
    t:cancel("lunch")
    pcall(t.await, t)
    assert.same({ false, "CANCELLED", "lunch" }, seen)
  end)

  it("lets cleanup wait", function()
    local log = {}
    local t = rille.spawn(function()
      local _ <close> = setmetatable({}, {
        __close = function()
          rille.sleep(1)
          log[#log + 1] = "closed"
        end,
      })
      rille.sleep(100)
    end)
    rille.yield()
    t:cancel()
    pcall(t.await, t)
    assert.same({ "closed" }, log)
  end)

  it("raises again at every checkpoint when the grace period is over", function()
    local log = {}
    local t0 = rille.now()
    local t = rille.spawn(function()
      local _ <close> = setmetatable({}, {
        __close = function()
          log[1] = select(2, rille.catch_cancel(rille.sleep, 100)).code
          log[2] = rille.now() - t0
          log[3] = select(2, rille.catch_cancel(rille.sleep, 100)).code
        end,
      })
      rille.sleep(100)
    end)
    rille.yield()
    t:cancel { grace = 2, reason = "short" }
    pcall(t.await, t)
    assert.equal("CANCELLED", log[1])
    assert.near(2, log[2], 1e-6)
    assert.equal("CANCELLED", log[3])
    assert.near(2, rille.now() - t0, 1e-6)
  end)

  it("has a grace period of five seconds", function()
    local t0 = rille.now()
    local t = rille.spawn(function()
      rille.catch_cancel(rille.sleep, 100)
      rille.sleep(100)
    end)
    rille.yield()
    t:cancel()
    pcall(t.await, t)
    assert.near(5, rille.now() - t0, 1e-6)
  end)

  it("from further out does not interrupt a cleanup", function()
    local finished = false
    local outer = rille.spawn(function()
      rille.group(function(g)
        g:spawn(function()
          rille.catch_cancel(rille.sleep, 100)
          rille.sleep(2)
          finished = true
        end)
        rille.sleep(1)
        g:cancel()
      end)
    end)
    rille.sleep(1.5)
    outer:cancel()
    pcall(outer.await, outer)
    assert.is_true(finished)
  end)

  it("from further out ends a cleanup when its own grace period ends sooner", function()
    local finished = false
    local t0 = rille.now()
    local outer = rille.spawn(function()
      rille.group(function(g)
        g:spawn(function()
          rille.catch_cancel(rille.sleep, 100)
          rille.sleep(4)
          finished = true
        end)
        rille.sleep(1)
        g:cancel()
      end)
    end)
    rille.sleep(1.5)
    outer:cancel { grace = 0.5 }
    pcall(outer.await, outer)
    assert.is_false(finished)
    assert.near(2, rille.now() - t0, 1e-6)
  end)

  it("is absorbed by the scope that was cancelled", function()
    local log = {}
    rille.group(function(outer)
      outer:spawn(function()
        local values = table.pack(rille.group(function(g)
          g:spawn(rille.sleep, 100)
          rille.sleep(1)
          g:cancel()
          rille.sleep(1)
        end))
        log[1] = values.n
      end)
    end)
    assert.same({ 0 }, log)
  end)

  it("is absorbed by the outermost cancelled scope only", function()
    local log = {}
    rille.group(function(outer)
      rille.group(function(inner)
        outer:cancel()
        inner:cancel()
        rille.sleep(1)
      end)
      log[1] = "inner absorbed it"
    end)
    log[#log + 1] = "outer absorbed it"
    assert.same({ "outer absorbed it" }, log)
  end)

  it("of a task is an ordinary error to who awaits it", function()
    local t = rille.spawn(rille.sleep, 100)
    rille.yield()
    t:cancel()
    local ok, err = pcall(t.await, t)
    assert.is_false(ok)
    assert.equal("CANCELLED", err.code)
    rille.sleep(1) -- this task is not cancelled
  end)

  it("comes second to a wait that has completed", function()
    local ch, got = rille.channel(), nil
    local t = rille.spawn(function()
      got = ch:recv()
      rille.yield()
      got = "went on"
    end)
    rille.yield()
    ch:send("item")
    t:cancel()
    pcall(t.await, t)
    assert.equal("item", got)
  end)

  it("comes second to whatever has been handed over", function()
    local event, lock, semaphore = rille.event(), rille.lock(), rille.semaphore(1)
    local future, barrier, channel = rille.future(), rille.barrier(2), rille.channel()
    lock:acquire()
    semaphore:acquire()
    for name, pair in pairs {
      event = { function() event:wait() end, function() event:set() end },
      lock = { function() lock:with(function() end) end, function() lock:release() end },
      semaphore = { function() semaphore:acquire():release() end, function() semaphore:release() end },
      future = { function() future:await() end, function() future:set() end },
      barrier = { function() barrier:wait() end, function() barrier:wait() end },
      send = { function() channel:send(1) end, function() channel:recv() end },
      select = { function() rille.select { channel:receiving() } end, function() channel:send(1) end },
    } do
      local wait, wake = pair[1], pair[2]
      local got = 0
      local t = rille.spawn(function()
        wait()
        got = 1
        rille.yield()
        got = 2
      end)
      rille.yield()
      wake()
      t:cancel()
      assert.equal("CANCELLED", code_of(t.await, t), name)
      assert.equal(1, got, name)
    end
  end)

  it("twice, of a finished task, of oneself and of a parent is defined", function()
    local t = rille.spawn(rille.sleep, 10)
    rille.yield()
    t:cancel()
    t:cancel()
    pcall(t.await, t)
    t:cancel()
    local me = rille.spawn(function()
      rille.current():cancel()
      rille.yield()
    end)
    assert.equal("CANCELLED", code_of(me.await, me))
    local parent
    parent = rille.spawn(function()
      rille.spawn(function() parent:cancel() end)
      rille.sleep(10)
    end)
    assert.equal("CANCELLED", code_of(parent.await, parent))
  end)

  it("keeps errors that cleanup raises", function()
    local ok, err = pcall(rille.group, function(g)
      g:spawn(function()
        local _ <close> = setmetatable({}, { __close = function() error("in cleanup", 0) end })
        rille.sleep(100)
      end)
      rille.sleep(1)
      g:cancel()
    end)
    assert.is_false(ok)
    assert.equal("in cleanup", err)
  end)

  it("keeps errors that cleanup raises as suppressed for who awaits", function()
    local t = rille.async(function()
      local _ <close> = setmetatable({}, { __close = function() error("in cleanup", 0) end })
      rille.sleep(100)
    end)()
    rille.yield()
    t:cancel()
    local ok, err = pcall(t.await, t)
    assert.is_false(ok)
    assert.equal("CANCELLED", err.code)
    assert.same({ "in cleanup" }, rille.suppressed(err))
  end)

  it("keeps errors that cleanup raises when nobody awaits", function()
    local ok, err = pcall(rille.group, function(g)
      local t = g:async(function()
        local _ <close> = setmetatable({}, { __close = function() error("in cleanup", 0) end })
        rille.sleep(100)
      end)
      rille.yield()
      t:cancel()
    end)
    assert.is_false(ok)
    assert.equal("in cleanup", err)
  end)

  it("reaches a wait inside nested coroutines", function()
    local cleaned = 0
    local function cleanup()
      return setmetatable({}, { __close = function() cleaned = cleaned + 1 end })
    end
    local t = rille.spawn(function()
      local outer = coroutine.wrap(function()
        local _ <close> = cleanup()
        local inner = coroutine.wrap(function()
          local _ <close> = cleanup()
          rille.sleep(100)
        end)
        inner()
      end)
      outer()
    end)
    rille.yield()
    t:cancel()
    assert.equal("CANCELLED", code_of(t.await, t))
    assert.equal(2, cleaned)
  end)

  it("closes what a coroutine leaves open, since its resume does not return", function()
    local lock, log = rille.lock(), {}
    local t = rille.async(function()
      coroutine.resume(coroutine.create(function()
        local _ <close> = lock:acquire()
        local _ <close> = setmetatable({}, { __close = function() log[1] = pcall(rille.sleep, 1) end })
        rille.sleep(10)
      end))
    end)()
    rille.spawn(function()
      rille.sleep(1)
      t:cancel()
    end)
    local ok, err = pcall(rille.gather, t, function() rille.sleep(2) end)
    assert.is_false(ok)
    assert.equal("CANCELLED", err.code)
    assert.is_nil(lock:owner())
    assert.same({ false }, log) -- it ran, where it could not wait
  end)

  it("of thousands inside one scope ends them all", function()
    local ended = 0
    rille.group(function(g)
      for _ = 1, 5000 do
        g:spawn(function()
          local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
          rille.sleep(100)
        end)
      end
      rille.sleep(1)
      g:cancel()
    end)
    assert.equal(5000, ended)
  end)
end)

describe("shield", function()
  local clock
  before_each(function() clock = rille.test.clock() end)
  after_each(function() clock:close() end)

  it("keeps outer cancellation pending until the first checkpoint after it", function()
    local log = {}
    local t = rille.spawn(function()
      log[1] = rille.shield(function()
        rille.sleep(2)
        return "whole"
      end)
      log[2] = "after"
      rille.yield()
      log[3] = "never"
    end)
    rille.sleep(1)
    t:cancel()
    pcall(t.await, t)
    assert.same({ "whole", "after" }, log)
  end)

  it("keeps out also what is due when it begins", function()
    local steps = {}
    local t = rille.spawn(rille.shield, function()
      rille.sleep(1)
      steps[#steps + 1] = "inside"
    end)
    t:cancel()
    pcall(t.await, t)
    local u = rille.spawn(function()
      rille.shield(rille.sleep, 1)
      steps[#steps + 1] = "after"
      rille.yield()
      steps[#steps + 1] = "never"
    end)
    u:cancel()
    assert.equal("CANCELLED", code_of(u.await, u))
    assert.same({ "inside", "after" }, steps)
  end)

  it("does not keep out a cancellation from inside", function()
    local ok = rille.shield(function()
      return (rille.move_on_after(1, rille.sleep, 10))
    end)
    assert.is_false(ok)
  end)
end)

describe("deadlines", function()
  local clock
  before_each(function() clock = rille.test.clock() end)
  after_each(function() clock:close() end)

  it("of timeout raise TIMEOUT", function()
    assert.equal("TIMEOUT", code_of(rille.timeout, 1, rille.sleep, 2))
    assert.same({ 1, 2 }, { rille.timeout(1, function(...) return ... end, 1, 2) })
  end)

  it("of move_on_after say whether the body completed", function()
    assert.same({ false }, { rille.move_on_after(1, rille.sleep, 2) })
    assert.same({ true, "v" }, { rille.move_on_after(1, function() return "v" end) })
  end)

  it("can be moved, before they have passed", function()
    local t0 = rille.now()
    assert.equal("TIMEOUT", code_of(function()
      local d <close> = rille.deadline(1)
      rille.sleep(0.5)
      d:reschedule(2)
      rille.sleep(10)
    end))
    assert.near(2.5, rille.now() - t0, 1e-6)
    assert.equal("TIMEOUT", code_of(function()
      local d <close> = rille.deadline(100)
      d:reschedule(0)
      rille.yield()
    end))
  end)

  it("of zero let a body that does not wait complete", function()
    assert.equal("value", rille.timeout(0, function() return "value" end))
    assert.equal("TIMEOUT", code_of(rille.timeout, 0, rille.yield))
    assert.same({ true, nil, 2, n = 3 }, table.pack(rille.move_on_after(0, function() return nil, 2 end)))
    assert.same({ false, n = 1 }, table.pack(rille.move_on_after(0, rille.sleep, 1)))
  end)

  it("cover the rest of a block", function()
    assert.equal("TIMEOUT", code_of(function()
      local _ <close> = rille.deadline(1)
      rille.sleep(2)
    end))
    assert.is_nil(code_of(function()
      local d <close> = rille.deadline(1)
      d:reschedule(3)
      rille.sleep(2)
    end))
  end)

  it("nest, and the inner does not catch the outer's", function()
    local inner
    local outer = code_of(rille.timeout, 1, function()
      inner = code_of(rille.timeout, 5, rille.sleep, 10)
    end)
    assert.equal("TIMEOUT", outer)
    assert.is_nil(inner)
    outer = code_of(rille.timeout, 5, function()
      inner = code_of(rille.timeout, 1, rille.sleep, 10)
    end)
    assert.is_nil(outer)
    assert.equal("TIMEOUT", inner)
  end)

  it("are inherited by children", function()
    local code = code_of(rille.timeout, 1, function()
      rille.group(function(g) g:spawn(rille.sleep, 10) end)
    end)
    assert.equal("TIMEOUT", code)
  end)

  it("cover waits for locks", function()
    local l = rille.lock()
    rille.group(function(g)
      g:spawn(function() l:with(rille.sleep, 10) end)
      rille.yield()
      assert.equal("TIMEOUT", code_of(rille.timeout, 1, l.acquire, l))
      g:cancel()
    end)
  end)

  it("lose to an error of the body in the same tick", function()
    local code = code_of(rille.timeout, 1, function()
      rille.sleep(1)
      error("mine", 0)
    end)
    assert.equal("mine", code)
    code = code_of(rille.timeout, 1, function()
      clock:advance(2)
      error("mine", 0)
    end)
    assert.equal("mine", code)
  end)
end)
