-- Looking at programs while they run: task trees, blocked loops, traces, profiles, statistics.
local json = require "rille.json"
local program = arg[-1]
local rille = require "rille"
local fs = rille.fs

local function sh(command)
  local pipe = assert(io.popen(("R=%s; { %s ; } 2>&1"):format(program, command)))
  local output = pipe:read "a"
  return output, select(3, pipe:close())
end

local function with_files(count, f)
  local paths = {}
  for i = 1, count do
    paths[i] = os.tmpname()
  end
  local _ <close> = setmetatable({}, { __close = function()
    for _, path in ipairs(paths) do
      os.remove(path)
      os.remove(path .. ".speedscope.json")
    end
  end })
  return f(table.unpack(paths))
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

describe("a deadlock", function()
  it("is told with who holds what, who waits for it, and where", function()
    with_files(1, function(path)
      write(path, [[
local rille = require "rille"
local a, b = rille.lock(), rille.lock()
local function both(first, second)
  local _ <close> = first:acquire()
  rille.sleep(0.01)
  local _ <close> = second:acquire()
end
rille.spawn(both, a, b).name = "left"
rille.spawn(both, b, a).name = "right"
]])
      local output, status = sh("$R " .. path)
      assert.equal(13, status)
      local a = output:match "task 2 'left' waits for: lock (%S+), held by task 3 'right'"
      local b = output:match "task 3 'right' waits for: lock (%S+), held by task 2 'left'"
      assert.is_truthy(a and b, output)
      assert.matches("task 2 'left'.-holds lock " .. b .. ".-:6: in.-task 3 'right'.-holds lock " .. a .. ".-:6: in", output)
      assert.matches(path .. ":8", output, 1, true)
    end)
  end)
end)

describe("a running program", function()
  local STUCK = [[
local rille = require "rille"
rille.spawn(function() rille.sleep(100) end)
local function deep() while true do end end
rille.sleep(0.01)
print "ready"
io.stdout:flush()
deep()
]]

  -- The processor time of a process, in hundredths of a second.
  local function ticks(pid)
    return tonumber(fs.read(("/proc/%d/stat"):format(pid)):match("%) " .. ("%S+ "):rep(11) .. "(%d+)"))
  end

  -- Runs it until it is stuck, then f(child).
  local function while_stuck(environment, f)
    with_files(1, function(path)
      write(path, STUCK)
      local child <close> = rille.process.spawn { program, path, env = environment, grace = 0.01 }
      assert.equal("ready", child.stdout:read "l")
      local ready = ticks(child.pid)
      repeat rille.sleep(0.01) until ticks(child.pid) > ready + 2 -- it still had to leave print
      f(child)
      child:kill "KILL"
    end)
  end

  it("prints its tasks on SIGQUIT, also while it is stuck", function()
    while_stuck(nil, function(child)
      child:kill "QUIT"
      local output = child.stderr:read_until "in main chunk"
      output = output .. child.stderr:read_until "in function <"
      assert.matches("task 1 is running.-:3: in.-'deep'.-:7: ", output)
      assert.matches("task 2 waits for: sleep %(spawned at [^\n]*:2%)", output)
    end)
  end)

  it("answers rille ps if it was asked to, on a socket for its owner alone", function()
    local environment = rille.os.env()
    environment.RILLE_PS = "1"
    while_stuck(environment, function(child)
      local output = sh(("$R ps %d; ls -l ${XDG_RUNTIME_DIR:-/tmp/rille-$(id -u)}/rille-%d.sock"):format(child.pid, child.pid))
      assert.matches("task 1 is running.-'deep'", output)
      assert.matches("srw%-%-%-%-%-%-%-", output)
    end)
    local output, status = sh "XDG_RUNTIME_DIR=/nonexistent $R ps"
    assert.equal("rille ps: no program that was started with RILLE_PS=1\n", output)
    assert.equal(1, status)
    output, status = sh "XDG_RUNTIME_DIR=/nonexistent $R ps 1"
    assert.equal("rille ps: 1 does not answer (was it started with RILLE_PS=1?)\n", output)
    assert.equal(1, status)
    assert.equal(2, select(2, sh "$R ps x"))
  end)

  it("names the line that holds up the loop, while it does", function()
    with_files(1, function(path)
      write(path, [[
local function spin()
  local began = os.clock()
  while os.clock() - began < 0.2 do end
end
spin()
print "after"
]])
      local output, status = sh("$R --warn-blocking=50 " .. path)
      assert.equal(0, status)
      assert.matches("task 1 has held up the loop for %d+ ms.-:3: in.-'spin'.-:5: in main chunk.-after", output)
    end)
  end)
end)

