--- LuaSec's interface over rille.tls. Where a name is given (`sni`), it is verified too, which LuaSec leaves to its
--- caller.
local native = require "rille.native.tls"
local tcp = require "rille.compat.socket.tcp"
local support = require "rille.compat.socket.support"

local ssl = { _VERSION = "1.3 (rille)", _COPYRIGHT = "" }

local function verifies(params)
  local verify = params.verify
  if type(verify) == "table" then
    for _, word in ipairs(verify) do
      if word == "peer" then return true end
    end
    return false
  end
  return verify == "peer"
end

local function least(protocol)
  return protocol == "tlsv1_3" and 13 or 12
end

local function wire(protocols)
  if type(protocols) == "string" then protocols = { protocols } end
  if type(protocols) ~= "table" then return nil end
  local out = {}
  for i, name in ipairs(protocols) do out[i] = string.pack("s1", name) end
  return table.concat(out)
end

--- A context of LuaSec's parameters, or nil and what is wrong with them.
function ssl.newcontext(params)
  if params.mode ~= "client" and params.mode ~= "server" then return nil, "invalid mode" end
  local password = params.password
  if type(password) == "function" then password = password() end
  local verify = verifies(params)
  local context, err = support.call(native.context, {
    server = params.mode == "server", verify = verify,
    ca = (verify or params.mode == "client") and params.cafile or nil,
    cert = params.certificate, key = params.key, password = password, alpn = wire(params.alpn),
    min_version = least(params.protocol),
  })
  if not context then return nil, err end
  return { _context = context, _mode = params.mode, _verify = verify }
end

-- A socket before and after its handshake: TCP's object, whose stream is replaced.
local Socket = setmetatable({}, { __index = getmetatable(tcp.new()) })
Socket.__index = Socket
Socket.__gc = getmetatable(tcp.new()).__gc

function Socket:sni(name)
  self._name = name
end

function Socket:dohandshake()
  local ok, err = support.within(support.limit(self), native.wrap, self._stream, self._ssl._context, self._name,
    self._name)
  if not ok then return false, err end
  self._stream = ok
  return true
end

function Socket:info(field)
  local info = self._stream:info()
  local all = { protocol = info.version, cipher = info.cipher, alpn = info.alpn }
  if field then return all[field] end
  return all
end

function Socket:getalpn() return self._stream:alpn() end
function Socket:getsniname() return self._stream:info().server_name end

function Socket:getpeerverification() return self._ssl._verify end

--- TLS over a connected socket; `dohandshake` begins it.
function ssl.wrap(sock, params)
  local context, err = params, nil
  if not params._context then context, err = ssl.newcontext(params) end
  if not context then return nil, err end
  if not sock._stream then return nil, "not connected" end
  local wrapped = setmetatable({ _stream = sock._stream, _ssl = context, _received = 0, _sent = 0, _born = sock._born,
    _block = sock._block, _total = sock._total }, Socket)
  sock._stream = nil -- it belongs to the new one
  return wrapped
end

return ssl
