--- TCP, Unix sockets and datagrams.
local native = require "rille.native.net"
local datagrams = require "rille.native.udp"
local dns = require "rille.dns"

local net = {}

local function check_options(options, known)
  for name in pairs(options) do
    if not known[name] then error(("unknown option '%s'"):format(tostring(name)), 3) end
  end
  return options
end

local connect_known = { host = true, port = true, path = true, tls = true }

local Unfinished = {
  __close = function(guard)
    if guard.conn then guard.conn:close() end
  end,
}

local function secure(conn, host, port, options)
  local settings = {}
  if type(options) == "table" then
    for name, value in pairs(options) do settings[name] = value end
  elseif options ~= true then
    conn:close()
    error("option 'tls': true or a table expected, got " .. type(options), 3)
  end
  if settings.server_name == nil then settings.server_name = host end
  if settings.session == nil and settings.server_name then
    settings.session = settings.server_name .. ":" .. tostring(port)
  end
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
  options = check_options(options or {}, connect_known)
  if options.path then
    local conn = native.connect(options.path)
    return options.tls and secure(conn, nil, options.path, options.tls) or conn
  end
  if port == nil then error("bad argument #2 to 'connect' (a port is needed)", 2) end
  local conn = native.connect(host, port)
  return options.tls and secure(conn, host, port, options.tls) or conn
end

-- A numeric address for what may be a name; nil and "*" are every address.
local function resolve(host, any)
  if host == nil or host == "*" then return any end
  if host:find ":" then return host end
  return dns.lookup(host)[1]
end

local listen_known = { host = true, port = true, path = true, backlog = true, reuse_port = true }

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
  options = check_options(options or {}, listen_known)
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

local udp_known = { host = true, port = true, reuse = true }

--- A datagram socket: bound to `host` and `port` if either is given, else to a free port at the first `send`.
--- @async
--- @param options {host: string?, port: integer?, reuse: boolean?}?
--- @return rille.Udp
function net.udp(options)
  options = check_options(options or {}, udp_known)
  local host, port = options.host, options.port
  local bind = host ~= nil or port ~= nil
  return datagrams.open(resolve(host, "0.0.0.0"), port or 0, bind, options.reuse)
end

net.serve = require "rille.net_serve"

return net
