-- rille.signal: waiting for signals, and what they do otherwise.
local rille = require "rille"
local process = require "rille.process"
local signal = require "rille.signal"

local self = rille.os.pid

describe("rille.signal", function()
  it("waits for the first of several", function()
    local waiting = rille.async(signal.wait)("USR1", "SIGUSR2")
    rille.yield()
    signal.send(self, "USR2")
    assert.equal("SIGUSR2", waiting:await())
  end)

  it("keeps what comes between two steps of a loop, in order, each once", function()
    local names = {}
    local each <close> = signal.each("USR1", "USR2", "HUP")
    for _, name in ipairs { "HUP", "USR1", "HUP", "USR2", "USR1" } do
      signal.send(self, name)
      rille.sleep(0.005)
    end
    for name in each do
      names[#names + 1] = name
      if #names == 3 then
        break
      end
    end
    assert.same({ "HUP", "USR1", "USR2" }, names)
  end)

  it("tells every watcher", function()
    rille.group(function(g)
      for _ = 1, 3 do
        g:spawn(function()
          assert.equal("USR1", signal.wait "USR1")
        end)
      end
      rille.yield()
      signal.send(self, "USR1")
    end)
  end)

  it("ends with its scope", function()
    local finished = rille.move_on_after(0.02, function()
      for _ in signal.each "USR1" do
        error "no signal was sent"
      end
    end)
    assert.is_false(finished)
  end)

  it("ends when another task closes it", function()
    local each = signal.each "USR1"
    local loop = rille.async(function()
      for _ in each do
        error "no signal was sent"
      end
      return "over"
    end)()
    rille.yield()
    each:close()
    assert.equal("over", loop:await())
  end)

  it("names signals that do not exist or cannot be caught", function()
    local ok, err = pcall(signal.wait, "NOPE")
    assert.is_false(ok)
    assert.matches("no such signal: 'NOPE'", tostring(err))
    ok, err = pcall(signal.wait, "KILL")
    assert.is_false(ok)
    assert.equal("EINVAL", err.code)
    ok, err = pcall(signal.send, 1 << 22, "TERM")
    assert.is_false(ok)
    assert.equal("ESRCH", err.code)
  end)

  it("gives Ctrl-C back when nobody watches it any more", function()
    local script = [[
      local rille = require "rille"
      local signal = require "rille.signal"
      local waiting = rille.async(signal.wait)("INT")
      rille.yield()
      print("ready")
      io.stdout:flush()
      print(waiting:await())
      io.stdout:flush()
      local _ <close> = setmetatable({}, { __close = function() print "cleaned" end })
      rille.sleep(60)
    ]]
    local child <close> = process.spawn { "/proc/" .. self .. "/exe", "-e", script, stderr = "inherit" }
    assert.equal("ready", child.stdout:read "l")
    child:kill "INT"
    assert.equal("INT", child.stdout:read "l")
    rille.sleep(0.05)
    child:kill "INT"
    assert.equal("cleaned", child.stdout:read "l")
    assert.equal(130, child:wait().code)
  end)
end)
