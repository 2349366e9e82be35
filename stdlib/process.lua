-- rille.process: child processes. No shell unless asked for, no descriptor but 0 to 2 inherited,
-- always reaped.
local native = require "rille.native.process"
local options = require "rille.options"

local process = {}

local rille -- required at the first use: it requires this module by field

local function runtime()
  rille = rille or require "rille"
  return rille
end

local SPAWN = { stdin = "any", stdout = "any", stderr = "any", cwd = "string", env = "table",
  shell = "boolean", grace = "number" }
local RUN = { timeout = "number", check = "boolean", limit = "number" }
for name, kind in pairs(SPAWN) do
  RUN[name] = kind
end

local GRACE = 5
local LIMIT = 64 * 1024 * 1024

-- The exact environment as "NAME=value".
local function environment(env)
  if env == nil then
    return nil
  end
  local list = {}
  for name, value in pairs(env) do
    if type(name) ~= "string" or name == "" or name:find("[=\0]") then
      error(("option 'env': '%s' is no name of a variable"):format(tostring(name)), 4)
    end
    list[#list + 1] = name .. "=" .. tostring(value)
  end
  table.sort(list)
  return list
end

local function command(spec)
  if type(spec[1]) ~= "string" then
    error("a command expected as the first item of the list", 4)
  end
  local argv = spec.shell and { "/bin/sh", "-c" } or {}
  for _, item in ipairs(spec) do
    argv[#argv + 1] = type(item) == "number" and tostring(item) or item
    if spec.shell and #argv == 3 then
      argv[4] = "sh" -- what follows is $1, $2, ...
    end
  end
  return argv
end

--- @class rille.Command
--- @field [integer] string the program, found along PATH, and its arguments
--- @field stdin? any "pipe", "inherit", "null" or a stream
--- @field stdout? any
--- @field stderr? any also "stdout": where output goes
--- @field cwd? string
--- @field env? table<string, string> the whole environment; ours by default
--- @field shell? boolean the first item is a line for /bin/sh, the others are $1, $2...
--- @field grace? number seconds between SIGTERM and SIGKILL; 5 by default

--- @class rille.Run: rille.Command
--- @field timeout? number seconds
--- @field check? boolean
--- @field limit? integer bytes

--- @class rille.Process
--- @field pid integer
--- @field stdin rille.Stream? our ends of the pipes
--- @field stdout rille.Stream?
--- @field stderr rille.Stream?
local Process = {}
Process.__index = Process

--- Waits for its end.
--- @async
--- @return { code: integer, signal: string? } # signal: "SIGKILL"; then code is 128 and the signal's number
function Process:wait()
  local code, signal = self.child:wait()
  return { code = code, signal = signal }
end

--- Sends a signal, SIGTERM by default. The second argument: to its whole group, with what it has
--- started.
--- @param signal? string|integer
--- @param group? boolean
--- @return boolean # false: it has ended
function Process:kill(signal, group)
  return self.child:kill(signal or "SIGTERM", group)
end

local function close_pipes(self)
  for _, name in ipairs { "stdin", "stdout", "stderr" } do
    local stream = self.pipes[name]
    if stream then
      stream:close()
    end
  end
end

-- SIGTERM, the grace period, SIGKILL. A stopped process wakes only for the last.
local function finish(self)
  if self.child:ended() then
    return
  end
  self.child:kill("SIGTERM", true)
  if not runtime().move_on_after(self.grace, self.child.wait, self.child) then
    self.child:kill("SIGKILL", true)
    self.child:wait()
  end
end

--- Ends it if it has not ended: SIGTERM to it and its group, SIGKILL after the grace period.
--- Returns when it is reaped.
--- @async
function Process:close()
  close_pipes(self)
  if not self.child:ended() then
    runtime().shield(finish, self)
  end
end

Process.__close = Process.close
Process.__name = "rille.Process"

function Process:__tostring()
  return ("rille.Process (%d, %s)"):format(self.pid, self.child:ended() and "ended" or "running")
end

-- Carries a stream's bytes to or from a pipe until either side or the child ends.
local function carry(from, to, child)
  local rl = runtime()
  local function copy()
    local ok, err = pcall(rl.stream.copy, from, to)
    local code = type(err) == "table" and err.code
    if not ok and code ~= "EPIPE" and code ~= "CLOSED" and code ~= "ECONNRESET" then
      error(err, 0)
    end
    return true
  end
  if child then
    rl.race(copy, function()
      return child:wait()
    end)
    pcall(to.close, to)
  else
    copy()
    pcall(from.close, from)
  end
end

-- How a descriptor is set up, and the stream that a task has to carry, if any.
local function redirect(spec, name, otherwise)
  local wanted = spec[name]
  if wanted == nil then
    return otherwise
  end
  if native.is_stream(wanted) or (type(wanted) == "table" and wanted.read and wanted.write) then
    if not native.has_descriptor(wanted) then
      return "pipe", wanted
    end
    wanted:flush()
    return wanted
  end
  local allowed = wanted == "pipe" or wanted == "inherit" or wanted == "null"
  if not allowed and not (wanted == "stdout" and name == "stderr") then
    error(
      ("option '%s': \"pipe\", \"inherit\", \"null\"%s or a stream expected, got '%s'"):format(
        name,
        name == "stderr" and ', "stdout"' or "",
        tostring(wanted)
      ),
      4
    )
  end
  return wanted
end

local function start(spec, defaults)
  local argv, env = command(spec), environment(spec.env)
  local stdin, source = redirect(spec, "stdin", defaults.stdin)
  local stdout, out_sink = redirect(spec, "stdout", defaults.stdout)
  local stderr, err_sink = redirect(spec, "stderr", defaults.stderr)
  local group = stdin ~= "inherit" -- a child that has the terminal stays with it
  local child, input, output, errors = native.spawn(argv, spec.cwd, env, group, stdin, stdout, stderr)
  local self = setmetatable({
    pid = child:pid(),
    child = child,
    grace = spec.grace or GRACE,
    pipes = { stdin = input, stdout = output, stderr = errors },
    stdin = not source and input or nil,
    stdout = not out_sink and output or nil,
    stderr = not err_sink and errors or nil,
  }, Process)
  if source then
    runtime().spawn(carry, source, input, child)
  end
  if out_sink then
    runtime().spawn(carry, output, out_sink)
  end
  if err_sink then
    runtime().spawn(carry, errors, err_sink)
  end
  return self
end

--- Starts a program: `local child <close> = process.spawn{ "sort", "-n", stdin = "pipe" }`. All
--- three descriptors are pipes unless told otherwise: read what you let it write.
--- @async
--- @param spec rille.Command
--- @return rille.Process
--- @raise system errors of spawn, chdir and pipe
function process.spawn(spec)
  if type(spec) ~= "table" then
    error("process.spawn: a table expected", 2)
  end
  options.check(spec, SPAWN, "process.spawn")
  return start(spec, { stdin = "pipe", stdout = "pipe", stderr = "pipe" })
end

local function feed(stream, data)
  local ok, err = pcall(function()
    stream:write(data):flush()
  end)
  local code = not ok and type(err) == "table" and err.code
  if not ok and code ~= "EPIPE" and code ~= "CLOSED" then
    error(err, 0)
  end
  stream:close()
end

local function collect(stream, pieces, limit, name)
  local total = 0
  for chunk in stream:chunks() do
    total = total + #chunk
    if total > limit then
      error(options.failure("LIMIT", "run", name, ("more than %d bytes of output"):format(limit)), 0)
    end
    pieces[#pieces + 1] = chunk
  end
end

-- Reads, feeds and waits side by side. When the child has ended and something it started still
-- holds a pipe, the grace period is all that gets.
local function attend(child, data, limit, name)
  local out, errors, ending = {}, {}, nil
  runtime().group(function(g)
    local readers = {}
    if child.stdout then
      readers[#readers + 1] = g:spawn(collect, child.stdout, out, limit, name)
    end
    if child.stderr then
      readers[#readers + 1] = g:spawn(collect, child.stderr, errors, limit, name)
    end
    if data then
      g:spawn(feed, child.stdin, data)
    end
    ending = child:wait()
    runtime().move_on_after(child.grace, function()
      for _, reader in ipairs(readers) do
        reader:await()
      end
    end)
    g:cancel "the child has ended"
  end)
  ending.stdout = child.stdout and table.concat(out) or nil
  ending.stderr = child.stderr and table.concat(errors) or nil
  return ending
end

local function check_ending(ending, name)
  local how = ending.signal and "killed by " .. ending.signal or "exit status " .. ending.code
  local last = (ending.stderr or ""):match "([^\n]+)\n*$"
  local err = options.failure("EXIT", "run", name, how .. (last and ": " .. last or ""))
  err.result = ending
  error(err, 0)
end

local function run(spec)
  local data = type(spec.stdin) == "string" and spec.stdin or nil
  local stdin
  if data then
    stdin = "pipe"
  else
    stdin = spec.stdin
  end
  local started = setmetatable({ stdin = stdin or "null" }, { __index = spec })
  local child <close> = start(started, { stdout = "pipe", stderr = "pipe" })
  local ending = attend(child, data, spec.limit or LIMIT, spec[1])
  if spec.check and ending.code ~= 0 then
    check_ending(ending, spec[1])
  end
  return ending
end

--- Runs a program to its end: `process.run{ "git", "log", cwd = dir, timeout = 10 }`. `stdin` is a
--- string of bytes, a stream, or nothing. `check`: an exit status but 0 raises EXIT, an error with
--- the field `result`. `limit`: more output on one descriptor raises LIMIT; 64 MiB by default.
--- `timeout`, in seconds, raises TIMEOUT. However it ends, the child is reaped.
--- @async
--- @param spec rille.Run
--- @return { code: integer, signal: string?, stdout: string?, stderr: string? }
--- @raise system errors of spawn, chdir and pipe; EXIT, LIMIT, TIMEOUT
function process.run(spec)
  if type(spec) ~= "table" then
    error("process.run: a table expected", 2)
  end
  options.check(spec, RUN, "process.run")
  if not spec.timeout then
    return run(spec)
  end
  local ended, ending = runtime().move_on_after(spec.timeout, run, spec)
  if not ended then
    error(options.failure("TIMEOUT", "run", spec[1], ("no end within %g s"):format(spec.timeout)), 0)
  end
  return ending
end

return process
