--- LuaSocket's socket.http: requests over `socket`, or over what `create` makes.
local socket = require "rille.compat.socket"
local url = require "rille.compat.socket.url"
local ltn12 = require "rille.compat.ltn12"
local mime = require "rille.compat.mime"

local http = { _VERSION = "HTTP 1.0.3 (rille)", TIMEOUT = 60, USERAGENT = "LuaSocket 3.1.0 (rille)", PROXY = nil }

local MAX_REDIRECTS = 5
local PORTS = { http = 80, https = 443 }

local function receive_headers(sock)
  local headers, last = {}, nil
  while true do
    local line = sock.try(sock:receive())
    if line == "" then return headers end
    local name, value = line:match "^([^:%s]+):%s*(.-)%s*$"
    if name then
      last = name:lower()
      headers[last] = headers[last] and headers[last] .. ", " .. value or value
    elseif last and line:find "^%s" then
      headers[last] = headers[last] .. " " .. line:match "^%s*(.-)%s*$"
    else
      sock.try(nil, "malformed reponse headers")
    end
  end
end

-- A body in chunks, as an ltn12 source; its trailers go into `headers`.
local function chunked(sock, headers)
  return function()
    local line, err = sock:receive()
    if err then return nil, err end
    local size = tonumber(line:match "^%x+", 16)
    if not size then return nil, "invalid chunk size" end
    if size == 0 then
      local ok, trailers = pcall(receive_headers, sock)
      if ok then
        for name, value in pairs(trailers) do headers[name] = value end
      end
      return nil
    end
    local chunk, chunk_err = sock:receive(size)
    if chunk then sock:receive() end
    return chunk, chunk_err
  end
end

local function body_source(sock, headers)
  local encoding, length = headers["transfer-encoding"], tonumber(headers["content-length"])
  if encoding and encoding:lower() ~= "identity" then return chunked(sock, headers) end
  return length and socket.source("by-length", sock.raw, length) or socket.source("until-closed", sock.raw)
end

-- The connection: a socket whose receive and try close it when they fail.
local function open(request)
  local raw = socket.try((request.create or socket.tcp)(request))
  local sock = { raw = raw }
  sock.try = socket.newtry(function() raw:close() end)
  function sock:receive(...) return raw:receive(...) end
  function sock:send(...) return raw:send(...) end
  sock.try(raw:settimeout(http.TIMEOUT))
  local proxy = request.proxy or http.PROXY
  local target = proxy and url.parse(proxy) or request
  sock.try(raw:connect(target.host, target.port or PORTS[target.scheme] or 80))
  return sock
end

local function request_line(request)
  local proxy = request.proxy or http.PROXY
  local parts = { path = request.path or "/", params = request.params, query = request.query }
  if proxy then parts.scheme, parts.host, parts.port = request.scheme, request.host, request.port end
  return ("%s %s HTTP/1.1\r\n"):format(request.method, request.uri or url.build(parts))
end

local function request_headers(request)
  local default_port = PORTS[request.scheme]
  local host = request.host:find(":", 1, true) and "[" .. request.host .. "]" or request.host
  local headers = {
    ["user-agent"] = http.USERAGENT, connection = "close, TE", te = "trailers",
    host = tonumber(request.port) ~= default_port and host .. ":" .. request.port or host,
  }
  if request.user then
    local secret = url.unescape(request.user) .. ":" .. url.unescape(request.password or "")
    headers.authorization = "Basic " .. mime.b64(secret)
  end
  for name, value in pairs(request.headers or {}) do headers[name:lower()] = tostring(value) end
  return headers
end

