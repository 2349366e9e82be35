-- A review of the concurrency core against its promises, with a random mix of every primitive, found races that no spec had
-- met: a condition whose waiter was woken and cancelled in one tick came back without its lock; a cancelled task counted as
-- the last party of a barrier; a rwlock granted itself before a yield; select read its list of cases again after the wait; a
-- deadline closed before a later one stayed the target of the cancellation; `wait` and `as_completed` swallowed failures.
local rille = require "rille"

local function in_group(f)
  return pcall(rille.group, f)
end

describe("races of the core", function()
  it("a condition's waiter that is woken and then cancelled owns the lock", function()
    local c = rille.condition()
    local owned, woken
    local t = rille.async(function()
      local _ <close> = c:acquire()
      woken = rille.catch_cancel(c.wait, c)
      owned = c.lock:owner() == rille.current()
    end)()
    rille.yield()
    c:acquire()
    c:notify()
    t:cancel()
    c:release()
    pcall(t.await, t)
    assert.is_true(woken)
    assert.is_true(owned)
  end)

  it("a condition's waiter whose grace is over owns the lock", function()
    local c = rille.condition()
    local owned
    local t = rille.async(function()
      local _ <close> = c:acquire()
      rille.catch_cancel(c.wait, c)
      owned = c.lock:owner() == rille.current()
    end)()
    rille.yield()
    c:acquire()
    t:cancel { grace = 0 }
    rille.yield()
    rille.yield()
    c:release()
    pcall(t.await, t)
    assert.is_true(owned)
  end)

  it("a cancelled task does not trip a barrier", function()
    local b = rille.barrier(2)
    local waiting = rille.async(b.wait)(b)
    rille.yield()
    local cancelled = rille.async(function()
      rille.current():cancel()
      b:wait()
    end)()
    assert.is_false(pcall(cancelled.await, cancelled))
    assert.equal("blocked", waiting:status())
    assert.equal(2, b:wait())
    assert.equal(1, waiting:await())
  end)

  it("a rwlock excludes also where its call yields", function()
    local rw, writers, readers, broken = rille.rwlock(), 0, 0, 0
    rille.group(function(g)
      for i = 1, 8 do
        g:spawn(function()
          for k = 1, 400 do
            if (i + k) % 3 == 0 then
              local _ <close> = rw:write()
              broken = broken + writers + readers
              writers = writers + 1
              if k % 7 == 0 then rille.yield() end
              writers = writers - 1
            else
              local _ <close> = rw:read()
              broken = broken + writers
              readers = readers + 1
              if k % 5 == 0 then rille.yield() end
              readers = readers - 1
            end
          end
        end)
      end
    end)
    assert.equal(0, broken)
  end)

  it("select keeps its cases, whatever becomes of the list", function()
    local cases = { rille.channel():receiving(), rille.after(0.005) }
    rille.spawn(function()
      cases[1], cases[2] = nil, nil
      collectgarbage()
    end)
    assert.equal(2, (rille.select(cases)))
    local ch = rille.channel()
    cases = { ch:receiving() }
    rille.spawn(function()
      cases[1] = nil
      ch:send "it"
    end)
    local index, value = rille.select(cases)
    assert.equal(1, index)
    assert.equal("it", value)
  end)

  it("a deadline closed before a later one takes its cancellation with it", function()
    local first = rille.deadline(0.005)
    assert.is_false((rille.catch_cancel(rille.sleep, 1)))
    local second = rille.deadline(10)
    first:close()
    first = nil
    collectgarbage()
    second:close()
    rille.sleep(0.001)
    local ok, err = pcall(rille.timeout, 0.005, rille.sleep, 1)
    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
  end)

  it("who only watches a task does not take its failure", function()
    local ok, err = in_group(function(g)
      rille.wait { g:async(function() error("first", 0) end) }
    end)
    assert.is_false(ok)
    assert.equal("first", err)
    ok, err = in_group(function(g)
      for _ in rille.as_completed { g:async(function() error("second", 0) end) } do end
    end)
    assert.is_false(ok)
    assert.equal("second", err)
  end)

  it("a failure in a group whose coroutine was closed reaches the task", function()
    local t = rille.async(function()
      local co = coroutine.create(function()
        rille.group(function(g)
          g:async(function() error("deep", 0) end)
          coroutine.yield()
        end)
      end)
      coroutine.resume(co)
      rille.yield()
      coroutine.close(co)
    end)()
    local ok, err = pcall(t.await, t)
    assert.is_false(ok)
    assert.equal("deep", err)
  end)

  it("who unwinds towards a deadline that is left with its coroutine goes on unwinding", function()
    local cleaned
    local t = rille.async(function()
      local co = coroutine.create(function()
        local d = rille.deadline(0.002)
        rille.group(function(g)
          g:spawn(function()
            local _ <close> = setmetatable({}, {
              __close = function()
                rille.sleep(0.01)
                cleaned = true
              end,
            })
            rille.sleep(1)
          end)
          coroutine.yield(d)
        end)
      end)
      coroutine.resume(co)
      assert.is_false((rille.catch_cancel(rille.sleep, 1)))
      error("mine", 0)
    end)()
    assert.is_false(pcall(t.await, t))
    assert.is_true(cleaned)
  end)

  it("a group spawns what can be called, as spawn does", function()
    local callable = setmetatable({}, { __call = function(_, x) return x + 1 end })
    assert.equal(10, rille.group(function(g) return g:async(callable, 9):await() end))
    assert.is_false(in_group(function(g) g:spawn {} end))
    assert.is_false(in_group(function(g) g:spawn() end))
  end)

  it("race and any give all values of a task", function()
    local t = rille.async(function() return 1, nil, 3 end)()
    assert.same({ 1, nil, 3, n = 3 }, table.pack(rille.race(t)))
    assert.same({ 1, nil, 3, n = 3 }, table.pack(rille.any(t)))
  end)

  it("wait tells the ended from the pending also when its time is over at once", function()
    local t = rille.async(function() return 1 end)()
    t:await()
    local done, pending = rille.wait({ t }, { timeout = 0 })
    assert.same({ t }, done)
    assert.same({}, pending)
  end)
end)
