--- LuaSocket's datagram sockets over rille's.
local net = require "rille.net"
local dns = require "rille.dns"
local support = require "rille.compat.socket.support"

local udp = {}

local Socket = {}
Socket.__index = Socket
Socket.__name = "udp{rille}"

Socket.settimeout, Socket.gettimeout = support.settimeout, support.gettimeout

function udp.new() return setmetatable({}, Socket) end

local function opened(self)
  self._socket = self._socket or net.udp()
  return self._socket
end

local function numeric(host)
  if host == "*" then return "0.0.0.0" end
  return dns.lookup(host)[1]
end

function Socket:setsockname(host, port)
  if self._socket then self._socket:close() end
  local made, err = support.call(net.udp, { host = host, port = math.tointeger(tonumber(port)) })
  if not made then return nil, err end
  self._socket = made
  return 1
end

function Socket:setpeername(host, port)
  if host == "*" then
    self._connected = false
    return 1
  end
  local ok, err = support.call(function()
    return opened(self):connect(numeric(host), math.tointeger(tonumber(port)))
  end)
  if not ok then return nil, err end
  self._connected = true
  return 1
end

function Socket:send(data)
  local ok, err = support.within(support.limit(self), opened(self).send, opened(self), data)
  if not ok then return nil, err end
  return #data
end

function Socket:sendto(data, host, port)
  local ok, err = support.within(support.limit(self), function()
    return opened(self):send(data, numeric(host), math.tointeger(tonumber(port)))
  end)
  if not ok then return nil, err end
  return #data
end

local function received(self)
  local kept = self._kept
  if kept then
    self._kept = nil
    return table.unpack(kept, 1, 3)
  end
  return opened(self):recv()
end

function Socket:receivefrom(size)
  local data, host, port = support.within(support.limit(self), received, self)
  if not data then return nil, host end
  return size and data:sub(1, size) or data, host, port
end

function Socket:receive(size)
  local data, err = self:receivefrom(size)
  if not data then return nil, err end
  return data
end

function Socket:setoption(name, value)
  if name == "broadcast" then return opened(self):set_broadcast(value) and 1 end
  if name == "ip-add-membership" then
    return support.call(opened(self).join, opened(self), value.multiaddr, value.interface) and 1
  end
  return 1
end

function Socket:getsockname()
  local address = opened(self):address()
  return address.host, tostring(address.port), support.family(address.host)
end

function Socket:getpeername()
  local address, err = support.call(opened(self).peer, opened(self))
  if not address then return nil, err end
  return address.host, tostring(address.port), support.family(address.host)
end

function Socket:getfamily() return select(3, self:getsockname()) end

function Socket:close()
  if self._socket then self._socket:close() end
  return 1
end

Socket.__gc, Socket.__close = Socket.close, Socket.close

function Socket:getfd() return -1 end
function Socket:dirty() return self._kept ~= nil end

function Socket:_readable()
  self._kept = self._kept or table.pack(opened(self):recv())
end

function Socket:_writable() end

return udp
