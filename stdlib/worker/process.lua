-- Workers that are processes: the same interface over a Unix socket, for isolation.
local rille = require "rille"
local fs = require "rille.fs"
local net = require "rille.net"
local process = require "rille.process"
local permit = require "rille.native.permit"
local program = require "rille.native.program"
local make_error = require("rille.native.task").error
local guard = require("rille.options").guard
local frames = require "rille.worker.frames"

local PROGRAM = "/proc/self/exe"
local START = 20       -- seconds for the child to say that it is there
local PATIENCE = 10    -- stops before it is killed
local INBOX = 64

--- @class rille.WorkerProcess
local Transport = {}
Transport.__index = Transport

-- Writes what is queued, in order: tasks do not write into each other's frames.
local function sender(conn, queue)
  for bytes in queue do
    if not pcall(conn.write, conn, bytes) then return end
  end
end

-- Of what follows a call's number and name, the first is args[1]; a worker's function is args[0].
local FIRST = { start = -2, post = -2, send = 0 }

local function frame(kind, ...) return frames.pack(FIRST[kind] or 1, kind, ...) end

local function post(self, kind, ...) self.queue:send(frame(kind, ...)) end

local function take(self, outbox, kind, ...)
  if kind == "answer" then
    local number = ...
    local waiting = self.waiting[number]
    self.waiting[number] = nil
    if waiting then waiting:set(table.pack(select(2, ...))) end
  elseif kind == "send" then
    outbox:send((...))
  elseif kind == "end" then
    self.result = table.pack(...)
  end
end

local function listen(self, outbox)
  while true do
    local ok, message = pcall(frames.read, self.conn)
    if not ok or not message then break end
    take(self, outbox, table.unpack(message, 1, message.n))
  end
  for number, waiting in pairs(self.waiting) do
    self.waiting[number] = nil
    waiting:set({ n = 0 })
  end
  local ended = self.child:wait()
  if ended.signal then
    self.result = self.stops == 0 and { "signal", ended.signal, n = 2 } or { "terminated", n = 1 }
  elseif not self.result then
    self.result = self.stops == 0 and { "exit", ended.code, n = 2 } or { "terminated", n = 1 }
  end
  self.conn:close()
  self.child:close()
  self.queue:close { discard = true }
  self.over:set(true)
end

function Transport:join()
  self.over:await()
  return table.unpack(self.result, 1, self.result.n)
end

function Transport:stop()
  self.stops = self.stops + 1
  if self.stops == 1 then
    self.child:kill "SIGTERM"
  elseif self.stops > PATIENCE then
    self.child:kill("SIGKILL", true)
  end
end

function Transport:call(_, pending, name, ...)
  local number = self.last + 1
  self.last = number
  local request, answer = frame("post", number, name, ...), rille.future()
  self.waiting[number] = answer
  local _ <close> = guard(function() self.waiting[number] = nil end)
  pending.number = number
  self.queue:send(request)
  local results = answer:await()
  return table.unpack(results, 1, results.n)
end

-- What makes this program the other end of a worker. Every other argument of a built one is its script's.
local function command(options, path)
  if program.file "main" then
    return { PROGRAM, "rille\1worker", path, options.memory and ("%d"):format(options.memory) }
  end
  local line = { PROGRAM }
  table.move(permit.options(), 1, #permit.options(), 2, line)
  if options.memory then line[#line + 1] = ("--max-memory=%d"):format(options.memory) end
  line[#line + 1] = "-e"
  line[#line + 1] = ("require('rille.worker.child')(%q)"):format(path)
  return line
end

-- The connection, as `it.conn`, or an error if the child ends before it has come.
local function connect(listener, it)
  rille.timeout(START, rille.race, function() it.conn = listener:accept() end, function()
    local ended = it.child:wait()
    error(("the worker's process ended at once, with status %d"):format(ended.code), 0)
  end)
end

local function start(options)
  local dir, _ <close> = fs.temp_dir()
  local path = dir .. "/worker"
  local listener <close> = net.listen { path = path }
  local line = command(options, path)
  line.stdin, line.stdout, line.stderr = "null", "inherit", "inherit"
  local it = { child = process.spawn(line) }
  local _ <close> = guard(function()
    if it.started then return end
    if it.conn then it.conn:close() end
    it.child:close()
  end)
  connect(listener, it)
  it.started = true
  return it.child, it.conn
end

-- What stands for the channels of a worker that is a thread.
local function outgoing(self, kind)
  return {
    send = function(_, value) post(self, kind, value) end,
    post = function(_, ...) pcall(post, self, "post", ...) end,
    close = function() if not self.queue:is_closed() then pcall(post, self, kind .. "_end") end end,
  }
end

return function(worker, options, ...)
  if type(options[1]) == "function" and not permit.permitted "native" then
    error(make_error("DENIED", "a function travels to a process as bytecode: it needs --allow-native, a module does not"), 0)
  end
  local first = frame("start", { path = package.path, cpath = package.cpath }, options[1], ...) -- raises what cannot travel
  local child, conn = start(options)
  local self = setmetatable({ child = child, conn = conn, waiting = {}, last = 0, stops = 0, over = rille.future(),
    queue = rille.channel(INBOX) }, Transport)
  worker.outbox = rille.channel(INBOX)
  worker.inbox, worker.calls = outgoing(self, "send"), outgoing(self, "calls")
  worker.pid = child.pid
  rille.detach(sender, conn, self.queue)
  rille.detach(listen, self, worker.outbox)
  self.queue:try_send(first)
  return self
end
