-- Scheduling: fairness, the budget, timers, the virtual clock, seeded order.
local rille = require "rille"

describe("scheduling", function()
  it("runs no other task except at a call that waits", function()
    local other = false
    rille.group(function(g)
      g:spawn(function() other = true end)
      for _ = 1, 1000 do rille.channel(1):try_send(1) end
      assert.is_false(other)
      rille.yield()
      assert.is_true(other)
    end)
  end)

  it("does not let operations that are ready at once starve others", function()
    local ch, steps = rille.channel(1), 0
    rille.group(function(g)
      g:spawn(function()
        while steps < 3 do
          ch:send(1)
          ch:recv()
        end
      end)
      g:spawn(function()
        for _ = 1, 3 do
          steps = steps + 1
          rille.yield()
        end
      end)
    end)
    assert.equal(3, steps)
  end)

  it("does not let ready tasks starve timers", function()
    local rounds, fired = 0, false
    rille.group(function(g)
      g:spawn(function()
        rille.sleep(0.002)
        fired = true
      end)
      while not fired do
        rounds = rounds + 1
        rille.yield()
      end
    end)
    assert.is_true(rounds > 1)
  end)

  it("fires timers in order of deadline, then of sequence", function()
    local clock <close> = rille.test.clock()
    local order = {}
    rille.group(function(g)
      for i, s in ipairs { 3, 1, 2, 1, 3, 1 } do
        g:spawn(function()
          rille.sleep(s)
          order[#order + 1] = i
        end)
      end
    end)
    assert.same({ 2, 4, 6, 3, 1, 5 }, order)
  end)

  it("gives each operation that is ready at once a budget", function()
    local event, lock, semaphore = rille.event(), rille.lock(), rille.semaphore(1)
    local future, rwlock, channel = rille.future(), rille.rwlock(), rille.channel(1)
    event:set()
    future:set()
    for name, operation in pairs {
      event = function() event:wait() end,
      lock = function() lock:with(function() end) end,
      semaphore = function() semaphore:acquire():release() end,
      future = function() future:await() end,
      rwlock = function() rwlock:write():release() end,
      channel = function() channel:send(1) channel:recv() end,
      select = function() rille.select { channel:sending(1) } rille.select { channel:receiving() } end,
    } do
      local turns = 0
      local t = rille.spawn(function()
        while true do
          turns = turns + 1
          rille.yield()
        end
      end)
      for _ = 1, 2000 do
        operation()
      end
      t:cancel()
      assert.is_true(turns > 2, name)
    end
  end)

  it("does not let scopes that wait for nothing starve others", function()
    for _, call in ipairs { rille.group, rille.gather, function(f) rille.timeout(1, f) end } do
      local turns = 0
      local t = rille.spawn(function()
        while true do
          turns = turns + 1
          rille.yield()
        end
      end)
      for _ = 1, 2000 do
        call(function() end)
      end
      t:cancel()
      assert.is_true(turns > 2)
    end
  end)

  it("fires whatever is due at the same time in sequence, and deadlines last", function()
    local clock <close> = rille.test.clock()
    local order = {}
    local function note(name, f, ...)
      rille.spawn(function(...)
        f(...)
        order[#order + 1] = name
      end, ...)
    end
    rille.group(function()
      note("deadline", rille.move_on_after, 1, rille.sleep, 9)
      note("sleep", rille.sleep, 1)
      note("after", rille.select, { rille.after(1) })
      note("last", rille.sleep, 1)
    end)
    assert.same({ "sleep", "after", "last", "deadline" }, order)
  end)

  it("with a timer that re-arms itself with 0 starves nobody", function()
    local clock <close> = rille.test.clock()
    local other = false
    rille.group(function(g)
      g:spawn(function() while not other do rille.sleep(0) end end)
      g:spawn(function() rille.yield() rille.yield() other = true end)
    end)
    assert.is_true(other)
  end)
end)

describe("the virtual clock", function()
  it("stands still while tasks run and jumps when all wait", function()
    local clock <close> = rille.test.clock()
    local t0 = rille.now()
    for _ = 1, 100 do rille.yield() end
    assert.equal(t0, rille.now())
    rille.sleep(86400)
    assert.near(86400, rille.now() - t0, 1e-3)
  end)

  it("is in force until it is closed, and time stays monotonic", function()
    local before
    do
      local _ <close> = rille.test.clock()
      rille.sleep(1000)
      before = rille.now()
    end
    assert.is_true(rille.now() >= before)
    local t0 = rille.now()
    rille.sleep(0.005)
    local slept = rille.now() - t0
    assert.is_true(slept >= 0.005 and slept < 10)
  end)

  it("cannot be put on twice", function()
    local _ <close> = rille.test.clock()
    assert.has_error(function() rille.test.clock() end)
  end)
end)

describe("seeded order", function()
  after_each(function() rille.test.seed(0) end)

  local function run(seed)
    rille.test.seed(seed)
    local order = {}
    rille.group(function(g)
      for i = 1, 8 do g:spawn(function() order[#order + 1] = i end) end
    end)
    return table.concat(order)
  end

  it("takes effect at once, however long the tick has been", function()
    for _ = 1, 40 do rille.yield() end
    rille.group(function(g)
      g:spawn(function()
        assert.equal(run(3), run(3))
        local orders = {}
        for seed = 1, 10 do orders[run(seed)] = true end
        local count = 0
        for _ in pairs(orders) do count = count + 1 end
        assert.is_true(count > 5)
      end)
    end)
  end)

  it("costs no more than its share with many tasks", function()
    rille.test.seed(3)
    local ended = 0
    rille.group(function(g)
      for _ = 1, 100000 do
        g:spawn(function() ended = ended + 1 end)
      end
    end)
    rille.test.seed(0)
    assert.equal(100000, ended)
  end)

  it("is the same for the same seed, and differs between seeds", function()
    assert.equal(run(42), run(42))
    local seen, different = {}, 0
    for seed = 1, 20 do
      local order = run(seed)
      if not seen[order] then different = different + 1 end
      seen[order] = true
    end
    assert.is_true(different > 10)
    assert.equal("12345678", run(0))
  end)
end)
