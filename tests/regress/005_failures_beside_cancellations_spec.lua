-- A task that fails while it unwinds from a cancellation hands its error on with the cancellation. Where a scope that had
-- failed took the place of that cancellation, the error was dropped; where the cancellation ended and its first error was
-- a string, the others were forgotten on the way out.
local rille = require "rille"

local function fails_when_closed(err)
  return setmetatable({}, { __close = function() error(err, 0) end })
end

-- Waits, is cancelled, and fails in its cleanup behind a pcall.
local function fail_while_cancelled(err)
  pcall(function()
    local _ <close> = fails_when_closed(err)
    rille.sleep(10)
  end)
end

describe("an error that comes while a cancellation unwinds", function()
  local clock
  before_each(function() clock = rille.test.clock() end)
  after_each(function() clock:close() end)

  it("is suppressed by the failure that has cancelled its scope", function()
    local first, second = { "first" }, { "second" }
    local ok, err = pcall(rille.group, function(g)
      g:spawn(error, first)
      fail_while_cancelled(second)
    end)
    assert.is_false(ok)
    assert.is_true(rawequal(first, err))
    assert.same({ second }, rille.suppressed(err))
  end)

  it("is suppressed by the failure of a child of the same task", function()
    local first, second = { "first" }, { "second" }
    local task = rille.async(function()
      rille.spawn(error, first)
      fail_while_cancelled(second)
    end)()
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.is_true(rawequal(first, err))
    assert.same({ second }, rille.suppressed(err))
  end)

  it("keeps what it suppresses itself, also as a string", function()
    local second = { "second" }
    local ok, err = pcall(rille.timeout, 10, rille.group, function(g)
      local co = coroutine.create(function()
        local _ <close> = fails_when_closed(second)
        fail_while_cancelled "first of two"
      end)
      g:cancel()
      coroutine.resume(co)
    end)
    assert.is_false(ok)
    assert.equal("first of two", err)
    assert.same({ second }, rille.suppressed(err))
  end)
end)
