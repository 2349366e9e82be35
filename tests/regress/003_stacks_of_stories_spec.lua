-- A task that failed 160,000 calls deep never told its error: its traceback was found by a walk to each level from the top,
-- which takes as many steps as the level is deep. And an error that thousands of tasks shared ("not enough memory") grew by a
-- line for each, copied each time; their coroutines were kept when memory was short, so that cancelling each collected all.
local rille = require "rille"
local worker = require "rille.worker"

describe("many at once", function()
  it("a stack overflow in a task is told", function()
    local function deep() return 1 + deep() end
    local ok, err = pcall(function() return rille.async(deep)():await() end)
    assert.is_false(ok)
    assert.matches("stack overflow", tostring(err))
    assert.is_true(#rille.report(err) < 10000)
  end)

  it("a script's yield and wait far below a C call are refused or work", function()
    local function deep(n, f)
      if n == 0 then return (f()) end
      return (deep(n - 1, f))
    end
    local refused
    load(function()
      deep(100000, function() refused = select(2, pcall(rille.sleep, 0)) end)
    end)
    assert.matches("cannot wait here", refused)
  end)

  it("an error that many tasks share keeps a story of bounded length", function()
    local shared = setmetatable({}, { __tostring = function() return "shared" end })
    local ok, err = pcall(rille.group, function(g)
      for _ = 1, 5000 do g:spawn(error, shared) end
    end)
    assert.is_false(ok)
    assert.is_true(#rille.report(err) < 20000)
  end)

  it("a crowd of sleepers goes when memory is out", function()
    local w = worker.spawn { function()
      for i = 1, 1e7 do
        rille.spawn(function() rille.sleep(1e6) end)
        if i % 1000 == 0 then rille.yield() end
      end
    end, memory = 16 << 20 }
    local ok, err = pcall(w.join, w)
    assert.is_false(ok)
    assert.matches("memory", tostring(err))
  end)
end)
