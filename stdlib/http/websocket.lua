--- WebSocket, for servers and clients (RFC 6455, permessage-deflate).
local rille = require "rille"
local http = require "rille.native.http"
local extension = require "rille.http.deflate"
local native = require "rille.native.websocket"
local check = require("rille.options").check

local websocket = {}

local LIMIT = 1024 * 1024      -- bytes of a message
local PING = 30                -- seconds of silence before a ping, and again before giving up
local CLOSE_TIME = 5           -- seconds the peer has to answer a close
local COMPRESS_FROM = 1024     -- bytes
local TEXT, BINARY, CLOSE, PING_FRAME = 1, 2, 8, 9

--- @class rille.http.WebSocket
--- @field protocol string? the subprotocol agreed on
--- @field close_code integer? once it has ended: the code the peer closed with, or 1006 if it just went
--- @field close_reason string?
local WebSocket = {}
WebSocket.__index = WebSocket

local function deflate_module()
  local ok, module = pcall(require, "rille.native.wsdeflate")
  return ok and module or nil
end

local function open(stream, is_server, deflate, options, bits)
  local limit = options.limit or LIMIT
  return setmetatable({
    _stream = stream, _deflate = deflate or false, _bits = bits, _limit = limit, _lock = rille.lock(), _turns = 0, _over = false,
    _closing = false,
    _native = native.open(stream, is_server, deflate ~= nil, limit, options.ping or PING),
  }, WebSocket)
end

function WebSocket:_ended()
  if self._over then return end
  self._over = true
  local code, reason = self._native:status()
  self.close_code, self.close_reason = self._code or code or 1006, reason
  self._stream:close()
  self._native:wake()
end

function WebSocket:_fail(code)
  self._code = code
  self._native:send(CLOSE, "", code)
  self:_ended()
end

--- The next message and its kind, "text" or "binary"; nil when the connection has ended: see `close_code`. Pings are
--- answered meanwhile, and sent after 30 s of silence.
--- @async
--- @return string? data
--- @return "text"|"binary"|nil kind
--- @raise EBUSY another task receives
function WebSocket:recv()
  if self._over then return nil end
  while self._closing and self._native:receives() do -- who closes waits for the answer
    self._native:await()
    if self._over then return nil end
  end
  local data, kind, compressed = self._native:receive()
  if data == nil then
    self:_ended()
    return nil
  end
  if not compressed then return data, kind end
  local inflated, wrong = self._deflate.inflate(data, self._limit)
  if inflated and (kind == "binary" or native.is_text(inflated)) then return inflated, kind end
  self:_fail(wrong == "limit" and 1009 or 1007)
  return nil
end

local Turn = { __close = function(self) self.ws._turns = self.ws._turns - 1 end }

--- Sends a message: text if it is "text" or nil, else "binary". Waits while more than 64 KiB are unsent. Tasks that send
--- at once take turns.
--- @async
--- @param data string
--- @param kind "text"|"binary"|nil
--- @raise CLOSED; EINVAL for a text that is not UTF-8
function WebSocket:send(data, kind)
  if type(data) ~= "string" then error("bad argument #1 to 'send' (string expected, got " .. type(data) .. ")", 2) end
  local opcode = kind == "binary" and BINARY or TEXT
  if kind ~= nil and kind ~= "text" and kind ~= "binary" then error("the kind is \"text\" or \"binary\"", 2) end
  if opcode == TEXT and not native.is_text(data) then error("the text is not UTF-8: send it as \"binary\"", 2) end
  local compressed = self._deflate and #data >= COMPRESS_FROM
  if compressed then data = self._deflate.deflate(data, self._bits) end
  if self._turns == 0 and self._native:try_send(opcode, data, compressed) then return end
  -- Whoever sends while another one waits for room stands behind it.
  self._turns = self._turns + 1
  local _turn <close> = setmetatable({ ws = self }, Turn)
  local _ <close> = self._lock:acquire()
  self._native:send(opcode, data, compressed)
end

--- Sends a ping.
--- @async
--- @param data string? at most 125 bytes
function WebSocket:ping(data)
  local _ <close> = self._lock:acquire()
  self._native:send(PING_FRAME, data or "", false)
end

