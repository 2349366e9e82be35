--- net.serve: a task for each connection.
local rille = require "rille"

local known = { max_connections = true, on_error = true, tls = true, handshake_timeout = true }

local GRACE = 5  -- seconds that connections have when their server is cancelled
local PAUSE = 0.05  -- seconds without accepting after an accept has failed

local function check(options)
  for name in pairs(options) do
    if not known[name] then error(("unknown option '%s'"):format(tostring(name)), 3) end
  end
  local most = options.max_connections
  if most ~= nil and (math.type(most) ~= "integer" or most < 1) then
    error("option 'max_connections': a positive integer expected", 3)
  end
  if options.on_error ~= nil and type(options.on_error) ~= "function" then
    error("option 'on_error': function expected, got " .. type(options.on_error), 3)
  end
  if options.tls then require("rille.tls").check(options.tls) end
end

local function report(err)
  io.stderr:write("rille: error in a connection: ", tostring(err), "\n")
end

-- Says the same at most once a second.
local function reporter(say)
  local last = -math.huge
  return function(err)
    local now = rille.now()
    if now - last >= 1 then
      last = now
      say(err)
    end
  end
end

local function handshake(conn, options)
  return rille.timeout(options.handshake_timeout or 10, require("rille.tls").server, conn, options.tls)
end

local function handle(conn, handler, options, fail)
  local raw <close> = conn
  local ok, err = xpcall(function()
    local stream <close> = options.tls and handshake(raw, options) or raw
    handler(stream)
  end, function(e)
    return type(e) == "string" and debug.traceback(e, 2) or e
  end)
  if not ok then fail(err, conn) end
end

-- The connection's task: shielded, in a group of its own, so that cancelling the server leaves it alone until `drain`.
local function attend(server, conn)
  local raw <close> = conn
  rille.shield(rille.group, function(own)
    server.live[own] = true
    handle(raw, server.handler, server.options, server.fail)
    server.live[own] = nil
  end)
end

local function start(server, nursery, conn)
  server.count = server.count + 1
  nursery:spawn(function()
    local _ <close> = setmetatable({}, { __close = function()
      server.count = server.count - 1
      if server.slots then server.slots:release() end
      if server.count == 0 then server.idle:set() end
    end })
    attend(server, conn)
  end)
end

local function accept_all(listener, server, nursery)
  local tell = reporter(report)
  while true do
    if server.slots then server.slots:acquire() end
    local ok, conn = pcall(listener.accept, listener)
    if ok then
      start(server, nursery, conn)
    else
      if server.slots then server.slots:release() end
      if conn.code == "CLOSED" then return end
      tell(conn)  -- descriptors or memory have run out: there may be some again in a moment
      rille.sleep(PAUSE)
    end
  end
end

-- Waits until the connections have ended or the grace period has, then cancels those that are left.
local function drain(server)
  rille.catch_cancel(function()
    if server.count > 0 then
      server.idle:clear()
      rille.move_on_after(GRACE, server.idle.wait, server.idle)
    end
  end)
  for own in pairs(server.live) do own:cancel { grace = 1 } end
end

--- Accepts connections for ever, and runs `handler(conn)` in a task for each. Waits. The connection is closed when the
--- handler returns. An error in a handler ends its connection alone: it goes to `on_error(err, conn)`, or to stderr.
--- Returns when the listener is closed and the connections have ended. Cancelled, it stops accepting, gives the
--- connections the grace period to end, and cancels the rest.
--- @async
--- @param listener rille.Listener
--- @param handler fun(conn: rille.Connection)
--- @param options rille.net.ServeOptions?
local function serve(listener, handler, options)
  options = options or {}
  check(options)
  if type(handler) ~= "function" then
    error("bad argument #2 to 'serve' (function expected, got " .. type(handler) .. ")", 2)
  end
  local most = options.max_connections
  local server = { handler = handler, options = options, live = {}, count = 0, idle = rille.event(),
    fail = options.on_error or report, slots = most and rille.semaphore(most) }
  rille.group(function(nursery)
    local ok, err = rille.catch_cancel(accept_all, listener, server, nursery)
    if ok then return end
    listener:close()
    drain(server)
    error(err, 0)
  end)
end

return serve
