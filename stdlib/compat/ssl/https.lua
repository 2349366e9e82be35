--- LuaSec's ssl.https: socket.http over TLS. Certificates and names are verified unless `verify = "none"`.
local http = require "rille.compat.socket.http"
local ltn12 = require "rille.compat.ltn12"
local rille_tls = require "rille.tls"
local support = require "rille.compat.socket.support"
local tcp = require "rille.compat.socket.tcp"

local https = { _VERSION = "1.3 (rille)", PORT = 443, TIMEOUT = 60 }

-- What socket.http connects with: TCP, and then TLS.
local function creator(params)
  return function(request)
    local sock = tcp.new()
    if request.scheme ~= "https" then return sock end
    local connect = getmetatable(sock).connect
    function sock:connect(host, port)
      local ok, err = connect(self, host, port)
      if not ok then return nil, err end
      local stream
      stream, err = support.within(support.limit(self), rille_tls.client, self._stream,
        { server_name = host, ca_file = params.cafile, cert = params.certificate, key = params.key,
          verify = params.verify ~= "none" })
      if not stream then return nil, err end
      self._stream = stream
      return 1
    end
    return sock
  end
end

--- As socket.http's request.
function https.request(target, body)
  if type(target) == "table" then
    local request = {}
    for name, value in pairs(target) do request[name] = value end
    request.create = creator(target)
    return http.request(request)
  end
  local parts = {}
  local request = { url = target, sink = ltn12.sink.table(parts), create = creator {} }
  if body then
    request.method, request.source = "POST", ltn12.source.string(body)
    request.headers = { ["content-length"] = #body, ["content-type"] = "application/x-www-form-urlencoded" }
  end
  local ok, code, headers, status = http.request(request)
  if not ok then return nil, code end
  return table.concat(parts), code, headers, status
end

return https
