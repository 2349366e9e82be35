-- rille.worker: threads, what travels between them, how they end.
local rille = require "rille"
local process = require "rille.process"
local worker = require "rille.worker"

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

local function service()
  return worker.spawn(function()
    local task = require "rille"
    return {
      add = function(a, b) return a + b end,
      echo = function(...) return ... end,
      size = function(text) return #text end,
      fail = function(message) error(message, 0) end,
      sleep = function(seconds) task.sleep(seconds) end,
      give = function() return print end,
      give_up = function()
        task.current():cancel "enough"
        task.sleep(1)
      end,
    }
  end)
end

describe("worker.spawn", function()
  it("runs a function with arguments and gives its results to join, nils included", function()
    local w = worker.spawn(function(a, b) return b, nil, a, nil end, 1, "two")
    assert.same(table.pack("two", nil, 1, nil), table.pack(w:join()))
    assert.same(table.pack("two", nil, 1, nil), table.pack(w:join()))
    assert.is_true(w:is_over())
  end)

  it("runs in parallel to its parent", function()
    local flag = worker.buffer(8)
    local w = worker.spawn(function(b)
      while b:load(1) == 0 do end
      return "seen"
    end, flag)
    flag:store(1, 1)
    assert.equal("seen", w:join())
  end)

  it("takes a module of functions by its name", function()
    local w <close> = worker.spawn("rille.json")
    assert.equal('{"a":1}', w:call("encode", { a = 1 }))
  end)

  it("looks for modules where its parent does", function()
    local name = os.tmpname()
    local file = assert(io.open(name .. ".lua", "w"))
    file:write("return function(...) return select('#', ...), ... end")
    file:close()
    local dir, module = name:match "^(.*)/([^/]*)$"
    local before = package.path
    package.path = dir .. "/?.lua;" .. before
    local ok, count, what = pcall(function() return worker.spawn(module, "hello"):join() end)
    package.path = before
    os.remove(name)
    os.remove(name .. ".lua")
    assert.same({ true, 1, "hello" }, { ok, count, what })
  end)

  it("sends upvalues, recursion, shared variables and modules along", function()
    local json = require "rille.json"
    local floor, calls = math.floor, 0
    local function fib(n)
      calls = calls + 1
      return n < 2 and n or fib(n - 1) + fib(n - 2)
    end
    local function count() return calls end
    local w = worker.spawn(function(n) return fib(n), count(), floor(2.5), json.encode { n } end, 10)
    assert.same({ 55, 177, 2, "[10]" }, { w:join() })
    assert.equal(0, calls)
  end)

  it("keeps cycles and shared parts", function()
    local t = { list = { 1, 2 } }
    t.me, t.again = t, t.list
    local w = worker.spawn(function(v) return v.me == v and v.again == v.list and #v.list end, t)
    assert.equal(2, w:join())
  end)

  it("names what cannot travel", function()
    local none = function() end
    local cases = {
      ["args[2].callback: a C function cannot be sent"] = { 1, { callback = print } },
      ["args[1]: a coroutine cannot be sent"] = { coroutine.create(none) },
      ["args[1][3][\"a b\"]: a userdata (FILE*) cannot be sent"] = { { 1, 2, { ["a b"] = io.stdout } } },
      ["args[1].t: a table with a metatable cannot be sent"] = { { t = setmetatable({}, {}) } },
    }
    for message, args in pairs(cases) do
      assert.equal(message, refused(worker.spawn, none, table.unpack(args)).message)
    end
    local file = io.stdout
    assert.equal("function: upvalue 'file': a userdata (FILE*) cannot be sent", refused(worker.spawn, function() return file end).message)
    assert.matches("a function or a module", tostring(refused(worker.spawn, 5)))
    assert.matches("unknown option 'memroy'", tostring(refused(worker.spawn, { none, memroy = 1 })))
  end)

  it("carries values of every size", function()
    local w <close> = service()
    for _, value in ipairs { 0, -1, math.maxinteger, math.mininteger, 0.1, -0.0, math.huge, "", "a\0b", true, false,
      ("x"):rep(300), ("large"):rep(100000) } do
      local back = w:call("echo", value)
      assert.equal(value, back)
      assert.equal(math.type(value), math.type(back))
    end
    local big = ("y"):rep(1 << 20)
    local pair = w:call("echo", { big, big })
    assert.equal(big, pair[2])
    local wide = {}
    for i = 1, 5000 do wide[i], wide["k" .. i] = i, { i } end
    assert.same(wide, w:call("echo", wide))
  end)

  it("limits memory on demand", function()
    local w = worker.spawn { function()
      local t = {}
      for i = 1, 1 << 30 do t[i] = ("x"):rep(1000) .. i end
      return #t
    end, memory = 16 << 20 }
    assert.matches("not enough memory", refused(w.join, w).message)
  end)
end)

describe("worker:call", function()
  it("runs many at once and matches answers to calls", function()
    local w <close> = service()
    local sums = rille.map({ 30, 20, 10, 0 }, function(ms)
      w:call("sleep", ms / 10000)
      return w:call("add", ms, 1)
    end, { concurrency = 4 })
    assert.same({ 31, 21, 11, 1, n = 4 }, sums)
  end)

  it("raises what the function raised, with the worker's traceback", function()
    local w <close> = service()
    local err = refused(w.call, w, "fail", "broken pipe dream")
    assert.equal("broken pipe dream", err.message)
    assert.matches("stack traceback", err.traceback)
    err = refused(w.call, w, "fail", { code = "ENOENT", message = "no such thing", path = "/x" })
    assert.equal("ENOENT", err.code)
    assert.equal("/x", err.path)
    assert.matches("no function 'nothing'", refused(w.call, w, "nothing").message)
    assert.equal("results[1]: a C function cannot be sent", refused(w.call, w, "give").message)
    assert.matches("the name of a function expected, got nil", refused(w.call, w), 1, true)
    assert.equal("args[1]: a C function cannot be sent", refused(w.call, w, "echo", print).message)
    assert.equal(3, w:call("add", 1, 2))
  end)

  it("cancels the call of a caller that leaves", function()
    local w = service()
    assert.is_false((rille.move_on_after(0.01, function() w:call("sleep", 100) end)))
    w:join()
  end)

  for kind, process_too in pairs { thread = false, process = true } do
    it("leaves nothing in a worker that is a " .. kind .. " when its caller leaves, or cannot send", function()
      local w <close> = worker.spawn { function()
        local task = require "rille"
        return {
          sleep = task.sleep,
          memory = function()
            collectgarbage()
            return collectgarbage "count"
          end,
        }
      end, process = process_too }
      -- ThreadSanitizer keeps a frame of its own for each that an error leaves by a jump, and has room for 65,536.
      local calls = os.getenv "TSAN_OPTIONS" and 50 or 1000
      local function round()
        for _ = 1, calls do
          rille.move_on_after(0, w.call, w, "sleep", 100)
          rille.move_on_after(0.00001, w.call, w, "sleep", 100)
          refused(w.call, w, "sleep", print)
        end
        return w:call "memory"
      end
      round()
      local before = round()
      assert.truthy(round() - before < 100)
      if process_too then assert.is_nil(next(w.transport.waiting)) end
    end)
  end

  it("is told when the function's own task is cancelled", function()
    local w <close> = service()
    local err = refused(w.call, w, "give_up")
    assert.equal("CANCELLED", err.code)
    assert.matches("enough", err.message)
    assert.equal(3, w:call("add", 1, 2))
  end)

  it("is told when the worker ends without an answer", function()
    local w = service()
    rille.group(function(group)
      group:spawn(function() assert.equal("CLOSED", refused(w.call, w, "sleep", 100).code) end)
      rille.sleep(0.01)
      w:terminate()
    end)
    assert.equal("CLOSED", refused(w.call, w, "add", 1, 2).code)
  end)
end)

describe("the end of a worker", function()
  it("brings its error with the traceback to whoever joins", function()
    local w = worker.spawn(function()
      local t = nil
      return t.x
    end)
    local err = refused(w.join, w)
    assert.matches("attempt to index a nil value", err.message)
    assert.matches("stack traceback", err.traceback)
  end)

  it("is told at the end of the program, or when it is dropped, if nobody has joined", function()
    local run = process.run { arg[-1], "-e", [[
      local rille = require "rille"
      local worker = rille.worker
      local function ended(w)
        w:wait()
        return w
      end
      rille.spawn(function() ended(worker.spawn(function() error("dropped", 0) end)) end):await()
      collectgarbage()
      collectgarbage()
      rille.sleep(0.01)
      io.stderr:write "--\n"
      local joined <close> = ended(worker.spawn(function() error("joined", 0) end))
      local kept = ended(worker.spawn(function() error("kept", 0) end))
      local left = worker.spawn(function()
        require("rille.worker").recv()
        error("left", 0)
      end)
      assert(not rille.move_on_after(0, left.join, left))
      ended(left:send "go")
      do local block <close> = ended(worker.spawn(function() error("of a block", 0) end)) end
      assert(not pcall(joined.join, joined))
    ]] }
    assert.equal(1, run.code)
    local before, after = run.stderr:match "^(.*)%-%-\n(.*)$"
    assert.matches("WORKER: dropped", before)
    assert.matches("WORKER: kept", after)
    assert.matches("WORKER: left", after)
    assert.matches("WORKER: of a block", after)
    assert.is_nil(run.stderr:find("joined", 1, true))
  end)

  it("is told when the script calls os.exit", function()
    local w = worker.spawn(function() os.exit(3) end)
    assert.matches("os.exit%(3%)", refused(w.join, w).message)
  end)

  -- ThreadSanitizer hands a signal over only when the thread calls into the C library.
  local signals_come = not os.getenv "TSAN_OPTIONS"
  local endless = {
    ["an endless loop"] = function() while true do end end,
    ["a loop that catches every error"] = function()
      while true do pcall(function() while true do end end) end
    end,
    ["a loop in a coroutine"] = function() coroutine.wrap(function() while true do end end)() end,
    ["a wait"] = function() require("rille").sleep(1000) end,
    ["a receive"] = function() require("rille.worker").recv() end,
    ["a wait that catches its cancellation"] = function()
      local task = require "rille"
      while true do task.catch_cancel(task.sleep, 1000) end
    end,
  }
  for name, f in pairs(endless) do
    local test = (signals_come or not name:find "loop") and it or pending
    test("comes by terminate in the middle of " .. name, function()
      local w = worker.spawn(f)
      rille.sleep(0.01)
      local before = os.time()
      w:terminate()
      assert.truthy(os.time() - before <= 2)
      assert.equal("CANCELLED", refused(w.join, w).code)
    end)
  end

  -- The match takes minutes, and nothing can stop it but the end of the process.
  it("is not waited for beyond a deadline and a second where C code holds it up", function()
    local began = os.time()
    local run = process.run { arg[-1], "-e", [[
      local rille = require "rille"
      local w = rille.worker.spawn(function() (("a"):rep(32)):find(("a?"):rep(32) .. ("a"):rep(32)) end)
      rille.sleep(0.05)
      print(rille.move_on_after(0.1, w.terminate, w))
    ]] }
    assert.same({ code = 0, stdout = "false\n", stderr = "" }, run)
    assert.truthy(os.time() - began < 20)
  end)

  it("comes at the end of the block that holds it", function()
    local kept
    do
      local w <close> = worker.spawn(function() require("rille").sleep(1000) end)
      kept = w
    end
    assert.is_true(kept:is_over())
  end)

  it("frees everything, over and over", function()
    for _ = 1, 300 do
      assert.equal(1, worker.spawn(function() return 1 end):join())
    end
  end)
end)

describe("messages between a worker and its parent", function()
  it("go both ways, and end with nil", function()
    local w = worker.spawn(function()
      local self = require "rille.worker"
      for v in self.recv do
        if v == "stop" then return "done" end
        self.send(v * 2)
      end
    end)
    for i = 1, 200 do
      w:send(i)
      assert.equal(2 * i, w:recv())
    end
    w:send("stop")
    assert.equal("done", w:join())
    assert.is_nil(w:recv())
    assert.equal("CLOSED: send: the worker has ended", tostring(refused(w.send, w, 1)))
  end)

  it("wait when too many are unread", function()
    local w = worker.spawn(function() require("rille").sleep(1000) end)
    local all = rille.move_on_after(0.05, function()
      for i = 1, 1000 do w:send(i) end
    end)
    assert.is_false(all)
    w:terminate()
  end)
end)

describe("worker.channel", function()
  it("carries each value once, whoever receives", function()
    local work, results = worker.channel(4), worker.channel(4)
    local workers = {}
    for i = 1, 3 do
      workers[i] = worker.spawn(function(from, to)
        local sum = 0
        for v in from do sum = sum + v end
        to:send(sum)
      end, work, results)
    end
    for i = 1, 3000 do work:send(i) end
    work:close()
    local total = 0
    for _ = 1, 3 do total = total + results:recv() end
    assert.equal(3000 * 3001 // 2, total)
    for _, w in ipairs(workers) do w:join() end
  end)

  it("leaves an error alone that ends its block", function()
    local err = { code = "MINE" }
    local ok, got = pcall(function()
      local _ <close> = worker.channel(1)
      error(err)
    end)
    assert.is_false(ok)
    assert.is_true(rawequal(err, got))
  end)

  it("works as a channel does within one thread", function()
    local c = worker.channel(1)
    assert.is_true(c:try_send("a"))
    assert.is_false(c:try_send("b"))
    assert.equal(1, #c)
    assert.same({ true, "a" }, { c:try_recv() })
    assert.is_false((c:try_recv()))
    local got = {}
    rille.group(function(group)
      group:spawn(function() for v in c do got[#got + 1] = v end end)
      for i = 1, 5 do c:send(i) end
      c:close()
    end)
    assert.same({ 1, 2, 3, 4, 5 }, got)
    assert.is_true(c:is_closed())
    assert.is_nil((c:try_recv()))
    assert.equal("CLOSED", refused(c.send, c, 1).code)
    assert.matches("nil", tostring(refused(c.send, c, nil)))
  end)

  it("loses nothing to a receiver that is cancelled", function()
    local c = worker.channel(0)
    local w = worker.spawn(function(to)
      for i = 1, 400 do to:send(i) end
      to:close()
    end, c)
    local sum, count = 0, 0
    while not (c:is_closed() and #c == 0) do
      rille.move_on_after(0.0002, function()
        for v in c do sum, count = sum + v, count + 1 end
      end)
    end
    w:join()
    assert.equal(400, count)
    assert.equal(400 * 401 // 2, sum)
  end)

  it("travels in messages, and stays itself", function()
    local c = worker.channel(1)
    local outer = worker.channel(1)
    outer:send { c }
    assert.equal(c, outer:recv()[1])
  end)
end)

describe("worker.buffer", function()
  it("counts exactly under contention", function()
    local b = worker.buffer(64)
    local workers = {}
    for i = 1, 3 do
      workers[i] = worker.spawn(function(cells)
        for _ = 1, 20000 do cells:add(2) end
      end, b)
    end
    for _, w in ipairs(workers) do w:join() end
    assert.equal(60000, b:load(2))
    assert.equal(0, b:load(1))
  end)

  it("reads and writes bytes anywhere", function()
    local b = worker.buffer(21)
    b:write(3, "0123456789abcdef")
    assert.equal("\0\0\0000123456789abcdef\0\0", b:read())
    assert.equal("789ab", b:read(10, 5))
    assert.equal(21, #b)
    assert.is_false(pcall(b.write, b, 20, "xx"))
    assert.is_false(pcall(b.read, b, 22))
    assert.is_false(pcall(b.load, b, 3))
  end)

  it("exchanges and compares", function()
    local b = worker.buffer(8)
    assert.equal(5, b:add(1, 5))
    assert.equal(5, b:exchange(1, 7))
    assert.same({ false, 7 }, { b:compare_exchange(1, 5, 9) })
    assert.same({ true, 7 }, { b:compare_exchange(1, 7, 9) })
    assert.equal(9, b:load(1))
  end)
end)
