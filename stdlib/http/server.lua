--- http.serve: listens, gives each connection a task, drains when it is told to end.
local rille = require "rille"
local net = require "rille.net"
local native = require "rille.native.http"

local server = {}

--- @class rille.http.Server
--- @field host string the address it listens on, or the path of a Unix socket
--- @field port integer?
--- @field url string
local Server = {}
Server.__index = Server

--- @class rille.http.ServeOptions
--- @field handler string|fun(request: rille.http.Request): any or the name of a module that gives one
--- @field host? string "127.0.0.1"; "*": every address
--- @field port? integer 8080; 0: a free one
--- @field path? string of a Unix socket
--- @field listener? rille.Listener
--- @field tls? rille.tls.ServerOptions
--- @field on_error? fun(err: any, request: rille.http.Request?): any
--- @field limits? table<string, number> see docs/http.md
--- @field workers? integer runtimes on threads that share the port
--- @field max_connections? integer
--- @field grace? number seconds that requests under way have when it ends: 5
--- @field backlog? integer
--- @field reuse_port? boolean

local known = {
  host = "string", port = "integer", path = "string", listener = "userdata", tls = "table", handler = "callable",
  on_error = "callable", limits = "table", workers = "count", max_connections = "count", grace = "seconds",
  backlog = "integer", reuse_port = "boolean",
}

local what_is = { count = "a positive integer", seconds = "a number of seconds" }

local function is(value, kind)
  if kind == "count" then return math.type(value) == "integer" and value > 0 end
  if kind == "seconds" then return type(value) == "number" and value >= 0 end
  if kind == "integer" then return math.type(value) == "integer" end
  if kind == "callable" then
    local meta = getmetatable(value)
    return type(value) == "function" or type(value) == "string" or (type(meta) == "table" and meta.__call ~= nil)
  end
  return type(value) == kind
end

local function check(options)
  if type(options) ~= "table" then
    error(("bad argument #1 to 'serve' (table expected, got %s)"):format(type(options)), 3)
  end
  for name, value in pairs(options) do
    local kind = known[name]
    if not kind then error(("unknown option '%s'"):format(tostring(name)), 3) end
    if not is(value, kind) then
      local got = type(value) == "number" and tostring(value) or type(value)
      error(("option '%s': %s expected, got %s"):format(name, what_is[kind] or kind, got), 3)
    end
  end
  local handshake = (options.limits or {}).handshake_time
  if handshake ~= nil and not is(handshake, "seconds") then
    error(("option 'limits.handshake_time': a number of seconds expected, got %s"):format(tostring(handshake)), 3)
  end
  if not options.handler then error("option 'handler' is needed", 3) end
end

-- What a request's own limits say, and the ones that are not the native part's.
local function split_limits(limits)
  local rest = {}
  for name, value in pairs(limits or {}) do rest[name] = value end
  local handshake = rest.handshake_time or 10
  rest.handshake_time = nil
  return rest, handshake
end

local function open_listener(options)
  if options.listener then return options.listener end
  if options.path then return net.listen { path = options.path } end
  return net.listen(options.host or "127.0.0.1", options.port or 8080,
    { backlog = options.backlog, reuse_port = options.reuse_port })
end

function Server:_report(err)
  if self._on_error then
    local ok, its = pcall(self._on_error, err)
    if ok then return end
    err = its
  end
  native.report(err)
end

function Server:_secure(stream)
  local wrapped = rille.timeout(self._handshake, require("rille.tls").server, stream, self._tls)
  return wrapped, wrapped:alpn()
end

-- A connection with a task of its own, from its beginning to its end.
function Server:_connection(stream)
  local _raw <close> = stream
  local protocol
  if self._tls then
    local ok, wrapped, alpn = pcall(self._secure, self, stream)
    if not ok then return end -- a client that cannot do TLS is no fault of the program
    stream, protocol = wrapped, alpn
  end
  local _secured <close> = stream
  if protocol == "h2" then
    self._native:count()
  else
    local seat <close> = native.seat(self._native, stream)
    protocol = native.work(seat) and "h2"
  end
  if protocol == "h2" then require("rille.http.h2").serve(self, stream, self._limits) end
end

-- The group is for what handlers spawn: its failure is not the server's.
local function work(self, again)
  return rille.group(function()
    local seat <close> = native.seat(self._native, nil, again)
    return native.work(seat)
  end)
end

-- A worker: serves whichever connection is ready.
function Server:_work()
  local ok, stream = pcall(work, self)
  while not ok do
    self:_report(stream)
    rille.yield() -- what failed may fail again
    ok, stream = pcall(work, self, true)
  end
  if not stream then return end
  local _ <close> = stream
  local served, err = pcall(require("rille.http.h2").serve, self, stream, self._limits)
  if not served then self:_report(err) end
