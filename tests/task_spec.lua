-- Tasks: spawn, async, await, detach, sleep, yield, handles.
local rille = require "rille"

describe("tasks", function()
  local clock
  before_each(function() clock = rille.test.clock() end)
  after_each(function() clock:close() end)

  it("start at the tail of the ready queue, never eagerly", function()
    local order = {}
    rille.group(function(g)
      g:spawn(function() order[#order + 1] = "child" end)
      order[#order + 1] = "body"
    end)
    assert.same({ "body", "child" }, order)
  end)

  it("run in the order they became ready", function()
    local order = {}
    rille.group(function(g)
      g:spawn(function()
        order[#order + 1] = "a"
        g:spawn(function() order[#order + 1] = "c" end)
      end)
      rille.yield()
      order[#order + 1] = "b"
    end)
    assert.same({ "a", "b", "c" }, order)
  end)

  it("return all their values, nils included, to any number of awaits", function()
    local t = rille.spawn(function(...) return 1, nil, ... end, "x", nil)
    local function check(...)
      assert.equal(4, select("#", ...))
      assert.same({ 1, nil, "x", nil }, { ... })
    end
    check(t:await())
    check(rille.await(t))
    rille.group(function(g)
      for _ = 1, 3 do g:spawn(function() check(t:await()) end) end
    end)
  end)

  it("of rille.async return a task at each call, whose handle owns the failure", function()
    local fetch = rille.async(function(n)
      rille.sleep(n)
      if n == 2 then error("no two", 0) end
      return n * 10
    end)
    local a, b = fetch(1), fetch(2)
    assert.equal(10, a:await())
    local ok, err = pcall(b.await, b)
    assert.is_false(ok)
    assert.equal("no two", err)
  end)

  it("of rille.async raise at the end of the scope if nobody has awaited", function()
    local ok, err = pcall(rille.group, function(g)
      g:async(function() error({ "lost" }) end)
      rille.sleep(1)
    end)
    assert.is_false(ok)
    assert.equal("lost", err[1])
  end)

  it("of spawn cancel their siblings and the body when they fail", function()
    local seen = {}
    local ok, err = pcall(rille.group, function(g)
      g:spawn(function()
        local ok, e = rille.catch_cancel(rille.sleep, 100)
        seen.sibling = not ok and e.code
        error(e, 0)
      end)
      g:spawn(function()
        rille.sleep(1)
        error("first", 0)
      end)
      rille.sleep(100)
      seen.body = true
    end)
    assert.is_false(ok)
    assert.equal("first", err)
    assert.equal("CANCELLED", seen.sibling)
    assert.is_nil(seen.body)
  end)

  it("raise the very value, of any type, through awaits and scopes", function()
    for _, value in ipairs { 1, 1.5, true, false, "text", print, {}, coroutine.create(print) } do
      local ok, err = pcall(rille.group, function(g)
        g:spawn(function()
          rille.timeout(1, rille.gather, function()
            rille.map({ 1 }, function() rille.shield(error, value, 0) end)
          end)
        end)
      end)
      assert.is_false(ok)
      assert.is_true(rawequal(value, err))
      local t = rille.async(error)(value, 0)
      for _ = 1, 3 do
        local previous = t
        t = rille.async(function() return previous:await() end)()
      end
      ok, err = pcall(t.await, t)
      assert.is_false(ok)
      assert.is_true(rawequal(value, err))
    end
    assert.same({ false, n = 2 }, table.pack(pcall(rille.group, function(g) g:spawn(error) end)))
  end)

  it("go on when nobody holds their handle", function()
    local ended
    rille.spawn(function()
      rille.sleep(1)
      ended = true
    end)
    collectgarbage()
    collectgarbage()
    rille.sleep(2)
    assert.is_true(ended)
  end)

  it("are not done before their children", function()
    local states = {}
    local t
    t = rille.spawn(function()
      rille.spawn(function()
        rille.sleep(1)
        states[1] = t:status()
      end)
      return "value"
    end)
    assert.equal("value", t:await())
    assert.equal("finishing", states[1])
    assert.equal("done", t:status())
  end)

  it("tell their status", function()
    local event = rille.event()
    local t = rille.spawn(function() event:wait() end)
    assert.equal("created", t:status())
    rille.yield()
    assert.equal("blocked", t:status())
    event:set()
    assert.equal("ready", t:status())
    t:await()
    assert.equal("done", t:status())
    assert.equal("running", rille.current():status())
  end)

  it("have ids, names, and one handle each", function()
    local inside
    local t = rille.spawn(function() inside = rille.current() end)
    t.name = "worker"
    t:await()
    assert.equal(t, inside)
    assert.is_true(rawequal(t, inside))
    assert.equal("worker", t.name)
    assert.equal("integer", math.type(t.id))
    assert.truthy(tostring(t):find("worker", 1, true))
  end)

  it("that have ended are not taken for those that use their places again", function()
    rille.group(function(g)
      local old = {}
      for i = 1, 100 do old[i] = g:spawn(function() end) end
      for _, task in ipairs(old) do task:await() end
      local fresh = {}
      for i = 1, 100 do fresh[i] = g:spawn(rille.sleep, 1) end
      rille.yield()
      for _, task in ipairs(old) do
        assert.equal("done", task:status())
        assert.equal(0, select("#", task:await()))
        task:cancel()
      end
      for _, task in ipairs(fresh) do assert.equal("blocked", task:status()) end
      for _, task in ipairs(fresh) do task:await() end -- none was cancelled
    end)
  end)

  it("are listed by rille.tasks", function()
    local t = rille.spawn(rille.sleep, 1)
    local found
    for _, other in ipairs(rille.tasks()) do found = found or other == t end
    assert.is_true(found)
  end)

  it("raise DEADLOCK when one awaits itself", function()
    local t
    t = rille.spawn(function() return t:await() end)
    local ok, err = pcall(function() rille.group(function() t:cancel() end) end)
    assert.is_true(ok, err)
    local ok2, err2 = pcall(rille.group, function(g)
      local me
      me = g:async(function() return me:await() end)
      me:await()
    end)
    assert.is_false(ok2)
    assert.equal("DEADLOCK", err2.code)
  end)

  it("raise DEADLOCK in a cycle of awaits", function()
    local ok, err = pcall(rille.group, function(g)
      local a, b
      a = g:async(function() return b:await() end)
      b = g:async(function() return a:await() end)
      a:await()
    end)
    assert.is_false(ok)
    assert.equal("DEADLOCK", err.code)
  end)

  it("raise DEADLOCK when a child awaits its parent", function()
    local ok, err = pcall(rille.group, function(g)
      local parent
      parent = g:async(function()
        rille.spawn(function() parent:await() end)
        rille.sleep(1)
      end)
      parent:await()
    end)
    assert.is_false(ok)
    assert.equal("DEADLOCK", err.code)
  end)

  it("sleep never early", function()
    local t0 = rille.now()
    for _, s in ipairs { 0.0001, 0.5, 1e-9, 3600 } do
      local before = rille.now()
      rille.sleep(s)
      assert.is_true(rille.now() - before >= s)
    end
    assert.is_true(rille.now() - t0 < 3602)
  end)

  it("refuse durations that are none", function()
    assert.has_error(function() rille.sleep(-1) end)
    assert.has_error(function() rille.sleep(0 / 0) end)
    assert.has_error(function() rille.sleep("soon") end)
    assert.is_false((rille.move_on_after(1, rille.sleep, 1e300)))
    assert.is_false((rille.move_on_after(1, rille.sleep, math.huge)))
  end)

  it("can be made in great numbers", function()
    local count = 0
    rille.group(function(g)
      for _ = 1, 10000 do
        g:spawn(function()
          rille.sleep(1)
          count = count + 1
        end)
      end
    end)
    assert.equal(10000, count)
  end)

  it("may spawn to any depth", function()
    local depth = 0
    local function down(n)
      depth = depth + 1
      if n > 0 then rille.group(function(g) g:spawn(down, n - 1) end) end
    end
    down(2000)
    assert.equal(2001, depth)
  end)
end)

describe("detached tasks", function()
  it("outlive the scope that made them", function()
    local done = false
    local t
    rille.group(function()
      t = rille.detach(function()
        rille.sleep(0.01)
        done = true
      end)
    end)
    assert.is_false(done)
    t:await()
    assert.is_true(done)
  end)

  it("give their error to who awaits them", function()
    local t = rille.detach(function() error("oh", 0) end)
    local ok, err = pcall(t.await, t)
    assert.is_false(ok)
    assert.equal("oh", err)
  end)
end)
