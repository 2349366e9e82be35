-- rille test: exploring schedules, jobs, outputs for machines.
local program = arg[-1]

local function sh(command)
  local pipe = assert(io.popen(("R=%s; { %s ; } 2>&1"):format(program, command)))
  local output = pipe:read "a"
  return output, select(3, pipe:close())
end

local RACE = [[
local rille = require "rille"
describe("a counter", function()
  it("counts", function()
    local n, done = 0, 0
    rille.group(function(g)
      for _ = 1, 2 do
        g:spawn(function()
          rille.yield()
          done = done + 1
        end)
      end
      g:spawn(function() rille.yield() n = done end)
    end)
    assert.equal(2, n)
  end)
end)
]]

local function with_spec(text, f)
  local path = os.tmpname() .. "_spec.lua"
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local _ <close> = setmetatable({}, { __close = function() os.remove(path) os.remove((path:gsub("_spec.lua$", ""))) end })
  return f(path)
end

describe("rille test", function()
  it("finds a race by exploring, and finds it again by its seed", function()
    with_spec(RACE, function(path)
      local output, status = sh("$R test " .. path)
      assert.equal(0, status, output)
      output, status = sh("$R test --explore 200 " .. path)
      assert.equal(1, status, output)
      local seed = output:match 'seed (%d+) fails "a counter counts"'
      assert.is_truthy(seed, output)
      output = sh(("for i in 1 2 3 4 5 6 7 8 9 10; do $R test --seed=%s %s >/dev/null || echo failed; done"):format(seed, path))
      assert.equal(("failed\n"):rep(10), output)
    end)
  end)

  it("runs files side by side and adds up", function()
    with_spec("it('is fine', function() end)", function(good)
      with_spec("it('is not', function() error 'broken' end)", function(bad)
        local output, status = sh(("$R test --jobs=2 %s %s"):format(good, bad))
        assert.equal(1, status)
        assert.matches("\n1 passed, 1 failed, 0 skipped", output)
        assert.matches("broken", output)
      end)
    end)
  end)

  it("speaks TAP and JUnit", function()
    with_spec("it('is fine', function() end)", function(path)
      assert.matches("^ok 1 %- is fine\n1%.%.1\n# 1 passed", (sh("$R test -o TAP " .. path)))
      local xml = sh(("$R test -o junit %s"):format(path))
      assert.matches("<testsuites [^>]*tests='1'.*<testcase [^>]*name='is fine'.*</testsuites>", xml)
    end)
  end)

  it("refuses a count that is none", function()
    assert.equal(2, select(2, sh "$R test --explore=x"))
  end)
end)
