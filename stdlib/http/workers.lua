--- http.serve with `workers=n`: n runtimes on threads share the port, the first of them in the caller's. A worker that
--- fails is reported and started again.
local rille = require "rille"
local task = require "rille.native.task"
local worker = require "rille.worker"

local workers = {}

local RESTART = 1 -- seconds before a failed worker is started again

-- Runs in a worker: it has only what travels.
local function child(options)
  local own = require "rille.worker"
  local handler = options.handler
  options.handler = type(handler) == "string" and require(handler) or handler
  local server = require("rille.http").serve(options)
  own.send "ready"
  own.recv()
  server:stop()
end

local function run_one(server, options)
  local w <close> = worker.spawn(child, options)
  local told <close> = setmetatable({}, { __close = function()
    if w:is_over() then return end
    pcall(w.send, w, "stop")
    rille.move_on_after((options.grace or 5) + 1, w.wait, w)
  end })
  rille.group(function(g)
    g:spawn(function()
      server._halt:wait()
      w:send "stop"
    end)
    w:recv()
    w:join()
    g:cancel()
  end)
  return told
end

local function supervise(server, options)
  while not server._stopping do
    local ok, err = pcall(run_one, server, options)
    if not ok and not server._stopping then
      server:_report(err)
      rille.move_on_after(RESTART, server._halt.wait, server._halt)
    end
  end
end

-- What cannot travel is told before anything listens.
local function check_travels(options)
  local probe <close> = worker.channel(1)
  local ok, err = pcall(probe.send, probe, options)
  if ok then return end
  local what = err.message:gsub("^value%[1%]%.", "")
  local message = "http.serve with workers: %s; the name of a module that returns the handler can be given"
  error(task.error("INVALID", message:format(what)), 0)
end

function workers.serve(options, serve)
  if options.listener or options.path then error("workers share a TCP port: give host and port", 3) end
  check_travels(options)
  local shared = { reuse_port = true }
  for name, value in pairs(options) do
    if name ~= "workers" then shared[name] = value end
  end
  local mine = {}
  for name, value in pairs(shared) do mine[name] = value end
  if type(mine.handler) == "string" then mine.handler = require(mine.handler) end
  local server = serve(mine)
  shared.port, shared.host = server.port, server.host
  for i = 2, options.workers do server._workers[i - 1] = rille.spawn(supervise, server, shared) end
  return server
end

return workers
