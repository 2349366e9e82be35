--- LuaSocket's interface over rille's streams: programs written for it run unmodified, and wait without holding up
--- others.
local tcp = require "rille.compat.socket.tcp"
local udp = require "rille.compat.socket.udp"
local support = require "rille.compat.socket.support"
local rille = require "rille"
local dns = require "rille.dns"
local wall_clock = require("rille.native.net").wall_clock

local socket = { _VERSION = "LuaSocket 3.1.0 (rille)", _DATAGRAMSIZE = 8192, _SETSIZE = 1 << 20, BLOCKSIZE = 2048 }

socket.tcp, socket.tcp4, socket.tcp6 = tcp.new, tcp.new, tcp.new
socket.udp, socket.udp4, socket.udp6 = udp.new, udp.new, udp.new
socket.gettime = wall_clock

function socket.sleep(seconds)
  rille.sleep(math.max(0, seconds))
end

--- Connects to `address` and `port` at once.
function socket.connect(address, port)
  local sock = tcp.new()
  local ok, err = sock:connect(address, port)
  if not ok then
    sock:close()
    return nil, err
  end
  return sock
end

socket.connect4, socket.connect6 = socket.connect, socket.connect

--- A listening socket.
function socket.bind(host, port, backlog)
  local sock = tcp.new()
  local ok, err = sock:bind(host, port)
  if ok then ok, err = sock:listen(backlog) end
  if not ok then
    sock:close()
    return nil, err
  end
  return sock
end

-- Names

socket.dns = {}

function socket.dns.toip(name)
  local found, err = support.call(dns.lookup, name, { family = "ipv4" }) -- as LuaSocket, which asks gethostbyname
  if not found then return nil, err end
  return found[1], { name = name, ip = found, alias = {} }
end

function socket.dns.tohostname(address)
  local name, err = support.call(dns.reverse, address)
  if not name then return nil, err end
  return name, { name = name, ip = { address }, alias = {} }
end

function socket.dns.getaddrinfo(name)
  local found, err = support.call(dns.lookup, name)
  if not found then return nil, err end
  local list = {}
  for i, address in ipairs(found) do
    list[i] = { addr = address, family = address:find ":" and "inet6" or "inet" }
  end
  return list
end

function socket.dns.gethostname()
  return require("rille.os").hostname()
end

-- Exceptions: what LuaSocket's own modules are written with.

local Raised = {}

--- A function that returns its arguments, or calls `finalizer` and raises the second if the first is false or nil.
function socket.newtry(finalizer)
  return function(...)
    if (...) then return ... end
    if finalizer then pcall(finalizer) end
    error(setmetatable({ (select(2, ...)) }, Raised), 0)
  end
end

socket.try = socket.newtry()

local function outcome(ok, ...)
  if ok then return ... end
  local err = ...
  if getmetatable(err) == Raised then return nil, err[1] end
  error(err, 0)
end

--- `f`, with what a try function has raised returned as nil and the message.
function socket.protect(f)
  return function(...) return outcome(pcall(f, ...)) end
end

function socket.skip(n, ...) return select(n + 1, ...) end

socket.__unload = function() end

-- Waiting for several

local function want(group, list, wait, ready, changed)
  for _, sock in ipairs(list or {}) do
    group:spawn(function()
      sock[wait](sock)
      ready[#ready + 1] = sock
      ready[sock] = #ready
      changed:set()
    end)
  end
end

--- The sockets that can be read, and those that can be written, when there is one or the timeout is over.
function socket.select(recvt, sendt, timeout)
  local readable, writable, changed = {}, {}, rille.event()
  rille.group(function(g)
    want(g, recvt, "_readable", readable, changed)
    want(g, sendt, "_writable", writable, changed)
    if timeout and timeout >= 0 then
      rille.move_on_after(timeout, changed.wait, changed)
    else
      changed:wait()
    end
    g:cancel()
  end)
  if #readable + #writable == 0 then return readable, writable, "timeout" end
  return readable, writable
end

-- Sources and sinks for ltn12

function socket.choose(list)
  return function(name, a, b)
    if type(name) ~= "string" then name, a, b = "default", name, a end
    local make = list[name or "nil"]
    if not make then error("unknown key (" .. tostring(name) .. ")", 3) end
    return make(a, b)
  end
end

local function handle(sock, call)
  return setmetatable({ getfd = function() return sock:getfd() end, dirty = function() return sock:dirty() end },
    { __call = call })
end

socket.sinkt = {
  ["close-when-done"] = function(sock)
    return handle(sock, function(_, chunk, err)
      if chunk then return sock:send(chunk) end
      sock:close()
      return err and nil or 1, err
    end)
  end,
  ["keep-open"] = function(sock)
    return handle(sock, function(_, chunk, err)
      if chunk then return sock:send(chunk) end
      return err and nil or 1, err
    end)
  end,
}
socket.sinkt.default = socket.sinkt["keep-open"]
socket.sink = socket.choose(socket.sinkt)

socket.sourcet = {
  ["by-length"] = function(sock, length)
    return handle(sock, function()
      if length <= 0 then return nil end
      local chunk, err = sock:receive(math.min(socket.BLOCKSIZE, length))
      if err then return nil, err end
      length = length - #chunk
      return chunk
    end)
  end,
  ["until-closed"] = function(sock)
    local done
    return handle(sock, function()
      if done then return nil end
      local chunk, err, partial = sock:receive(socket.BLOCKSIZE)
      if not err then return chunk end
      if err ~= "closed" then return nil, err end
      sock:close()
      done = true
      return partial
    end)
  end,
}
socket.sourcet.default = socket.sourcet["until-closed"]
socket.source = socket.choose(socket.sourcet)

return socket