--- Closes: says so, waits up to 5 s for the peer to agree, and closes the stream. A WebSocket that is left by its `<close>`
--- says 1000, 1001 when cancelled, 1011 with an error.
--- @async
--- @param code integer? 1000
--- @param reason string? at most 123 bytes
function WebSocket:close(code, reason)
  if self._over then return end
  code, reason = code or 1000, reason or ""
  if not native.is_close_code(code) then error(("%s is no close code"):format(tostring(code)), 2) end
  if #reason > 123 then error("the reason is longer than 123 bytes", 2) end
  local _ended <close> = setmetatable({}, { __close = function() self:_ended() end })
  if self._native:cut() then return end
  self._closing = true
  self._native:send(CLOSE, reason, code)
  rille.move_on_after(CLOSE_TIME, function()
    while not self._over and not self._native:status() do
      if self._native:receives() then
        self._native:await() -- that task gets the answer
      elseif not pcall(self._native.receive, self._native) then
        return
      end
    end
  end)
end

function WebSocket:__close(err)
  local cancelled = type(err) == "table" and rawget(err, "code") == "CANCELLED"
  self:close(err == nil and 1000 or cancelled and 1001 or 1011)
end

--- Iterates over the messages.
function WebSocket:messages()
  return function() return self:recv() end
end

--- `for message, kind in ws do` is the same.
WebSocket.__call = WebSocket.recv

local function has(list, token)
  for item in (list or ""):lower():gmatch "[^,]+" do
    if http.trim(item) == token then return true end
  end
  return false
end

local function refuse(status, message)
  error(http.failure(status, message), 0)
end

local function choose_protocol(list, supported)
  for offered in (list or ""):gmatch "[^,%s]+" do
    for _, name in ipairs(supported or {}) do
      if name == offered then return name end
    end
  end
end

local server_known =
  { protocols = "table", origins = "any", limit = "integer", ping = "number", deflate = "boolean" }

--- Turns a request into a WebSocket, in its handler, which goes on until it returns. A request that is no sound
--- handshake, or whose Origin is not allowed, is answered with 400, 426 or 403.
--- @async
--- @param request rille.http.Request
--- @param options {protocols: string[]?, origins: string[]|"*"|nil, limit: integer?, ping: number?, deflate: boolean?}? origins: by default the request's own host
--- @return rille.http.WebSocket
function websocket.websocket(request, options)
  check(options, server_known, "http.websocket")
  options = options or {}
  local headers = request.headers
  if request.method ~= "GET" or request.version ~= "1.1" or not has(headers.connection, "upgrade") or not has(headers.upgrade, "websocket") then
    refuse(426, "a WebSocket handshake is expected")
  end
  if headers["sec-websocket-version"] ~= "13" then refuse(426, "WebSocket version 13 is expected") end
  local accept = native.accept(headers["sec-websocket-key"] or "")
  if not accept then refuse(400, "the WebSocket key is malformed") end
  local origin = headers.origin
  if origin and options.origins ~= "*" then
    local allowed = origin:lower():match "^%w+://(.*)$" == (request.host or ""):lower()
    for _, one in ipairs(options.origins or {}) do allowed = allowed or one == origin end
    if not allowed then refuse(403, "this origin is not allowed") end
  end
  local protocol = choose_protocol(headers["sec-websocket-protocol"], options.protocols)
  local deflate = options.deflate ~= false and deflate_module() or nil
  local agreed, bits
  if deflate then agreed, bits = extension.accept(headers["sec-websocket-extensions"]) end
  local stream = http.take(request, table.concat {
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ", accept, "\r\n",
    protocol and "Sec-WebSocket-Protocol: " .. protocol .. "\r\n" or "",
    agreed and "Sec-WebSocket-Extensions: " .. agreed .. "\r\n" or "", "\r\n",
  })
  local ws = open(stream, true, agreed and deflate or nil, options, bits)
  ws.protocol = protocol
  return ws
end

-- Closes a stream whose handshake failed or was cancelled.
local Guard = { __close = function(self)
  if self.held then self.held:close() end
end }

local client_known = { protocols = "table", headers = "table", limit = "integer", ping = "number",
  deflate = "boolean", tls = "any", timeout = "number" }

