--- TLS over any stream: certificates and names are verified by default, versions below 1.2 are refused.
local native = require "rille.native.tls"
local check = require("rille.options").check

local tls = {}

local known = {
  client = { server_name = "string", ca_file = "string", ca = "string", cert = "string", key = "string",
    password = "string", alpn = "table", verify = "boolean", min_version = "string", session = "string" },
  server = { cert = "string", key = "string", password = "string", client_ca = "string", alpn = "table",
    min_version = "string" },
}

local function version(text)
  if text == nil or text == "1.2" then return 12 end
  if text == "1.3" then return 13 end
  error(("option 'min_version': '%s' is neither \"1.2\" nor \"1.3\""):format(text), 0)
end

-- The protocols as they travel: each with its length before it.
local function wire(protocols)
  if not protocols then return nil end
  local parts = {}
  for i, name in ipairs(protocols) do
    if type(name) ~= "string" or #name == 0 or #name > 255 then
      error("option 'alpn': a list of names of 1 to 255 bytes expected", 0)
    end
    parts[i] = string.pack("s1", name)
  end
  if #parts == 0 then return nil end
  return table.concat(parts)
end

local contexts, count = {}, 0

-- One context for equal settings: sessions are resumed, and files are read once.
local function context(settings)
  local key = {}
  for _, name in ipairs { "server", "verify", "ca", "cert", "key", "password", "alpn", "min_version" } do
    key[#key + 1] = string.pack("s4", tostring(settings[name]))
  end
  key = table.concat(key)
  local found = contexts[key]
  if found then return found end
  found = native.context(settings)
  if count == 64 then contexts, count = {}, 0 end
  contexts[key], count = found, count + 1
  return found
end

local function client_context(options)
  if options.ca and options.ca_file then error("options 'ca' and 'ca_file' exclude each other", 0) end
  if options.cert and not options.key then error("option 'cert' needs 'key'", 0) end
  return context { server = false, verify = options.verify ~= false, ca = options.ca or options.ca_file,
    cert = options.cert, key = options.key, password = options.password, alpn = wire(options.alpn),
    min_version = version(options.min_version) }
end

local function server_context(options)
  if not options.cert or not options.key then error("a server needs the options 'cert' and 'key'", 0) end
  return context { server = true, cert = options.cert, key = options.key, password = options.password,
    ca = options.client_ca, alpn = wire(options.alpn), min_version = version(options.min_version) }
end

-- What the certificate must be for; nil without verification.
local function expected_name(options)
  local name = options.server_name
  if not name and options.verify ~= false then
    error("option 'server_name' is needed, or verify=false", 3)
  end
  if name == "" then error("option 'server_name' is empty", 3) end
  if name and name:find("\0", 1, true) then error("option 'server_name' has a NUL byte", 3) end
  if name and #name > 1 then name = name:gsub("%.$", "") end
  return name
end

--- Raises what is wrong with settings, before anything listens or connects: files that are missing, a key that does not
--- fit, is encrypted, or is no key.
--- @param options rille.tls.ServerOptions|rille.tls.ClientOptions
--- @param side "server"|"client"|nil a server's by default
--- @raise EINVAL
function tls.check(options, side)
  options = options or {}
  if side == "client" then
    check(options, known.client, "tls.client")
    expected_name(options)
    client_context(options)
  else
    check(options, known.server, "tls.server")
    server_context(options)
  end
end

--- Begins TLS as a client on `stream`, which belongs to the result from then on. Waits for the handshake.
--- The server's certificate must lead to a trusted root and hold `server_name`, a name or an address.
--- @async
--- @param stream rille.Stream
--- @param options rille.tls.ClientOptions
--- @return rille.TlsStream
--- @raise EPROTO a certificate or the protocol was refused; EINVAL settings; and what reading and writing raise
function tls.client(stream, options)
  check(options, known.client, "tls.client")
  options = options or {}
  local name = expected_name(options)
  return native.wrap(stream, client_context(options), name, options.session or name)
end

--- Begins TLS as a server on `stream`, which belongs to the result from then on. Waits for the handshake.
--- @async
--- @param stream rille.Stream
--- @param options rille.tls.ServerOptions
--- @return rille.TlsStream
--- @raise EPROTO the client or the protocol was refused; EINVAL settings; and what reading and writing raise
function tls.server(stream, options)
  check(options, known.server, "tls.server")
  return native.wrap(stream, server_context(options or {}))
end

return tls
