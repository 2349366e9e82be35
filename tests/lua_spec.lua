-- Lua itself: where waiting works, where it cannot, and that user coroutines stay what they are.
local rille = require "rille"

local function wait(v)
  rille.yield()
  return v
end

describe("waiting works inside", function()
  it("pcall, xpcall, metamethods, iterators, __close, dofile", function()
    assert.same({ true, 1 }, { pcall(wait, 1) })
    assert.same({ false, "handled" }, { xpcall(function() wait() error("x") end, function() return "handled" end) })
    local t = setmetatable({}, {
      __index = function(_, k) return wait(k) end,
      __add = function() return wait("sum") end,
      __call = function(_, x) return wait(x) end,
      __lt = function() return wait(true) end,
    })
    assert.equal("key", t.key)
    assert.equal("sum", t + 1)
    assert.equal(7, t(7))
    assert.is_true(t < t)
    local seen = {}
    for i in function(_, i) i = wait((i or 0) + 1) if i <= 3 then return i end end do seen[#seen + 1] = i end
    assert.same({ 1, 2, 3 }, seen)
    local closed
    do
      local _ <close> = setmetatable({}, { __close = function() closed = wait(true) end })
    end
    assert.is_true(closed)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write "local rille = require 'rille' rille.yield() return 'from the file'"
    file:close()
    assert.equal("from the file", dofile(path))
    os.remove(path)
  end)

  it("table.sort and string.gsub with a function", function()
    local list = {}
    for i = 1, 200 do list[i] = (i * 7919) % 211 end
    table.sort(list, function(a, b)
      if a % 10 == 0 then rille.yield() end
      return a > b
    end)
    for i = 2, #list do assert.is_true(list[i - 1] >= list[i]) end
    assert.equal("HellO wOrld", (("hello world"):gsub("[ho]", function(c) return wait(c:upper()) end)))
    assert.equal("a-b-", (("ab"):gsub(".", function(c) return wait(c .. "-") end)))
    assert.same({ "-a-b-", 3 }, { ("ab"):gsub("", function() return wait("-") end) })
    assert.same({ "x1 y2", 2 }, { ("x y"):gsub("()(%a)", function(_, c)
      return wait(c .. (c == "x" and 1 or 2))
    end) })
  end)

  it("table.sort of objects whose __lt waits", function()
    local object = { __lt = function(a, b) rille.yield() return a.n < b.n end }
    local list = {}
    for i, n in ipairs { 3, 1, 2 } do
      list[i] = setmetatable({ n = n }, object)
    end
    table.sort(list)
    assert.same({ 1, 2, 3 }, { list[1].n, list[2].n, list[3].n })
  end)

  it("user coroutines, at any depth, unseen by the consumer", function()
    local function numbers(n, depth)
      return coroutine.wrap(function()
        for i = 1, n do
          rille.yield()
          if depth > 0 then
            for v in numbers(i, depth - 1) do coroutine.yield(v) end
          else
            coroutine.yield(i)
          end
        end
      end)
    end
    local sum = 0
    for v in numbers(4, 4) do sum = sum + v end
    assert.equal(84, sum)
  end)

  it("the <close> handler of a wrap that fails", function()
    local waited
    local gen = coroutine.wrap(function()
      local _ <close> = setmetatable({}, { __close = function() waited = wait("yes") end })
      error("oh", 0)
    end)
    local ok, err = pcall(gen)
    assert.is_false(ok)
    assert.equal("oh", err:match("oh$"))
    assert.equal("yes", waited)
  end)
end)

describe("a waiting coroutine", function()
  it("cannot be resumed or closed by another task", function()
    local co = coroutine.create(function()
      rille.sleep(0.01)
      return "done"
    end)
    local t = rille.spawn(function() return coroutine.resume(co) end)
    rille.yield()
    local ok, err = coroutine.resume(co)
    assert.is_false(ok)
    assert.truthy(err:find("non%-suspended"))
    assert.is_false((pcall(coroutine.close, co)))
    assert.equal("normal", coroutine.status(co))
    assert.same({ true, "done" }, { t:await() })
    assert.equal("dead", coroutine.status(co))
  end)

  it("keeps its values apart from those of its waits", function()
    local co = coroutine.create(function(...)
      local got = { ... }
      rille.yield()
      got[#got + 1] = coroutine.yield(1, 2)
      rille.yield()
      return table.unpack(got)
    end)
    assert.same({ true, 1, 2 }, { coroutine.resume(co, "a") })
    assert.same({ true, "a", "b" }, { coroutine.resume(co, "b") })
  end)
end)

describe("coroutines", function()
  it("see the root of a task as the main one", function()
    local _, main = coroutine.running()
    assert.is_true(main)
    assert.is_false(coroutine.isyieldable())
    assert.is_false((pcall(coroutine.yield, 1)))
    coroutine.wrap(function()
      assert.is_true(coroutine.isyieldable())
      assert.is_false(select(2, coroutine.running()))
    end)()
  end)

  it("nested close does not overflow the C stack", function()
    local previous, told
    for _ = 1, 20000 do
      local inner = previous
      local co = coroutine.create(function()
        local _ <close> = setmetatable({}, {
          __close = function()
            local ok, err = true, nil
            if inner then ok, err = coroutine.close(inner) end
            told = told or not ok and err
          end,
        })
        coroutine.yield()
      end)
      coroutine.resume(co)
      previous = co
    end
    coroutine.close(previous)
    assert.truthy(tostring(told):find("C stack overflow"))
  end)

  it("nest as deep as in Lua itself", function()
    local function nest(depth)
      if depth == 0 then return rille.sleep(0) end
      return coroutine.wrap(function() nest(depth - 1) return depth end)()
    end
    coroutine.wrap(function() -- from a stack of its own
      assert.equal(180, nest(180))
      local ok, err = pcall(nest, 250)
      assert.is_false(ok)
      assert.truthy(err:find "C stack overflow")
    end)()
  end)

  it("that fail keep their stack for debug.traceback", function()
    local co = coroutine.create(function() error("deep") end)
    coroutine.resume(co)
    assert.truthy(debug.traceback(co):find("lua_spec.lua"))
  end)
end)

describe("where C is in the way, an error names it:", function()
  it("load's reader", function()
    local _, chunk, err = pcall(load, function() rille.sleep(0) end) -- no message handler of the runner in between
    assert.is_nil(chunk)
    assert.truthy(tostring(err):find("'load'", 1, true), tostring(err))
  end)

  it("string.gsub's table", function()
    local waits = setmetatable({}, { __index = function() rille.yield() end })
    local ok, err = pcall(string.gsub, "x", "x", waits)
    assert.is_false(ok)
    assert.truthy(err:find("'string.gsub'", 1, true))
  end)

  it("a message handler", function()
    local _, err = xpcall(error, function() return select(2, pcall(rille.sleep, 0)) end, "x")
    assert.truthy(tostring(err):find("cannot wait"), tostring(err))
  end)

  it("__gc", function()
    local message
    setmetatable({}, { __gc = function() message = select(2, pcall(rille.sleep, 0)) end })
    collectgarbage()
    collectgarbage()
    assert.truthy(tostring(message):find("__gc"), tostring(message))
  end)

  it("table.concat's __index in a generator below it", function()
    local gen = coroutine.wrap(function() rille.sleep(0) end)
    local t = setmetatable({}, { __index = function() gen() return "x" end, __len = function() return 1 end })
    local ok, err = pcall(table.concat, t)
    assert.is_false(ok)
    assert.truthy(err:find("table.concat", 1, true), err)
  end)
end)

describe("require", function()
  local names = { "rille_spec_slow", "rille_spec_bad", "rille_spec_self" }
  after_each(function()
    for _, name in ipairs(names) do
      package.preload[name], package.loaded[name] = nil, nil
    end
  end)

  it("loads a module once for two tasks, and the second waits", function()
    local loads = 0
    package.preload.rille_spec_slow = function()
      loads = loads + 1
      rille.sleep(0.01)
      return { value = loads }
    end
    local a, b = rille.gather(function() return require "rille_spec_slow" end, function() return require "rille_spec_slow" end)
    assert.equal(1, loads)
    assert.equal(a, b)
  end)

  it("lets the next try after a failure", function()
    local tries = 0
    package.preload.rille_spec_bad = function()
      tries = tries + 1
      if tries == 1 then error("first") end
      return "second"
    end
    assert.is_false((pcall(require, "rille_spec_bad")))
    assert.equal("second", (require "rille_spec_bad"))
  end)

  it("tells of two tasks whose modules require each other", function()
    for i = 1, 2 do
      package.preload["rille_spec_circle" .. i] = function()
        rille.sleep(0.001)
        return require("rille_spec_circle" .. 3 - i)
      end
    end
    local outcome = rille.gather {
      function() return (require "rille_spec_circle1") end,
      function() return (require "rille_spec_circle2") end,
      settle = true,
    }
    package.preload.rille_spec_circle1, package.preload.rille_spec_circle2 = nil, nil
    assert.is_false(outcome[1].ok)
    assert.is_false(outcome[2].ok)
    assert.truthy(tostring(outcome[1].error):find("itself"))
  end)

  it("tells of a module that requires itself", function()
    package.preload.rille_spec_self = function() return require "rille_spec_self" end
    local ok, err = pcall(require, "rille_spec_self")
    assert.is_false(ok)
    assert.truthy(tostring(err):find("itself"))
  end)
end)