local function send_request(sock, request)
  local headers = request_headers(request)
  if request.source and not headers["content-length"] then headers["transfer-encoding"] = "chunked" end
  local out = { request_line(request) }
  for name, value in pairs(headers) do
    if name:find "[\r\n:]" or value:find "[\r\n]" then sock.try(nil, "invalid header") end
    out[#out + 1] = name .. ": " .. value .. "\r\n"
  end
  out[#out + 1] = "\r\n"
  sock.try(sock:send(table.concat(out)))
  if not request.source then return end
  local step = request.step or ltn12.pump.step
  local sink = headers["content-length"] and socket.sink("keep-open", sock.raw) or function(chunk)
    return sock:send(chunk and ("%x\r\n%s\r\n"):format(#chunk, chunk) or "0\r\n\r\n")
  end
  sock.try(ltn12.pump.all(request.source, sink, step))
end

local function receive_status(sock)
  while true do
    local line = sock.try(sock:receive())
    local code = tonumber(line:match "^HTTP/%d+%.%d+ (%d%d%d)")
    if not code then sock.try(nil, "malformed HTTP status line") end
    local headers = receive_headers(sock)
    if code ~= 100 then return code, headers, line end
  end
end

local function has_body(request, code)
  return request.method ~= "HEAD" and code ~= 204 and code ~= 304 and code >= 200
end

local function adjust(request)
  local parts = {}
  for name, value in pairs(request) do parts[name] = value end
  if request.url then url.parse(request.url, nil) end
  for name, value in pairs(request.url and url.parse(request.url) or {}) do
    if parts[name] == nil then parts[name] = value end
  end
  parts.scheme = parts.scheme or "http"
  socket.try(parts.host and parts.host ~= "", "invalid host '" .. tostring(parts.host) .. "'")
  parts.port = parts.port or PORTS[parts.scheme] or 80
  parts.method = parts.method or "GET"
  if parts.host:find "[\r\n]" or (parts.path or ""):find "[\r\n ]" then socket.try(nil, "invalid url") end
  return parts
end

local function should_redirect(request, code, headers)
  local location = headers.location
  if not location or request.redirect == false then return false end
  local scheme = url.parse(location).scheme
  if scheme and not PORTS[scheme] or scheme == "http" and request.scheme == "https" then return false end
  local named = code == 301 or code == 302 or code == 303 or code == 307
  return named and (request.method == "GET" or request.method == "HEAD")
    and (request.redirects or 0) < MAX_REDIRECTS
end

local perform

-- Secrets do not follow to another host.
local function redirect(request, location)
  local target = url.absolute(url.build { scheme = request.scheme, host = request.host, port = request.port,
    path = request.path, query = request.query }, location)
  local same = url.parse(target).host == request.host
  local headers = {}
  for name, value in pairs(request.headers or {}) do
    local secret = name:lower() == "authorization" or name:lower() == "cookie"
    if name:lower() ~= "host" and (same or not secret) then headers[name] = value end
  end
  local result, code, got, status = perform { url = target, method = request.method, headers = headers,
    sink = request.sink, step = request.step, create = request.create, proxy = request.proxy,
    redirects = (request.redirects or 0) + 1 }
  if got then got.location = got.location or location end
  return result, code, got, status
end

function perform(given)
  local request = adjust(given)
  local sock = open(request)
  send_request(sock, request)
  local code, headers, status = receive_status(sock)
  if should_redirect(request, code, headers) then
    sock.raw:close()
    return redirect(request, headers.location)
  end
  if has_body(request, code) then
    sock.try(ltn12.pump.all(body_source(sock, headers), request.sink or ltn12.sink.null(), request.step))
  end
  sock.raw:close()
  return 1, code, headers, status
end

local function simple(target, body)
  local parts = {}
  local request = { url = target, sink = ltn12.sink.table(parts), target = parts }
  if body then
    request.source = ltn12.source.string(body)
    request.headers = { ["content-length"] = #body, ["content-type"] = "application/x-www-form-urlencoded" }
    request.method = "POST"
  end
  local _, code, headers, status = perform(request)
  return table.concat(parts), code, headers, status
end

--- request(url[, body]) gives the body, the code, the headers and the status line; request{url=, method=, headers=,
--- source=,
--- sink=, redirect=, create=} gives 1 in place of the body. Or nil and an error.
http.request = socket.protect(function(target, body)
  if type(target) == "string" then return simple(target, body) end
  return perform(target)
end)

return http