local function parse(url)
  local scheme, authority, target = url:match "^(wss?)://([^/?#]+)([^#]*)$"
  if not scheme or url:find "[%c ]" then error(("'%s' is no WebSocket URL"):format(url), 3) end
  if authority:find "@" then error("a WebSocket URL holds no user", 3) end
  local host, port = authority:match "^%[([%x:.]+)%]:?(%d*)$"
  if not host then host, port = authority:match "^([^:]+):?(%d*)$" end
  if not host then error(("'%s' is no WebSocket URL"):format(url), 3) end
  if target:sub(1, 1) ~= "/" then target = "/" .. target end
  return scheme == "wss", host, tonumber(port) or (scheme == "wss" and 443 or 80), target, authority
end

local TOKEN = "^[!#$%%&'*+%-.^_`|~%w]+$"

local function check_handshake(options)
  for _, name in ipairs(options.protocols or {}) do
    if type(name) ~= "string" or not name:find(TOKEN) then error(("'%s' is no protocol"):format(tostring(name)), 3) end
  end
  for name, value in pairs(options.headers or {}) do
    if type(name) ~= "string" or not name:find(TOKEN) then error(("'%s' is no header name"):format(tostring(name)), 3) end
    if type(value) ~= "string" and type(value) ~= "number" then
      error(("header '%s': string expected, got %s"):format(name, type(value)), 3)
    end
    if tostring(value):find "[^\t%C]" then error(("header '%s' holds a control character"):format(name), 3) end
  end
end

local function handshake(stream, target, authority, options)
  local key = native.key()
  local deflate = options.deflate ~= false and deflate_module() or nil
  local lines = {
    "GET " .. target .. " HTTP/1.1", "Host: " .. authority, "Upgrade: websocket", "Connection: Upgrade",
    "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " .. key,
  }
  if deflate then lines[#lines + 1] = "Sec-WebSocket-Extensions: " .. extension.OFFER end
  if options.protocols then lines[#lines + 1] = "Sec-WebSocket-Protocol: " .. table.concat(options.protocols, ", ") end
  for name, value in pairs(options.headers or {}) do lines[#lines + 1] = name .. ": " .. value end
  stream:write(table.concat(lines, "\r\n"), "\r\n\r\n")
  local head = stream:read_until("\r\n\r\n", { limit = 32768 })
  local fields = {}
  for name, value in (head or ""):gmatch "\r\n([^:\r]+):[ \t]*([^\r]*)" do
    name = name:lower()
    fields[name] = fields[name] and fields[name] .. ", " .. value or value
  end
  local status = (head or ""):match "^HTTP/1%.1 (%d%d%d)"
  local agreed = fields["sec-websocket-extensions"]
  if status ~= "101" or not has(fields.upgrade, "websocket") or not has(fields.connection, "upgrade")
    or fields["sec-websocket-accept"] ~= native.accept(key) then
    error(http.failure(tonumber(status) or 0, "the server refused the WebSocket handshake: status "
      .. (status or "none"), "EPROTO"), 0)
  end
  if agreed and not (deflate and extension.agreed(agreed)) then
    error(http.failure(0, "the server chose an extension that was not offered", "EPROTO"), 0)
  end
  local protocol = fields["sec-websocket-protocol"]
  if protocol and not has(table.concat(options.protocols or {}, ","), protocol:lower()) then
    error(http.failure(0, "the server chose a protocol that was not offered", "EPROTO"), 0)
  end
  return agreed and deflate or nil, protocol
end

--- Connects to a `ws:` or `wss:` URL.
--- @async
--- @param url string
--- @param options {protocols: string[]?, headers: table?, limit: integer?, ping: number?, deflate: boolean?, tls: table?, timeout: number?}? timeout: of the handshake, 30 s
--- @return rille.http.WebSocket
--- @raise EPROTO and what connecting raises
function websocket.ws_connect(url, options)
  check(options, client_known, "http.ws_connect")
  options = options or {}
  local secure, host, port, target, authority = parse(url)
  check_handshake(options)
  return rille.timeout(options.timeout or 30, function()
    local tls = secure and (options.tls or true) or nil
    local stream = require("rille.net").connect(host, port, { tls = tls })
    local guard <close> = setmetatable({ held = stream }, Guard)
    local deflate, protocol = handshake(stream, target, authority, options)
    guard.held = nil
    local ws = open(stream, false, deflate, options)
    ws.protocol = protocol
    return ws
  end)
end

return websocket
