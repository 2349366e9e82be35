--- TCP, Unix sockets and datagrams.
local native = require "rille.native.net"
local datagrams = require "rille.native.udp"
local dns = require "rille.dns"
local check = require("rille.options").check

local net = {}

local connect_known = { host = "string", port = "any", path = "string", tls = "any" }

local Unfinished = {
  __close = function(guard)
    if guard.conn then guard.conn:close() end
  end,
}

-- What `tls` asks for, checked before anything connects; nil without it.
local function tls_settings(options, host, port)
  if not options then return nil end
  if options ~= true and type(options) ~= "table" then
    error("net.connect: option 'tls': true or a table expected, got " .. type(options), 3)
  end
  local settings = {}
  for name, value in pairs(options == true and {} or options) do settings[name] = value end
  if settings.server_name == nil then settings.server_name = host end
  if settings.session == nil and settings.server_name then
    settings.session = settings.server_name .. ":" .. tostring(port)
  end
  require("rille.tls").check(settings, "client")
  return settings
end

local function secure(conn, settings)
  if not settings then return conn end
  local guard <close> = setmetatable({ conn = conn }, Unfinished) -- a cancellation is caught by no pcall
  local secured = require("rille.tls").client(conn, settings)
  guard.conn = nil
  return secured
end

--- Connects to `host`, a name or an address, and `port`; or to a Unix socket: `net.connect{path=…}`;
--- or to an address as `listener:address()` gives it. Waits. With several
--- addresses the families take turns, a quarter of a second apart, and the first to answer wins (RFC 8305).
--- @async
--- @param host string|rille.net.ConnectOptions
--- @param port integer?
--- @param options rille.net.ConnectOptions?
--- @return rille.Connection
--- @raise ECONNREFUSED ENOENT EAI_NONAME …: the error of the first address
function net.connect(host, port, options)
  if type(host) == "table" then
    host, port, options = host.host, port or host.port, options or host
  end
  check(options, connect_known, "net.connect")
  options = options or {}
  if options.path then
    local settings = tls_settings(options.tls, nil, options.path)
    return secure(native.connect(options.path), settings)
  end
  if port == nil then error("bad argument #2 to 'connect' (a port is needed)", 2) end
  local settings = tls_settings(options.tls, host, port)
  return secure(native.connect(host, port), settings)
end

-- A numeric address for what may be a name; nil and "*" are every address.
local function resolve(host, any)
  if host == nil or host == "*" then return any end
  if type(host) ~= "string" then error("a host is a string, got " .. type(host), 3) end
  if host:find ":" then return host end
  return dns.lookup(host)[1]
end

local listen_known =
  { host = "string", port = "any", path = "string", backlog = "number", reuse_port = "boolean" }

--- Listens on `host` (nil or "*": every address) and `port` (0: a free one, see `address`); or on a Unix socket:
--- `net.listen{path=…}`.
--- @async
--- @param host string|rille.net.ListenOptions|nil
--- @param port integer?
--- @param options rille.net.ListenOptions?
--- @return rille.Listener
--- @raise EADDRINUSE EACCES EADDRNOTAVAIL …
function net.listen(host, port, options)
  if type(host) == "table" then host, port, options = host.host, host.port, host end
  check(options, listen_known, "net.listen")
  options = options or {}
  local backlog = options.backlog
  if backlog ~= nil and (math.type(backlog) ~= "integer" or backlog < 1 or backlog > 65535) then
    error("option 'backlog': an integer between 1 and 65535 expected", 2)
  end
  if options.path then return native.listen_path(options.path, backlog) end
  if port == nil then error("bad argument #2 to 'listen' (a port is needed)", 2) end
  if host == nil or host == "*" then
    local ok, listener = pcall(native.listen, "::", port, backlog, options.reuse_port)
    if ok then return listener end
    if listener.code ~= "EAFNOSUPPORT" and listener.code ~= "EADDRNOTAVAIL" then error(listener, 0) end
  end
  return native.listen(resolve(host, "0.0.0.0"), port, backlog, options.reuse_port)
end

local udp_known = { host = "string", port = "any", reuse = "boolean" }

--- A datagram socket: bound to `host` and `port` if either is given, else to a free port at the first `send`, whose address
--- decides between IPv4 and IPv6.
--- @async
--- @param options {host: string?, port: integer?, reuse: boolean?}?
--- @return rille.Udp
function net.udp(options)
  check(options, udp_known, "net.udp")
  options = options or {}
  local host, port = options.host, options.port
  if host == nil and port == nil then return datagrams.open() end
  return datagrams.open(resolve(host, "0.0.0.0"), port or 0, options.reuse)
end

net.serve = require "rille.net_serve"

return net