describe("--trace", function()
  it("writes trace events that balance on every track", function()
    with_files(2, function(script, trace)
      write(script, [[
local rille = require "rille"
rille.gather(function() rille.sleep(0.01) end, function() rille.sleep(0.02) end)
]])
      assert.equal(0, select(2, sh(("$R --trace %s %s"):format(trace, script))))
      local events = json.decode(read(trace)).traceEvents
      local depth, last, names = {}, {}, {}
      for _, event in ipairs(events) do
        assert.is_number(event.ts)
        assert.is_number(event.pid)
        assert.is_truthy(event.ts >= (last[event.tid] or 0))
        last[event.tid] = event.ts
        if event.ph == "B" then
          depth[event.tid] = (depth[event.tid] or 0) + 1
          names[event.name] = true
        elseif event.ph == "E" then
          depth[event.tid] = depth[event.tid] - 1
        end
      end
      for _, d in pairs(depth) do
        assert.equal(0, d)
      end
      assert.is_true(names.running and names.sleep)
    end)
  end)

  it("is whole, as a profile is, also when os.exit ends the program", function()
    with_files(1, function(path)
      assert.equal(3, select(2, sh(("$R --trace %s -e 'os.exit(3)'"):format(path))))
      assert.is_true(#json.decode(read(path)).traceEvents > 0)
      sh(("$R --profile %s -e 'local t = os.clock() while os.clock() - t < 0.05 do end os.exit(0)'"):format(path))
      assert.matches("running", read(path))
      os.remove(path .. ".speedscope.json")
    end)
  end)

  it("tells a file that it cannot write", function()
    local output, status = sh "$R --trace /no/such/dir/x -e ''"
    assert.equal(1, status)
    assert.matches("/no/such/dir/x: no such file or directory", output)
  end)
end)

describe("--profile", function()
  it("puts the hot function first, and keeps waiting apart", function()
    with_files(2, function(script, profile)
      write(script, [[
local function hot() local x = 0 for i = 1, 2e7 do x = x + i % 3 end return x end
hot()
require("rille").sleep(0.1)
]])
      assert.equal(0, select(2, sh(("$R --profile %s %s"):format(profile, script))))
      local text = read(profile)
      assert.matches("^running;[^\n]*hot [^\n;]*:1 %d+\n", text)
      assert.matches("\nwaiting;[^\n]*%(sleep%) %d+", "\n" .. text)
      local scope = json.decode(read(profile .. ".speedscope.json"))
      assert.equal("running", scope.profiles[1].name)
      assert.equal(#scope.profiles[1].samples, #scope.profiles[1].weights)
    end)
  end)
end)

describe("rille.stats", function()
  it("counts what runs", function()
    local before = rille.stats()
    rille.yield()
    rille.yield()
    local after = rille.stats()
    assert.is_true(after.steps > before.steps)
    assert.is_true(after.memory > 0)
    assert.is_number(after.pool.queued)
    assert.is_number(after.lag.max)
  end)

  it("tells what a task does", function()
    local lock = rille.lock()
    rille.group(function(g)
      local _ <close> = lock:acquire()
      local task = g:spawn(function() local _ <close> = lock:acquire() end)
      rille.yield()
      local stats = rille.stats(task)
      assert.equal("blocked", stats.state)
      assert.equal("lock", stats.waits_for)
      assert.equal(rille.current().id, stats.waits_for_task)
      assert.matches("seeing_spec.lua:%d+", stats.spawned_at)
      assert.matches("seeing_spec.lua:%d+", stats.at)
      assert.is_true(stats.age >= 0)
    end)
    assert.is_nil(rille.stats((function() local t = rille.async(function() end)() t:await() return t end)()))
  end)
end)
