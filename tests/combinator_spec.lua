-- Combinators: gather, race, any, wait, as_completed, map, group, select, var.
local rille = require "rille"

local function after(s, ...)
  local values = table.pack(...)
  return function()
    rille.sleep(s)
    return table.unpack(values, 1, values.n)
  end
end

local function fail_after(s, err)
  return function()
    rille.sleep(s)
    error(err, 0)
  end
end

describe("combinators:", function()
  local clock
  before_each(function() clock = rille.test.clock() end)
  after_each(function() clock:close() end)

  it("gather returns a value per argument, in argument order", function()
    local t0 = rille.now()
    local function check(...)
      assert.equal(4, select("#", ...))
      assert.same({ "a", nil, "c", "task" }, { ... })
    end
    local task = rille.spawn(after(0.5, "task"))
    check(rille.gather(after(3, "a", "dropped"), after(1), after(2, "c"), task))
    assert.near(3, rille.now() - t0, 1e-6)
    assert.equal(0, select("#", rille.gather()))
  end)

  it("gather of a list returns a list with n", function()
    local list = rille.gather { after(2, "a"), after(1), after(1, "c") }
    assert.same({ "a", nil, "c", n = 3 }, list)
  end)

  it("gather settles without failing", function()
    local err = {}
    local list = rille.gather { after(1, "a"), fail_after(2, err), settle = true }
    assert.same({ ok = true, value = "a" }, list[1])
    assert.is_false(list[2].ok)
    assert.equal(err, list[2].error)
    assert.equal(2, list.n)
  end)

  it("gather fails fast, cancels and joins the rest", function()
    local t0, cleaned = rille.now(), false
    local task = rille.async(after(100))()
    local ok, err = pcall(rille.gather, fail_after(1, "bad"), function()
      local _ <close> = setmetatable({}, { __close = function() rille.sleep(1) cleaned = true end })
      rille.sleep(100)
    end, task)
    assert.is_false(ok)
    assert.equal("bad", err)
    assert.is_true(cleaned)
    assert.equal("done", task:status())
    assert.near(2, rille.now() - t0, 1e-6)
    pcall(task.await, task)
  end)

  it("gather's children are tasks like others to who holds their handles", function()
    local one, two
    rille.gather(function()
      one = rille.current()
      rille.sleep(1)
      return 1, 2
    end, function()
      rille.yield()
      assert.same({ 1, 2 }, { one:await() })
    end)
    assert.equal("done", one:status())
    assert.same({ 1, 2 }, { one:await() })
    pcall(rille.gather, function()
      two = rille.current()
      error("failed", 0)
    end)
    assert.same({ false, "failed" }, { pcall(two.await, two) })
  end)

  it("gather refuses what is neither function nor task", function()
    assert.has_error(function() rille.gather(function() end, 42) end)
    for _, combine in ipairs { rille.gather, rille.race, rille.any } do
      assert.is_false((pcall(combine, rille.future())))
    end
  end)

  it("gather settles with tasks that were cancelled, or stand in it twice", function()
    local t, u = rille.spawn(rille.sleep, 10), rille.spawn(after(1, "u"))
    t:cancel()
    local list = rille.gather { t, u, u, settle = true }
    assert.equal("CANCELLED", list[1].error.code)
    assert.equal("u", list[2].value)
    assert.equal("u", list[3].value)
    assert.same({ n = 0 }, rille.gather { settle = true })
  end)

  it("gather passes a cancel on to the tasks in it", function()
    local t = rille.async(after(10))()
    local g = rille.async(function() rille.gather(t) end)()
    rille.sleep(1)
    g:cancel()
    assert.is_false((pcall(g.await, g)))
    assert.equal("done", t:status())
    assert.equal("CANCELLED", select(2, pcall(t.await, t)).code)
  end)

  it("gather waits inside children that a cancel ends", function()
    local t = rille.spawn(function() rille.gather(after(10), after(20)) end)
    rille.sleep(1)
    t:cancel()
    local ok, err = pcall(t.await, t)
    assert.is_false(ok)
    assert.equal("CANCELLED", err.code)
  end)

  it("race gives the first to finish, be it a failure", function()
    assert.same({ "fast", 2 }, { rille.race(after(2, "slow"), after(1, "fast", 2)) })
    local ok, err = pcall(rille.race, after(2, "slow"), fail_after(1, "bad"))
    assert.is_false(ok)
    assert.equal("bad", err)
  end)

  it("race joins the losers before it returns", function()
    local cleaned = false
    rille.race(after(1), function()
      local _ <close> = setmetatable({}, { __close = function() rille.sleep(1) cleaned = true end })
      rille.sleep(10)
    end)
    assert.is_true(cleaned)
  end)

  it("any gives the first to succeed, or all errors in argument order", function()
    assert.equal("ok", rille.any(fail_after(1, "bad"), after(2, "ok"), after(3, "late")))
    local ok, err = pcall(rille.any, fail_after(2, "one"), fail_after(1, "two"))
    assert.is_false(ok)
    assert.same({ "one", "two" }, err.errors)
  end)

  it("race and any take one that cancels itself as failed", function()
    local function quits()
      rille.current():cancel()
      rille.yield()
    end
    local function later() rille.sleep(1) return "later" end
    assert.equal("CANCELLED", select(2, pcall(rille.race, quits, later)).code)
    assert.equal("later", rille.any(quits, later))
    assert.equal("CANCELLED", select(2, pcall(rille.any, quits)).errors[1].code)
  end)

  it("wait cancels nothing", function()
    local a, b, c = rille.spawn(after(1)), rille.spawn(after(2)), rille.spawn(after(3))
    local done, pending = rille.wait({ a, b, c }, { ["until"] = "first" })
    assert.same({ a }, done)
    assert.same({ b, c }, pending)
    done, pending = rille.wait({ a, b, c }, { timeout = 1.5 })
    assert.equal(2, #done)
    assert.same({ c }, pending)
    assert.equal("blocked", c:status())
    done, pending = rille.wait { a, b, c }
    assert.equal(3, #done)
    assert.same({}, pending)
  end)

  it("wait until the first error", function()
    rille.group(function(g)
      local a, b, c = g:async(after(1)), g:async(fail_after(2, "bad")), g:async(after(3))
      local done, pending = rille.wait({ a, b, c }, { ["until"] = "error" })
      assert.same({ a, b }, done)
      assert.same({ c }, pending)
      assert.is_false(pcall(b.await, b))
    end)
  end)

  it("as_completed iterates in order of completion", function()
    local order = {}
    for t in rille.as_completed { rille.spawn(after(3, 3)), rille.spawn(after(1, 1)), rille.spawn(after(2, 2)) } do
      order[#order + 1] = t:await()
    end
    assert.same({ 1, 2, 3 }, order)
  end)

  it("as_completed cancels and joins the rest when the loop is left", function()
    local slow = rille.spawn(after(100))
    for t in rille.as_completed { rille.spawn(after(1)), slow } do
      t:await()
      if t ~= slow then break end
    end
    assert.equal("done", slow:status())
  end)

  it("as_completed joins the rest also when the loop fails or is cancelled", function()
    for _, leave in ipairs { function() error("left", 0) end, function() rille.current():cancel() rille.yield() end } do
      local rest = rille.spawn(after(10))
      local t = rille.async(function()
        for _ in rille.as_completed { rille.spawn(after(0)), rest } do leave() end
      end)()
      assert.is_false((pcall(t.await, t)))
      assert.equal("done", rest:status())
    end
  end)

  it("map bounds its concurrency and keeps order", function()
    local running, most = 0, 0
    local list = rille.map({ 5, 4, 3, 2, 1 }, function(x, i)
      running = running + 1
      most = math.max(most, running)
      rille.sleep(x)
      running = running - 1
      return x * 10 + i
    end, { concurrency = 2 })
    assert.same({ 51, 42, 33, 24, 15, n = 5 }, list)
    assert.equal(2, most)
  end)

  it("map refuses a bad list, function, or concurrency", function()
    for _, args in ipairs { { nil, print }, { {}, nil }, { 1, print } } do
      assert.is_false((pcall(rille.map, args[1], args[2])))
    end
    for _, n in ipairs { 0, -1, 0 / 0, "2" } do
      assert.is_false((pcall(rille.map, { 1 }, print, { concurrency = n })))
    end
  end)

  it("map fails fast", function()
    local calls = 0
    local ok, err = pcall(rille.map, { 1, 2, 3, 4 }, function(x)
      calls = calls + 1
      rille.sleep(x)
      error("at " .. x, 0)
    end, { concurrency = 2 })
    assert.is_false(ok)
    assert.equal("at 1", err)
    assert.equal(2, calls)
    assert.has_error(function() rille.map({}, print, { concurency = 2 }) end)
  end)

  it("map begins no further call after a failure, also when none waits", function()
    local calls = 0
    local ok = pcall(rille.map, { 1, 2, 3, 4, 5 }, function()
      calls = calls + 1
      error "first"
    end, { concurrency = 2 })
    assert.is_false(ok)
    assert.equal(1, calls)
  end)

  it("map raises CANCELLED for a call that cancels its own task, and cancels the others", function()
    for concurrency = 1, 3 do
      local ended, begun = 0, 0
      local ok, err = pcall(rille.map, { 1, 2, 3 }, function(i)
        begun = begun + 1
        local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
        if i == math.min(2, concurrency) then
          rille.current():cancel "enough"
        end
        rille.sleep(i == 1 and concurrency > 1 and 3600 or 0)
      end, { concurrency = concurrency })
      assert.is_false(ok)
      assert.equal("CANCELLED", err.code)
      assert.equal("enough", err.reason)
      assert.equal(begun, ended)
      assert.equal(math.min(2, concurrency), begun)
    end
  end)

  it("wait and map name an option that is none, or of another type", function()
    assert.has_error(function() rille.wait({}, { timout = 1 }) end, "wait: unknown option 'timout'")
    assert.has_error(function() rille.wait({}, 5) end, "wait: a table of options expected, got number")
    assert.has_error(function() rille.wait({}, { timeout = "x" }) end, "wait: option 'timeout': number expected, got string")
    assert.has_error(function() rille.map({}, print, 5) end, "map: a table of options expected, got number")
  end)

  it("group returns the body's values after joining all children", function()
    local ended = false
    local a, b = rille.group(function(g)
      g:spawn(function()
        rille.sleep(1)
        ended = true
      end)
      return "a", "b"
    end)
    assert.is_true(ended)
    assert.same({ "a", "b" }, { a, b })
  end)

  it("a report names the first suppressed failures, and says how many more there are", function()
    local _, err = pcall(rille.group, function(g)
      for i = 1, 31 do g:spawn(error, { code = "OOPS", message = "number " .. i }) end
    end)
    local report = rille.report(err)
    assert.equal(20, select(2, report:gsub("\nsuppressed: %D", "")))
    assert.matches("\nsuppressed: 10 more$", report)
  end)

  it("group raises the first failure and keeps the rest as suppressed", function()
    local first, second = { "first" }, { "second" }
    local ok, err = pcall(rille.group, function(g)
      g:spawn(fail_after(1, first))
      g:spawn(function()
        rille.catch_cancel(rille.sleep, 10)
        error(second)
      end)
    end)
    assert.is_false(ok)
    assert.is_true(rawequal(first, err))
    assert.is_true(rawequal(second, rille.suppressed(err)[1]))
    assert.same({}, rille.suppressed("never raised"))
  end)

  it("group tells equal strings of several tasks apart, and from those of another group", function()
    local function fails(count)
      local ok, err = pcall(rille.group, function(g)
        for _ = 1, count do
          g:spawn(error, "same", 0)
        end
      end)
      assert.is_false(ok)
      return rille.suppressed(err)
    end
    assert.same({ "same", "same" }, fails(3))
    assert.same({ "same" }, fails(2))
    assert.same({}, fails(1))
  end)

  it("group takes a failure that somebody in it has awaited as one", function()
    local ok, err = pcall(rille.group, function(g)
      local t = g:spawn(function()
        rille.sleep(1)
        error("once", 0)
      end)
      g:spawn(t.await, t)
      t:await()
    end)
    assert.is_false(ok)
    assert.equal("once", err)
    assert.same({}, rille.suppressed(err))
  end)

  it("group lets a child spawn into it while it is joining, and not after", function()
    local kept, ran
    rille.group(function(g)
      kept = g
      g:spawn(function()
        rille.sleep(1)
        g:spawn(function() ran = true end)
      end)
    end)
    assert.is_true(ran)
    local ok, err = pcall(kept.spawn, kept, function() end)
    assert.is_false(ok)
    assert.equal("CLOSED", err.code)
  end)

  it("group joins also who was spawned after its last child had ended, before it was left", function()
    local kept, ran
    rille.group(function(g)
      kept = g
      g:spawn(function() end)
      rille.detach(function()
        kept:spawn(function()
          rille.sleep(1)
          ran = true
        end)
      end)
    end)
    assert.is_true(ran)
  end)

  it("group:start waits until the child says so", function()
    rille.group(function(g)
      local t0 = rille.now()
      local port = g:start(function(started)
        rille.sleep(1)
        started(8080)
        rille.sleep(100)
      end)
      assert.equal(8080, port)
      assert.near(1, rille.now() - t0, 1e-6)
      g:cancel()
    end)
    local ok, err = pcall(rille.group, function(g)
      g:start(function() end)
    end)
    assert.is_false(ok)
    assert.equal("BROKEN", err.code)
  end)

  it("start: a caller that is cancelled before takes the child with it", function()
    local ended
    rille.group(function(g)
      local function slow()
        local _ <close> = setmetatable({}, { __close = function()
          rille.yield()
          ended = true
        end })
        rille.sleep(3600)
      end
      assert.is_false(rille.move_on_after(0.01, g.start, g, slow))
      assert.is_true(ended)
    end)
  end)

  it("select does exactly one of its cases", function()
    local a, b = rille.channel(), rille.channel()
    rille.group(function(g)
      g:spawn(function()
        rille.sleep(1)
        b:send("from b")
      end)
      assert.same({ 2, "from b" }, { rille.select { a:receiving(), b:receiving() } })
      g:spawn(function() assert.equal("v", a:recv()) end)
      rille.yield()
      assert.same({ 1 }, { rille.select { a:sending("v"), b:receiving() } })
      assert.same({ 2 }, { rille.select { a:receiving(), rille.after(1) } })
      local l = rille.lock()
      local index, held = rille.select { l:acquiring(), rille.after(1) }
      assert.equal(1, index)
      assert.equal(rille.current(), l:owner())
      held:release()
    end)
  end)

  it("select leaves the cases that did not happen as they were", function()
    local a, b = rille.channel(), rille.channel(1)
    rille.group(function(g)
      g:spawn(function() rille.select { a:sending(1), b:sending(2) } end)
      rille.yield()
      assert.equal(2, b:recv())
      assert.is_false((a:try_recv()))
      assert.is_false((b:try_recv()))
    end)
  end)

  it("select pairs two selects, and never a task with itself", function()
    local ch = rille.channel()
    assert.equal(3, (rille.select { ch:sending(1), ch:receiving(), rille.after(1) }))
    local sent, got = rille.gather(
      function() return (rille.select { rille.after(9), ch:sending("v") }) end,
      function() return { rille.select { ch:receiving(), rille.after(9) } } end
    )
    assert.equal(2, sent)
    assert.same({ 1, "v" }, got)
  end)

  it("select takes the end of a channel as ready", function()
    local ch = rille.channel()
    rille.spawn(function()
      rille.sleep(1)
      ch:close()
    end)
    assert.same({ 1, nil, n = 2 }, table.pack(rille.select { ch:receiving(), rille.after(9) }))
    assert.same({ 1, nil, n = 2 }, table.pack(rille.select { ch:receiving() }))
    assert.equal("CLOSED", select(2, pcall(rille.select, { ch:sending(1) })).code)
  end)

  it("select is fair between ready cases", function()
    local a, b = rille.channel(200), rille.channel(200)
    local counts = { 0, 0 }
    for _ = 1, 200 do
      a:send(1)
      b:send(1)
    end
    for _ = 1, 200 do
      local i = rille.select { a:receiving(), b:receiving() }
      counts[i] = counts[i] + 1
    end
    assert.is_true(counts[1] > 50 and counts[2] > 50)
  end)

  it("select refuses what is not a case", function()
    assert.has_error(function() rille.select { rille.channel() } end)
    assert.has_error(function() rille.select {} end)
  end)

  it("var is inherited at spawn and restored", function()
    local user = rille.var("nobody")
    assert.equal("nobody", user:get())
    local inside = {}
    local result = user:with("ada", function(x)
      inside[1] = user:get()
      rille.gather(function()
        inside[2] = user:get()
        user:with(nil, function() inside[3] = user:get() == nil end)
      end)
      rille.spawn(function()
        rille.sleep(1)
        inside[4] = user:get()
      end):await()
      return x
    end, "x")
    assert.same({ "ada", "ada", true, "ada" }, inside)
    assert.equal("x", result)
    assert.equal("nobody", user:get())
  end)
end)