end

-- Gives a connection to the workers, or a task of its own where more than requests has to be waited for.
function Server:_begin(group, stream, place)
  if not self._unix then stream:set { nodelay = true } end
  if not place.room and not self._tls then
    if native.adopt(self._native, stream) then group:spawn(native.hire, self._native) end
    return
  end
  group:spawn(native.spawn, function()
    local _ <close> = place
    local served, err = pcall(rille.group, function() self:_connection(stream) end)
    if not served then self:_report(err) end
  end)
end

-- One of `max_connections`, until it is closed.
local Place = { __close = function(place)
  if place.room then place.room:release() end
  place.room = nil
end }

function Server:_accept(group)
  local room = self._room
  local told = -math.huge
  while true do
    if room then room:acquire() end
    local place = setmetatable({ room = room }, Place)
    local ok, stream = pcall(self._listener.accept, self._listener)
    local err = stream
    if ok then
      ok, err = pcall(self._begin, self, group, stream, place)
      if not ok then stream:close() end
    elseif self._stopping or err.code == "CLOSED" then
      return
    end
    if not ok then
      Place.__close(place)
      if rille.now() - told >= 1 then -- at most once a second, also where files have run out
        told = rille.now()
        self:_report(err)
      end
      rille.sleep(0.05)
    end
  end
end

-- Connections live in a group of their own, shielded, so that a cancellation ends the accepting first and them last.
function Server:_run()
  local group, ended = nil, rille.event()
  local keeper = rille.async(function()
    rille.shield(rille.group, function(g)
      group = g
      ended:wait()
    end)
  end)()
  rille.catch_cancel(function()
    while not group do rille.yield() end
    self:_accept(group)
  end)
  self:close()
  ended:set()
  rille.catch_cancel(rille.move_on_after, self._grace, keeper.await, keeper)
  if group then group:cancel { grace = 1 } end
  rille.catch_cancel(keeper.await, keeper)
  self._native:close()
  self._stopped:set()
end

--- Stops accepting, lets what is being answered end, and waits for that: at most `grace` seconds.
--- @async
function Server:stop()
  self:close()
  self:wait()
end

--- Waits until it has ended.
--- @async
function Server:wait()
  self._stopped:wait()
  for _, worker in ipairs(self._workers) do pcall(worker.await, worker) end
end

--- Begins to stop. Does not wait.
function Server:close()
  self._stopping = true
  if self._room then self._room:resize(self._max + 1) end -- who waits for room to accept looks up
  self._halt:set()
  self._listener:close()
  self._native:drain()
end

Server.__close = Server.close

--- Counters since the start: accepted, requests, refused, timeouts, bytes_out, open, answers_2xx to answers_5xx.
--- @return table<string, integer>
function Server:stats()
  local stats = self._native:stats()
  stats.open = (stats.open or 0) + self._h2
  return stats
end

--- Serves HTTP in tasks of the caller's scope: returns at once, and the scope ends when the server does. Cancelling the
--- scope stops accepting, then gives requests under way `grace` seconds (5).
--- @async
--- @param options rille.http.ServeOptions
--- @return rille.http.Server
--- @raise EADDRINUSE EACCES …
function server.serve(options)
  check(options)
  if options.workers and options.workers > 1 then
    return require("rille.http.workers").serve(options, server.serve)
  end
  local handler = options.handler
  if type(handler) == "string" then handler = require(handler) end
  local tls
  if options.tls then
    tls = {}
    for name, value in pairs(options.tls) do tls[name] = value end
    local h2 = pcall(require, "rille.native.http2")
    tls.alpn = tls.alpn or (h2 and { "h2", "http/1.1" } or { "http/1.1" })
    require("rille.tls").check(tls)
  end
  local limits, handshake = split_limits(options.limits)
  local self
  self = setmetatable({
    _h2 = 0, _workers = {}, _native = native.server(handler, options.on_error, limits, function() self:_work() end),
    _handler = handler, _on_error = options.on_error, _limits = limits, _tls = tls, _handshake = handshake, _unix = options.path ~= nil,
    _max = options.max_connections, _room = options.max_connections and rille.semaphore(options.max_connections), _grace = options.grace or 5, _stopped = rille.event(), _halt = rille.event(),
    _listener = open_listener(options),
  }, Server)
  local address = self._listener:address()
  self.host, self.port = address.host or address.path, address.port
  local host = self.host:find ":" and "[" .. self.host .. "]" or self.host
  self.url = self.port and ("%s://%s:%d"):format(tls and "https" or "http", host, self.port)
  rille.spawn(self._run, self)
  return self
end

return server
