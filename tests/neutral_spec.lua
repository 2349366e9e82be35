-- What a call comes to is the same inside a group, a coroutine, a task, a protected call, a combinator of one: values, errors,
-- what they suppress, and when.
local rille = require "rille"

local layers = {
  function(f) return f() end,
  function(f) return rille.group(f) end,
  function(f) return coroutine.wrap(f)() end,
  function(f)
    local r = table.pack(pcall(f))
    if r[1] then return table.unpack(r, 2, r.n) end
    error(r[2], 0)
  end,
  function(f) return rille.async(f)():await() end,
  function(f) return (rille.gather(f)) end,
  function(f) return rille.race(f) end,
  function(f) return rille.map({ 1 }, f)[1] end,
  function(f) return rille.timeout(1000, f) end,
  function(f) return select(2, rille.move_on_after(1000, f)) end,
  function(f)
    local _ <close> = rille.deadline(1000)
    return f()
  end,
  function(f) return rille.var(1):with(2, f) end,
  function(f) return rille.lock():with(f) end,
  function(f)
    local result
    table.sort({ 2, 1 }, function(a, b)
      result = result or table.pack(f())
      return a < b
    end)
    return table.unpack(result, 1, result.n)
  end,
}

local FAILURE = setmetatable({}, { __tostring = function() return "a failure" end })

local function cleanup(f)
  return setmetatable({}, { __close = f })
end

local stories = {
  ["a value"] = function()
    rille.sleep(1)
    return "value"
  end,
  ["an error"] = function()
    rille.sleep(1)
    error(FAILURE)
  end,
  ["a timeout of its own"] = function() rille.timeout(1, rille.sleep, 5) end,
  ["a child's failure"] = function()
    rille.group(function(g)
      g:spawn(error, FAILURE)
      rille.sleep(10)
    end)
  end,
  ["a task that was cancelled"] = function()
    local task = rille.spawn(rille.sleep, 10)
    task:cancel "enough"
    task:await()
  end,
  ["a deadline from outside"] = function() rille.sleep(100) end,
  ["a deadline from outside, and cleanup that waits"] = function()
    local _ <close> = cleanup(function() rille.sleep(2) end)
    rille.sleep(100)
  end,
  ["a deadline from outside, and cleanup that fails"] = function()
    local _ <close> = cleanup(function() error(FAILURE) end)
    rille.sleep(100)
  end,
  ["waiting for itself"] = function() rille.current():await() end,
}

local function outcome(f)
  local before = rille.now()
  local ok, value = pcall(rille.timeout, 50, f)
  local parts = { tostring(ok), tostring(value), ("after %.0f s"):format(rille.now() - before) }
  for _, err in ipairs(ok and {} or rille.suppressed(value)) do
    parts[#parts + 1] = "suppressed " .. tostring(err)
  end
  return table.concat(parts, ", ")
end

describe("around a call that comes to", function()
  local clock
  before_each(function() clock = rille.test.clock() end)
  after_each(function() clock:close() end)

  for name, story in pairs(stories) do
    it(name .. ", two layers that mean nothing change nothing", function()
      local expected = outcome(story)
      for i, outer in ipairs(layers) do
        for j, inner in ipairs(layers) do
          local got = outcome(function()
            return outer(function() return inner(story) end)
          end)
          assert.equal(expected, got, ("layer %d around layer %d"):format(i, j))
        end
      end
    end)
  end
end)
