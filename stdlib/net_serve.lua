--- net.serve: a task for each connection.
local rille = require "rille"
local native = require "rille.native.net"
local employ = require("rille.native.scope").employ
local check_options = require("rille.options").check

local known = { max_connections = "number", on_error = "function", tls = "table", handshake_timeout = "number" }

local GRACE = 5  -- seconds that connections have when their server is cancelled
local PAUSE = 0.05  -- seconds without accepting after an accept has failed

local function check(options)
  local most = options.max_connections
  if most ~= nil and (math.type(most) ~= "integer" or most < 1) then
    error("option 'max_connections': a positive integer expected", 3)
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

local function traceback(err)
  return type(err) == "string" and debug.traceback(err, 2) or err
end

-- A handler for connections over TLS: the handshake, then `handler`.
local function secured(handler, options)
  return function(conn)
    local stream <close> =
      rille.timeout(options.handshake_timeout or 10, require("rille.tls").server, conn, options.tls)
    handler(stream)
  end
end

-- What a connection's task runs.
local function attendant(server, handler, fail)
  local function left()
    server.count = server.count - 1
    if server.slots then server.slots:release() end
    if server.count == 0 then server.idle:set() end
  end
  local function tell(err, conn)
    local ok, second = xpcall(fail, traceback, err, conn)
    if not ok then report(second) end
  end
  return native.attendant(traceback, handler, left, tell)
end

local function accept_all(listener, server)
  local tell = reporter(report)
  while true do
    if server.slots then server.slots:acquire() end
    local ok, conn = pcall(listener.accept, listener)
    if ok then
      server.count = server.count + 1
      employ(server.connections, server.attend, conn)
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
  if server.count > 0 then
    server.idle:clear()
    rille.catch_cancel(rille.move_on_after, GRACE, server.idle.wait, server.idle)
  end
  server.connections:cancel { grace = 1 }
end

-- Connections live in a group behind a shield: cancelling the server leaves them alone until `drain`.
local function shelter(server)
  return function(started)
    rille.shield(rille.group, function(connections)
      started(connections)
      server.over:wait()
    end)
  end
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
  check_options(options, known, "net.serve")
  options = options or {}
  check(options)
  if type(listener) ~= "userdata" or not listener.accepted then
    error("bad argument #1 to 'serve' (rille.Listener expected, got " .. type(listener) .. ")", 2)
  end
  if type(handler) ~= "function" then
    error("bad argument #2 to 'serve' (function expected, got " .. type(handler) .. ")", 2)
  end
  local most = options.max_connections
  local server = { count = 0, idle = rille.event(), over = rille.event(), slots = most and rille.semaphore(most) }
  if options.tls then handler = secured(handler, options) end
  server.attend = attendant(server, handler, options.on_error or report)
  rille.group(function(g)
    server.connections = g:start(shelter(server))
    local ok, err = rille.catch_cancel(accept_all, listener, server)
    if ok then
      server.over:set()
      return
    end
    listener:close()
    drain(server)
    error(err, 0)
  end)
end

return serve
