-- rille.parallel, rille.progress, rille.supervisor, and workers that are processes.
local rille = require "rille"
local parallel = require "rille.parallel"
local worker = require "rille.worker"

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

local function numbers(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

describe("rille.parallel", function()
  after_each(parallel.close)

  it("maps in order, whatever the chunks", function()
    for _, chunk in ipairs { 1, 3, 7, 100 } do
      local squares = parallel.map(numbers(50), function(x, i) return x * x + i end, { workers = 3, chunk = chunk })
      assert.equal(50, squares.n)
      for i = 1, 50 do assert.equal(i * i + i, squares[i]) end
    end
    assert.same({ n = 0 }, parallel.map({}, function() end))
  end)

  it("keeps results that are nil or false", function()
    local results = parallel.map(numbers(6), function(x)
      if x % 3 == 0 then return nil end
      return x % 2 == 0
    end, { workers = 2 })
    assert.same({ false, true, nil, true, false, nil, n = 6 }, results)
  end)

  it("sends the function with its upvalues", function()
    local json, factor = require "rille.json", 10
    local texts = parallel.map({ 1, 2 }, function(x) return json.encode { x * factor } end)
    assert.same({ "[10]", "[20]", n = 2 }, texts)
  end)

  it("reduces in order", function()
    local function join(a, b) return a .. b end
    local letters = { "a", "b", "c", "d", "e", "f", "g" }
    assert.equal("abcdefg", parallel.reduce(letters, join, nil, { workers = 2, chunk = 2 }))
    assert.equal("_abcdefg", parallel.reduce(letters, join, "_", { workers = 3, chunk = 3 }))
    assert.equal("_", parallel.reduce({}, join, "_"))
    assert.is_nil(parallel.reduce({}, join))
  end)

  it("fails fast with the first error, and works on after it", function()
    local err = refused(parallel.map, numbers(100), function(x)
      if x == 5 then error("no fives", 0) end
      return x
    end, { workers = 2, chunk = 1 })
    assert.equal("no fives", err.message)
    assert.same({ 2, 3, n = 2 }, parallel.map({ 1, 2 }, function(x) return x + 1 end))
  end)

  local test = os.getenv "TSAN_OPTIONS" and pending or it -- see tests/worker_spec.lua
  test("is cancelled in the middle of running code", function()
    local done = rille.move_on_after(0.02, parallel.each, { 1, 2 }, function() while true do end end, { workers = 2 })
    assert.is_false(done)
    assert.same({ 1, n = 1 }, parallel.map({ 1 }, function(x) return x end))
  end)

  it("refuses what it does not understand", function()
    assert.matches("unknown option 'worker'", tostring(refused(parallel.map, {}, print, { worker = 1 })))
    assert.matches("a list expected", tostring(refused(parallel.map, 5, function() end)))
    assert.equal("args[1]: a C function cannot be sent", refused(parallel.map, { 1 }, print).message)
  end)
end)

describe("rille.progress", function()
  after_each(parallel.close)

  local function log()
    local lines = {}
    return {
      write = function(_, ...) lines[#lines + 1] = table.concat { ... } end,
      flush = function() end,
    }, lines
  end

  it("writes lines in a log, and the last one at its end", function()
    local out, lines = log()
    do
      local p <close> = rille.progress(4, "files", { out = out, terminal = false })
      rille.map({ 1, 2, 3 }, p:wrap(function(x) return x end))
    end
    assert.equal(1, #lines)
    assert.matches("^files 3/4 75%% [%d.]+[kMG]?/s in 0:0%d\n$", lines[1])
  end)

  it("draws a bar on a terminal", function()
    local out, lines = log()
    local p = rille.progress(10, "work", { out = out, terminal = true })
    p:add(5)
    p:close()
    p:close()
    assert.matches("%[###############...............%] work 5/10 50%%", lines[1])
    assert.equal("\n", lines[#lines]:sub(-1))
  end)

  it("does without a total, and counts for parallel.map", function()
    local out = log()
    local p <close> = rille.progress(nil, nil, { out = out, terminal = false })
    parallel.map(numbers(20), function(x) return x end, { progress = p })
    assert.equal(20, p.done)
    assert.matches("^20 ", p:text())
  end)
end)

describe("rille.supervisor", function()
  local supervisor = require "rille.supervisor"

  it("restarts what fails, and only that", function()
    local first, second = 0, 0
    supervisor.run {
      backoff = 0.001,
      { name = "fails", run = function()
        first = first + 1
        if first < 4 then error("again", 0) end
      end },
      { name = "works", run = function()
        second = second + 1
        rille.sleep(0.02)
      end },
    }
    assert.same({ 4, 1 }, { first, second })
  end)

  it("is not silent when it is closed after it has given up", function()
    local clock <close> = rille.test.clock() -- luacheck: ignore clock
    local ok, err = pcall(rille.group, function()
      local s <close> = supervisor.start { limit = 0, function() error("broken", 0) end }
      assert.equal("one_for_one", s.strategy)
      rille.sleep(0.01)
    end)
    assert.is_false(ok)
    assert.equal("LIMIT", err.code)
    assert.equal("broken", err.cause)
  end)

  it("refuses numbers that are none before anything runs", function()
    local ran = false
    local function child() ran = true end
    for _, options in ipairs { { backoff = -1 }, { max_backoff = 0 / 0 }, { limit = -1 }, { within = -0.5 } } do
      options[1] = child
      assert.matches("must not be negative", refused(supervisor.run, options))
    end
    assert.is_false(ran)
  end)

  it("restarts all with one_for_all", function()
    local lives = { 0, 0 }
    supervisor.run {
      strategy = "one_for_all",
      backoff = 0.001,
      function()
        lives[1] = lives[1] + 1
        rille.sleep(0.001)
        if lives[1] < 3 then error("again", 0) end
      end,
      function()
        lives[2] = lives[2] + 1
        rille.sleep(lives[2] < 3 and 100 or 0)
      end,
    }
    assert.same({ 3, 3 }, lives)
  end)

  it("waits longer each time, and gives up with the last error as cause", function()
    local delays = {}
    local err = refused(supervisor.run, {
      limit = 3,
      backoff = 0.001,
      on_restart = function(name, cause, delay)
        assert.equal("job", name)
        assert.equal("never", cause)
        delays[#delays + 1] = delay
      end,
      { name = "job", run = function() error("never", 0) end },
    })
    assert.equal("LIMIT", err.code)
    assert.equal("never", err.cause)
    assert.same({ 0.001, 0.002, 0.004 }, delays)
  end)

  it("refuses children and options that mean nothing, before it starts any", function()
    local function complaint(options) return (select(2, pcall(supervisor.run, options))) end
    local function never() error "this was started" end
    assert.matches("child 2: option 'restart': 'on_error' or 'always' expected, got 'allways'",
      complaint { never, { run = never, restart = "allways" } })
    assert.matches("child 2: option 'run': function expected, got number", complaint { never, { run = 3 } })
    assert.matches("option 'strategy': 'one_for_one' or 'one_for_all' expected, got 'all'", complaint { never, strategy = "all" })
    assert.matches("option 'on_restart': function expected, got string", complaint { never, on_restart = "print" })
  end)

  it("replaces a worker process that was killed", function()
    local s <close> = supervisor.start {
      backoff = 0.001,
      { name = "adder", worker = { function()
        return { add = function(a, b) return a + b end }
      end, process = true } },
    }
    local function current()
      while not s:worker("adder") do rille.sleep(0.001) end
      return s:worker("adder")
    end
    local before = current()
    assert.equal(3, before:call("add", 1, 2))
    require("rille.process").run { "kill", "-9", tostring(before.pid) }
    while s:restarts("adder") == 0 do rille.sleep(0.001) end
    assert.equal(7, current():call("add", 3, 4))
    assert.are_not.equal(before.pid, s:worker("adder").pid)
  end)
end)

describe("a worker that is a process", function()
  it("has the same interface", function()
    local w = worker.spawn { function(base)
      return {
        add = function(a) return base + a end,
        fail = function() error("oops", 0) end,
        echo = function(...) return ... end,
      }
    end, 40, process = true }
    assert.equal(42, w:call("add", 2))
    local err = refused(w.call, w, "fail")
    assert.equal("oops", err.message)
    assert.matches("stack traceback", err.traceback)
    assert.equal("args[2].f: a C function cannot be sent", refused(w.call, w, "echo", 1, { f = print }).message)
    local big = ("z"):rep(300000)
    assert.same({ nil, big, nil }, { w:call("echo", nil, big, nil) })
    w:join()
    assert.equal("CLOSED", refused(w.call, w, "add", 1).code)
  end)

  it("sends and receives", function()
    local w = worker.spawn { function()
      local self = require "rille.worker"
      for v in self.recv do
        if v == 0 then return "done" end
        self.send(v + 1)
      end
    end, process = true }
    for i = 1, 50 do
      w:send(i)
      assert.equal(i + 1, w:recv())
    end
    w:send(0)
    assert.equal("done", w:join())
  end)

  -- The runner looks for tasks and handles that are left.
  it("leaves nothing behind when it is not started after all", function()
    local tasks = #rille.tasks()
    assert.equal("args[1]: a C function cannot be sent",
      refused(worker.spawn, { function() end, print, process = true }).message)
    for i = 0, 9 do
      rille.move_on_after(i * 0.002, function()
        worker.spawn { function() end, process = true }:join()
      end)
    end
    for _ = 1, 2000 do
      if #rille.tasks() == tasks then break end
      rille.sleep(0.001)
    end
    assert.equal(tasks, #rille.tasks())
  end)

  it("tells how it ended", function()
    local ends = {
      ["os.exit%(4%)"] = function() os.exit(4) end,
      ["nil value"] = function() nothing() end, -- luacheck: ignore
    }
    for message, f in pairs(ends) do
      local w = worker.spawn { f, process = true }
      assert.matches(message, refused(w.join, w).message)
    end
    local w = worker.spawn { function() while true do end end, process = true }
    w:terminate()
    assert.equal("CANCELLED", refused(w.join, w).code)
  end)
end)
