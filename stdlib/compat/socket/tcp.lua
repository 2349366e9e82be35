--- LuaSocket's TCP and Unix sockets over rille's streams. A master becomes a client by connect, a server by bind.
local rille = require "rille"
local net = require "rille.net"
local support = require "rille.compat.socket.support"

local tcp = {}

local Socket = {}
Socket.__index = Socket
Socket.__name = "tcp{rille}"

local PIECE = 32 * 1024  -- what an idle stream takes without waiting
local NO_LIMIT = { limit = math.maxinteger // 2 }

function Socket:__tostring()
  return ("tcp{%s}: %p"):format(self._stream and "client" or self._listener and "server" or "master", self)
end

function Socket:__gc() self:close() end
Socket.__close = Socket.__gc

Socket.settimeout, Socket.gettimeout = support.settimeout, support.gettimeout

-- An object over an open stream.
local function over(stream)
  return setmetatable({ _stream = stream, _received = 0, _sent = 0, _born = rille.now() }, Socket)
end

function tcp.new() return setmetatable({ _received = 0, _sent = 0, _born = rille.now() }, Socket) end

tcp.over = over

local function open(self, target, ...)
  if self._stream then return nil, "already connected" end
  if self._listener then
    self._listener:close()
    self._listener = nil
  end
  local conn, err = support.within(support.limit(self), net.connect, target, ...)
  if not conn then return nil, err end
  self._stream = conn
  if self._nodelay ~= nil and conn:peer().port then conn:set { nodelay = self._nodelay } end
  return 1
end

function Socket:connect(host, port)
  if port == nil then return open(self, { path = host }) end
  return open(self, host, math.tointeger(tonumber(port)))
end

function Socket:bind(host, port)
  local target = port == nil and { path = host } or host
  local listener, err = support.call(net.listen, target, math.tointeger(tonumber(port)))
  if not listener then return nil, err end
  self._listener = listener
  return 1
end

function Socket:listen()
  if not self._listener then return nil, "not bound" end
  return 1
end

local function accepted(self)
  local conn = self._accepted
  if conn then
    self._accepted = nil
    return conn
  end
  return self._listener:accept()
end

function Socket:accept()
  if not self._listener then return nil, "closed" end
  local conn, err = support.within(support.limit(self), accepted, self)
  if not conn then return nil, err end
  return over(conn)
end

-- Receiving

-- What has arrived so far of an answer that is not whole.
local function rest(stream)
  if not stream:is_closed() and stream:buffered() > 0 then return stream:read() end
  return ""
end

local function fewer(stream, err, prefix)
  return nil, err or "closed", prefix .. rest(stream)
end

local receive = {}

function receive.line(self, stream, prefix)
  local line, err = support.within(support.limit(self), stream.read_until, stream, "\n", self._keep)
  if not line then return fewer(stream, err, prefix) end
  if line:byte(-1) ~= 10 then return nil, "closed", prefix .. line:gsub("\r", "") end
  self._received = self._received + #line
  return prefix .. line:sub(1, -2):gsub("\r", "")
end

function receive.all(self, stream, prefix)
  local text, err = support.within(support.limit(self), stream.read, stream, "a")
  if not text then
    if err == "closed" then return prefix .. rest(stream) end
    return fewer(stream, err, prefix)
  end
  self._received = self._received + #text
  if #text == 0 and #prefix == 0 then return nil, "closed", "" end
  return prefix .. text
end

function receive.count(self, stream, prefix, count)
  count = count - #prefix
  if count <= 0 then return prefix end
  local text, err = support.within(support.limit(self), stream.read, stream, count)
  if not text then return fewer(stream, err, prefix) end
  self._received = self._received + #text
  if #text < count then return nil, "closed", prefix .. text end
  return prefix .. text
end

function Socket:receive(pattern, prefix)
  local stream = self._stream
  prefix = prefix or ""
  if type(pattern) == "number" and pattern < 0 then
    error("bad argument #1 to 'receive' (invalid receive pattern)", 2)
  end
  if not stream or stream:is_closed() then return nil, "closed", prefix end
  if type(pattern) == "number" then return receive.count(self, stream, prefix, pattern) end
  pattern = (pattern or "*l"):gsub("^%*", "")
  if pattern == "l" then return receive.line(self, stream, prefix) end
  if pattern == "a" then return receive.all(self, stream, prefix) end
  error("bad argument #1 to 'receive' (invalid receive pattern)", 2)
end

Socket._keep = { keep = true, limit = NO_LIMIT.limit }

-- Sending: in pieces that an idle stream takes whole, so that a timeout leaves nothing half taken.

local function send_pieces(self, stream, data, last, progress)
  while progress.at <= last do
    stream:flush()
    local stop = math.min(progress.at + PIECE - 1, last)
    stream:write(data:sub(progress.at, stop))
    self._sent = self._sent + stop - progress.at + 1
    progress.at = stop + 1
  end
  return true
end

function Socket:send(data, i, j)
  if type(data) == "number" then data = tostring(data) end
  if type(data) ~= "string" then
    error(("bad argument #1 to 'send' (string expected, got %s)"):format(type(data)), 2)
  end
  local stream = self._stream
  if not stream or stream:is_closed() then return nil, "closed", 0 end
  i, j = i or 1, j or -1
  if i < 0 then i = math.max(#data + i + 1, 1) end
  if j < 0 then j = #data + j + 1 end
  j = math.min(j, #data)
  local progress = { at = math.max(i, 1) }
  local ok, err = support.within(support.limit(self), send_pieces, self, stream, data, j, progress)
  if not ok then return nil, err, progress.at - 1 end
  return math.max(j, progress.at - 1)
end

-- Settings and ends

Socket.setsockname, Socket.setpeername = Socket.bind, Socket.connect

function Socket:shutdown(how)
  if not self._stream then return nil, "closed" end
  if how == "send" then
    support.call(self._stream.shutdown, self._stream)
  elseif how ~= "receive" then
    self._stream:close() -- both: nothing is left that it could do
  end
  return 1
end

function Socket:close()
  for _, name in ipairs { "_stream", "_listener", "_accepted" } do
    local it = rawget(self, name)
    if it then it:close() end
  end
  return 1
end

function Socket:setoption(name, value)
  if name == "tcp-nodelay" then
    self._nodelay = value and true or false
    if self._stream then return support.call(self._stream.set, self._stream, { nodelay = self._nodelay }) and 1 end
  elseif name == "keepalive" and self._stream then
    return support.call(self._stream.set, self._stream, { keepalive = value and true or false }) and 1
  end
  return 1
end

function Socket:getoption(name)
  if name == "tcp-nodelay" then return self._nodelay ~= false end
  return nil, "unsupported option"
end

local function name_of(object, method)
  if not object then return nil, "closed" end
  local address, err = support.call(object[method], object)
  if not address then return nil, err end
  if address.path then return address.path end
  return address.host, tostring(address.port), support.family(address.host)
end

function Socket:getfamily() return select(3, self:getsockname()) or "inet" end
function Socket:getpeername() return name_of(self._stream, "peer") end
function Socket:getsockname() return name_of(self._stream or self._listener, "address") end
function Socket:getfd()
  return self._stream and self._stream.fd and support.call(self._stream.fd, self._stream) or -1
end

function Socket:setfd() return nil, "not supported" end
function Socket:dirty() return self._stream ~= nil and not self._stream:is_closed() and self._stream:buffered() > 0 end
function Socket:getstats() return self._received, self._sent, rille.now() - self._born end

function Socket:setstats(received, sent, age)
  self._received, self._sent = received or self._received, sent or self._sent
  self._born = age and rille.now() - age or self._born
  return 1
end

-- For select

function Socket:_readable()
  if self._listener then
    self._accepted = self._accepted or self._listener:accept()
  elseif self._stream and not self._stream:is_closed() then
    self._stream:ready()
  end
end

function Socket:_writable()
  if self._stream and not self._stream:is_closed() then pcall(self._stream.flush, self._stream) end
end

return tcp
