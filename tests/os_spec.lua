-- rille.os and rille.tty: what the system and the terminal tell.
local fs = require "rille.fs"
local process = require "rille.process"
local system = require "rille.os"
local tty = require "rille.tty"

local function run(...)
  local spec = { ... }
  spec.check = true
  return (process.run(spec).stdout:gsub("\n$", ""))
end

describe("rille.os", function()
  it("knows what the system's own tools know", function()
    assert.equal(run "hostname", system.hostname())
    assert.equal(tonumber(run "nproc"), system.cpus())
    assert.equal(run("id", "-un"), system.user().name)
    assert.equal(tonumber(run("id", "-u")), system.user().uid)
    assert.equal(run("uname", "-s"), system.name)
    assert.equal(run("uname", "-m"), system.machine)
    assert.equal(tonumber(fs.readlink "/proc/self"), system.pid)
  end)

  it("tells memory, uptime and load", function()
    local memory = system.memory()
    local total = tonumber(fs.read("/proc/meminfo"):match "MemTotal:%s+(%d+)") * 1024
    assert.equal(total, memory.total)
    assert.is_true(memory.available > 0 and memory.available <= total)
    assert.is_true(memory.resident > 100000 and memory.resident < total)
    assert.is_true(math.abs(system.uptime() - tonumber(fs.read("/proc/uptime"):match "%S+")) < 5)
    assert.equal(3, select("#", system.load()))
  end)

  it("reads and changes the environment", function()
    assert.equal(os.getenv "PATH", system.env.PATH)
    assert.equal(os.getenv "PATH", system.env "PATH")
    assert.is_nil(system.env.RILLE_SPEC_NONE)
    system.env.RILLE_SPEC = "a=b"
    assert.equal("a=b", system.env.RILLE_SPEC)
    assert.equal("a=b", system.env().RILLE_SPEC)
    assert.equal("a=b", run("printenv", "RILLE_SPEC"))
    local found
    for name, value in pairs(system.env) do
      found = found or name == "RILLE_SPEC" and value
    end
    assert.equal("a=b", found)
    system.env.RILLE_SPEC = nil
    assert.is_nil(system.env.RILLE_SPEC)
    assert.has_error(function() system.env.RILLE_SPEC = {} end,
      "os.env.RILLE_SPEC: string, number or nil expected, got table")
  end)

  it("changes the working directory, and says why not", function()
    local before = system.cwd()
    system.chdir "/"
    local at = system.cwd()
    system.chdir(before)
    assert.equal("/", at)
    local ok, err = pcall(system.chdir, "/no/such")
    assert.is_false(ok)
    assert.equal("chdir '/no/such': no such file or directory", err.message)
  end)
end)

describe("rille.tty", function()
  it("knows what is no terminal", function()
    local file <close> = fs.open "/dev/null"
    assert.is_false(tty.is(file))
    local ok, err = pcall(tty.size, file)
    assert.is_false(ok)
    assert.equal("ENOTTY", err.code)
    ok, err = pcall(tty.raw, file)
    assert.is_false(ok)
    assert.equal("ENOTTY", err.code)
    assert.equal(1, tty.color_depth(file))
  end)

  it("sizes a terminal, and gives its mode back", function()
    local program = "/proc/" .. system.pid .. "/exe"
    local script = [[
      local tty = require "rille.tty"
      local function mode()
        local p <close> = io.popen "stty -a <&2"
        return p:read "a":match "(%-?icanon)"
      end
      print(tty.is(), mode())
      do local raw <close> = tty.raw() print(mode()) end
      print(mode(), tty.color_depth())
    ]]
    local r = process.run {
      "script", "-qec", program .. " -e \"$SCRIPT\"", "/dev/null",
      env = { PATH = system.env.PATH, SCRIPT = script, TERM = "xterm-256color" },
    }
    assert.equal("true\ticanon\n-icanon\nicanon\t8\n", (r.stdout:gsub("\r", "")))
  end)
end)
