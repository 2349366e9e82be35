-- Makes system calls fail, one call at a time, with strace: the first, the second, ... of each kind in each of the
-- scenarios. Every run must end by itself, and either do all that it was to do or raise an error that names a call.
-- Usage: rille tests/faults/run.lua [CALL...]
package.path = arg[0]:gsub("run%.lua$", "?.lua") .. ";" .. package.path
local rille = require "rille"
local fs = require "rille.fs"
local process = require "rille.process"
local scenarios = require "scenarios"

local MOST = 8        -- calls of a kind that fail, one a run
local AT_ONCE = 4     -- runs
local PATIENCE = 20   -- seconds a run has

local program = "/proc/" .. rille.os.pid .. "/exe"
local only = {}
for _, name in ipairs(arg) do only[name] = true end

-- The script is told to begin when strace has attached: what the program needs to start does not fail. The last word is
-- said again if it was that which failed.
local frame = [[
require("rille.fs").stat "/"
io.write "ready\n"
io.stdout:flush()
io.read "l"
local ok, err = pcall(function()
%s
end)
local word = ok and "whole" or type(err) == "table" and ("told %%s %%s"):format(err.code, err.op)
  or "raised " .. tostring(err)
io.write(word, "\n")
if not io.stdout:flush() then
  io.write("\n", word, "\n")
  io.stdout:flush()
end
os.exit(0)
]]

local function attach(pid, path, call, failure, nth)
  local command = { "strace", "-f", "-p", tostring(pid), "-o", "/dev/null", "-e", "trace=" .. call,
    "-e", ("inject=%s:error=%s:when=%d"):format(call, failure, nth), stderr = "pipe" }
  if path then table.move({ "-P", path }, 1, 2, #command + 1, command) end
  local tracer = process.spawn(command)
  tracer.stderr:read "l" -- attached
  return tracer
end

-- What a run ended with: its last word, or how it ended without one.
local function one_run(scenario, call, failure, nth)
  local dir <const>, _ <close> = fs.temp_dir()
  fs.write(dir .. "/script.lua", frame:format(scenario.script))
  local child <close> = process.spawn { program, dir .. "/script.lua", dir, stdin = "pipe", stdout = "pipe",
    stderr = "pipe", env = { PATH = os.getenv "PATH", UV_THREADPOOL_SIZE = "1", ASAN_OPTIONS = "detect_leaks=0" } }
  child.stdout:read "l"
  local path = scenario.calls[call].on
  local _ <close> = attach(child.pid, path and dir .. path, call, failure, nth)
  child.stdin:write "go\n"
  local words, complaint
  local ended = rille.move_on_after(PATIENCE, rille.gather, function() words = child.stdout:read "a" end,
    function() complaint = child.stderr:read "a" end)
  if not ended then return "hung" end
  local status = child:wait()
  if status.signal then return "was killed by " .. status.signal .. ": " .. complaint end
  return words:match "([^\n]*)\n?$", complaint
end

local function verdict(word)
  return word == "whole" or word:match "^told %u[%u%d_]+ [%l_]+" ~= nil
end

local runs, told, bad = 0, 0, 0
local jobs = {}
for _, scenario in ipairs(scenarios) do
  for call, failures in pairs(scenario.calls) do
    if not next(only) or only[call] then
      for _, failure in ipairs(failures) do
        for nth = 1, MOST do jobs[#jobs + 1] = { scenario, call, failure, nth } end
      end
    end
  end
end

rille.map(jobs, function(job)
  local scenario, call, failure, nth = table.unpack(job)
  local word = one_run(scenario, call, failure, nth) or ""
  runs = runs + 1
  if word:find "^told" then told = told + 1 end
  if not verdict(word) then
    bad = bad + 1
    print(("%s: call %d of %s fails with %s: %s"):format(scenario.name, nth, call, failure, word))
  end
end, { concurrency = AT_ONCE })
print(("%d runs with a failing system call: %d told it, %d did their work all the same, %d did neither"):format(
  runs, told, runs - told - bad, bad))
os.exit(bad == 0)
