--- The HTTP client: libcurl on the loop. Connections are kept, and shared by all requests of a runtime.
local rille = require "rille"
local native = require "rille.native.http_client"
local http = require "rille.native.http"
require "rille.http.request"

local client = {}

local LIMIT = 16 * 1024 * 1024 -- bytes of a body that is read whole

-- The connections of HTTP/1.1, and those that may speak HTTP/2. Apart: once libcurl 7.88 has one that speaks HTTP/2 to a
-- host and port, it takes each that it has there for one that carries many requests at once.
local kept = {}

local VERSIONS = { ["1.1"] = true, ["2"] = true, ["2-prior"] = true }

local function connections(url, version)
  local h2 = version == "2-prior" or version ~= "1.1" and url:find "^[Hh][Tt][Tt][Pp][Ss]:" ~= nil
  kept[h2] = kept[h2] or native.client()
  if not h2 then version = "1.1" end
  return kept[h2], version
end

--- @class rille.http.FetchOptions
--- @field url string
--- @field method? string
--- @field headers? table<string, string|number|string[]>
--- @field query? table<string, any>
--- @field body? string|function|rille.Stream
--- @field json? any
--- @field form? table<string, any>
--- @field stream? boolean the body as a stream
--- @field limit? number bytes of a body: 16 MiB, none with `stream`
--- @field timeout? number seconds for all of it
--- @field connect_timeout? number 30
--- @field idle_timeout? integer 60
--- @field redirects? integer 10
--- @field proxy? string
--- @field unix_path? string
--- @field version? "1.1"|"2"|"2-prior"
--- @field tls? {verify: boolean?, ca_file: string?, ca: string?, cert: string?, key: string?}
--- @field decompress? boolean
--- @field session? rille.http.Session
--- @field raise? boolean

local known = {
  url = "string", method = "string", headers = "table", query = "table", body = "body", json = "any", form = "table",
  stream = "boolean", limit = "number", timeout = "number", connect_timeout = "number", idle_timeout = "integer",
  redirects = "integer", proxy = "string", version = "string", tls = "table", decompress = "boolean",
  unix_path = "string",
  session = "any", raise = "boolean",
}
local tls_known = { verify = "boolean", ca_file = "string", ca = "string", cert = "string", key = "string" }

local function check(options, names, level)
  for name, value in pairs(options) do
    local kind = names[name]
    if not kind then error(("unknown option '%s'"):format(tostring(name)), level) end
    local fits = kind == "any" or type(value) == kind or (kind == "integer" and math.type(value) == "integer")
      or (kind == "body" and (type(value) == "string" or type(value) == "function" or type(value) == "userdata"
        or type(value) == "table"))
    if kind == "integer" and fits then fits = value >= 0 end
    if not fits then error(("option '%s': %s expected, got %s"):format(name, kind, type(value)), level) end
  end
end

local function escape(text)
  return (tostring(text):gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function encode(pairs_of)
  local names, parts = {}, {}
  for name in pairs(pairs_of) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = pairs_of[name]
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      parts[#parts + 1] = escape(name) .. "=" .. escape(one)
    end
  end
  return table.concat(parts, "&")
end

local function check_url(options)
  local url = options.url
  if not url then error("option 'url' is needed", 5) end
  local sound, is_http = native.look_at(url)
  if not sound then error("the URL holds a control character or a space", 5) end
  if not is_http then error(("'%s' is no http or https URL"):format(url), 5) end
  if options.query then
    local query = encode(options.query)
    local before, fragment = url:match "^([^#]*)(.*)$"
    url = before .. (before:find("?", 1, true) and "&" or "?") .. query .. fragment
  end
  return url
end

-- Fields whose value this side knows better, and what they say: the length of a streamed body.
local function framing(options, body)
  local size
  for name, value in pairs(options.headers or {}) do
    local lower = tostring(name):lower()
    if lower == "transfer-encoding" then error("Transfer-Encoding is the client's to choose", 5) end
    if lower == "content-length" then
      size = math.tointeger(tonumber(value))
      local should = type(body) == "string" and #body or body == nil and 0 or size
      if not size or size < 0 or size ~= should then error("Content-Length is not the length of the body", 5) end
    end
  end
  return body and type(body) ~= "string" and size or nil
end

local function header_lines(headers, body, chunked, level)
  local lines, seen = { "Expect:" }, {}
  for name, value in pairs(headers or {}) do
    if type(name) ~= "string" or not name:find "^[!#$%%&'*+%-.^_`|~%w]+$" then
      error(("'%s' is no header name"):format(tostring(name)), level)
    end
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      one = tostring(one)
      if one:find "[^\t%C]" then
        error(("header '%s' holds a control character"):format(name), level)
      end
      if name:lower() == "content-length" then break end
      lines[#lines + 1] = one == "" and name .. ";" or name .. ": " .. one
    end
    seen[name:lower()] = true
  end
  if body and not seen["content-type"] then lines[#lines + 1] = "Content-Type: " .. body end
  if chunked then lines[#lines + 1] = "Transfer-Encoding: chunked" end
  if not seen["user-agent"] then lines[#lines + 1] = "User-Agent: rille" end
  return lines
end

local function body_of(options)
  local count = (options.body and 1 or 0) + (options.json ~= nil and 1 or 0) + (options.form and 1 or 0)
  if count > 1 then error("options 'body', 'json' and 'form' exclude each other", 5) end
  if options.json ~= nil then return require("rille.json").encode(options.json), "application/json" end
  if options.form then return encode(options.form), "application/x-www-form-urlencoded" end
  return options.body, type(options.body) == "string" and "application/octet-stream" or nil
end

--- @class rille.http.Response
--- @field status integer
--- @field headers table<string, string> in any case; repeated ones joined with ", "
--- @field set_cookie string[] the Set-Cookie fields
--- @field body string|rille.Stream a stream if `stream=true` was given
--- @field url string after redirects
--- @field version string "1.1", "2"
local Response = {}
Response.__index = Response

--- The body as JSON.
function Response:json() return require("rille.json").decode(self.body) end

--- True for a status from 200 to 299.
function Response:ok() return self.status >= 200 and self.status < 300 end

function Response:close()
  if type(self.body) == "userdata" then self.body:close() end
  if self._sending then self._sending:cancel() end
end

Response.__close = Response.close

local function send_pieces(transfer, body, size)
  local read = type(body) == "function" and body or function() return body:read() end
  local left = size or math.huge
  for piece in read do
    if type(piece) ~= "string" then error("a piece of the request's body is a " .. type(piece) .. ", no string", 0) end
    left = left - #piece
    if left < 0 then error("the body is longer than its Content-Length", 0) end
    if not transfer:feed(piece) then return end
  end
  if size and left > 0 then error(("the body ended %d bytes before its Content-Length"):format(left), 0) end
  transfer:feed(nil)
end

-- The task that sends a body in pieces. What fails when the transfer is over is nobody's error.
local pump = rille.async(function(sending, transfer, body, size)
  local ok, err = rille.catch_cancel(send_pieces, transfer, body, size)
  if ok or not transfer:abort() then return end
  sending.failed = not sending.over
  error(err, 0)
end)

-- Ends the sending, unless it goes on behind an answer that is read as a stream. If it has failed, so has the exchange, for
-- that reason.
local Sending = { __close = function(self)
  local task = self.task
  if not task then return end
  self.task, self.over = nil, true
  task:cancel()
  pcall(task.await, task)
  if self.failed then task:await() end
end }

local VERBS = { GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true, OPTIONS = true }
local NOTHING = {}

-- Methods that give an empty body a meaning: its length is said (RFC 9110, 8.6).
local EMPTY = { POST = true, PUT = true, PATCH = true }

-- Methods whose requests may come twice (RFC 9110, 9.2.2).
local IDEMPOTENT = { GET = true, HEAD = true, OPTIONS = true, TRACE = true, PUT = true, DELETE = true }

local function start(options)
  local url = check_url(options)
  local body, kind = body_of(options)
  if body == nil and EMPTY[options.method] then body = "" end
  local streamed = body ~= nil and type(body) ~= "string"
  local size = framing(options, body)
  local method = options.method or (body and "POST" or "GET")
  if not VERBS[method] and not method:find "^[!#$%%&'*+%-.^_`|~%w]+$" then error(("'%s' is no method"):format(method), 4) end
  local tls = options.tls or NOTHING
  check(tls, tls_known, 5)
  if options.version and not VERSIONS[options.version] then error(("'%s' is no version"):format(options.version), 4) end
  local shared, version = connections(url, options.version)
  local session = options.session
  local limit = options.limit or (not options.stream and LIMIT) or nil
  local transfer = native.start(shared, {
    url = url, method = method, once = not IDEMPOTENT[method], streamed = streamed, body = not streamed and body or nil, size = size,
    fields = header_lines(options.headers, kind, streamed and not size, 5),
    timeout = options.timeout, connect_timeout = options.connect_timeout or 30, idle_timeout = options.idle_timeout,
    proxy = options.proxy, version = version, decompress = options.decompress,
    limit = limit and limit < math.huge and math.floor(limit) or nil, unix_path = options.unix_path,
    verify = tls.verify, ca_file = tls.ca_file, ca = tls.ca, cert = tls.cert, key = tls.key,
    jar = session and session._jar or nil,
  })
  return transfer, streamed and body or nil, size
end

local function read_pieces(transfer)
  local whole = transfer:read()
  local more = whole and transfer:read()
  if not more then return whole or "" end
  local pieces = { whole }
  while more do
    pieces[#pieces + 1] = more
    more = transfer:read()
  end
  return table.concat(pieces)
end

local function read_whole(transfer)
  local ok, body = pcall(read_pieces, transfer)
  if ok then return body end
  transfer:failure()
  error(body, 0)
end

-- Closes what it holds, unless that was handed on.
local Guard = { __close = function(self)
  if self.held then self.held:close() end
end }

-- Redirects.

local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }
local CREDENTIALS = { authorization = true, cookie = true, ["proxy-authorization"] = true }
local OF_BODY = {
  ["content-type"] = true, ["content-encoding"] = true, ["content-language"] = true, ["content-location"] = true,
  ["content-length"] = true,
}

local function fail(code, format, ...)
  error(http.failure(0, format:format(...), code), 0)
end

local function without(headers, names)
  local rest = {}
  for name, value in pairs(headers or {}) do
    if not names[name:lower()] then rest[name] = value end
  end
  return rest
end

-- After 303 everything but HEAD becomes GET; POST does after 301 and 302 too, as in browsers (RFC 9110, 15.4).
local function becomes_get(status, method)
  return status == 303 and method ~= "HEAD" or (status == 301 or status == 302) and method == "POST"
end

-- The request that follows `options`, which was answered at `url`.
local function redirected(options, url, status, location)
  local target, scheme, origin = native.join(url, location)
  if not target or (scheme ~= "http" and scheme ~= "https") then fail("EINVAL", "%s redirects to '%s', which is no http URL", url, location) end
  local _, from_scheme, from = native.join(url, url)
  if from_scheme == "https" and scheme == "http" then fail("EINVAL", "%s redirects to %s, in the clear", url, target) end
  local all = {}
  for name, value in pairs(options) do all[name] = value end
  all.url, all.query = target, nil
  local body = all.body
  all.method = all.method or ((body or all.json ~= nil or all.form) and "POST" or "GET")
  if becomes_get(status, all.method) then
    all.method, all.body, all.json, all.form = "GET", nil, nil, nil
    all.headers = without(all.headers, OF_BODY)
  elseif body and type(body) ~= "string" then
    fail("EINVAL", "%s redirects to %s: a body that was streamed cannot be sent again", url, target)
  end
  if origin ~= from then all.headers = without(all.headers, CREDENTIALS) end
  return all
end

-- What a redirection says is read away, so that the connection can be kept, if it is short.
local function skip(transfer)
  local size = 0
  while size < 65536 do
    local ok, piece = pcall(transfer.read, transfer)
    if not ok or not piece then return end
    size = size + #piece
  end
end

-- The transfer whose answer is no redirection to be followed, and its head. `sending` has the task that may still be sending.
local function follow(options, sending)
  local most, deadline = options.redirects or 10, options.timeout and rille.now() + options.timeout
  for hop = 0, math.huge do
    local transfer, body, size = start(options)
    local guard <close> = setmetatable({ held = transfer }, Guard)
    sending.task = body and pump(sending, transfer, body, size)
    local status, headers, cookies, url, version = transfer:head()
    if most == 0 or not REDIRECTS[status] or not headers.location then
      guard.held = nil
      return transfer, setmetatable({
        status = status, headers = headers, set_cookie = cookies, url = url, version = version,
      }, Response)
    end
    if hop == most then fail("LIMIT", "%s: more than %d redirects", url, most) end
    options = redirected(options, url, status, headers.location)
    if deadline then options.timeout = math.max(deadline - rille.now(), 0.001) end
    skip(transfer)
    Sending.__close(sending)
  end
end

local function fetch(options)
  local sending <close> = setmetatable({}, Sending)
  local transfer, response = follow(options, sending)
  local guard <close> = setmetatable({ held = transfer }, Guard)
  if options.raise and not response:ok() then fail("EPROTO", "%s answered with %d", response.url, response.status) end
  if options.stream then
    response.body, response._sending = transfer, sending.task
    guard.held, sending.task = nil, nil
  else
    response.body = read_whole(transfer)
  end
  return response
end

--- Makes a request. Redirects are followed (10; credentials are dropped when the host changes, https never becomes
--- http), compressed bodies unpacked, connections kept. A body of more than 16 MiB raises LIMIT unless `limit` says
--- otherwise; with `stream=true` the body is a stream, which the caller closes. What was sent on a kept connection that
--- turned out dead is sent again, unless it had a body or its method must not come twice.
--- @async
--- @param options rille.http.FetchOptions
--- @return rille.http.Response
--- @raise TIMEOUT LIMIT ECONNREFUSED EAI_NONAME ECONNRESET EPROTO EINVAL
function client.fetch(options)
  if type(options) ~= "table" then
    error(("bad argument #1 to 'fetch' (table expected, got %s)"):format(type(options)), 2)
  end
  check(options, known, 3)
  return fetch(options)
end

local function verb(method)
  return function(url, options)
    local all = {}
    for name, value in pairs(options or {}) do all[name] = value end
    all.url, all.method = url, method
    check(all, known, 3)
    return fetch(all)
  end
end

for _, method in ipairs { "get", "post", "put", "patch", "delete", "head", "options" } do
  client[method] = verb(method:upper())
end

--- @class rille.http.Session
local Session = {}
Session.__index = Session

--- As http.fetch, with the session's defaults, its base URL, and its cookies.
--- @async
function Session:fetch(options)
  local all = {}
  for name, value in pairs(self._defaults) do all[name] = value end
  for name, value in pairs(options) do all[name] = value end
  if self._defaults.headers and options.headers then
    local own = {}
    for name in pairs(options.headers) do own[tostring(name):lower()] = true end
    all.headers = without(self._defaults.headers, own)
    for name, value in pairs(options.headers) do all.headers[name] = value end
  end
  if self._base and all.url and all.url:sub(1, 1) == "/" then all.url = self._base .. all.url end
  all.session = self
  check(all, known, 3)
  return fetch(all)
end

for _, method in ipairs { "get", "post", "put", "patch", "delete", "head", "options" } do
  Session[method] = function(self, url, options)
    local all = {}
    for name, value in pairs(options or {}) do all[name] = value end
    all.url, all.method = url, method:upper()
    return self:fetch(all)
  end
end

--- Requests that share cookies, defaults and a base URL (`url`, for targets that begin with a slash).
--- @param options table? the options of http.fetch that each request has unless it says otherwise
--- @return rille.http.Session
function client.session(options)
  local defaults = {}
  for name, value in pairs(options or {}) do defaults[name] = value end
  local base = defaults.url and defaults.url:gsub("/+$", "")
  defaults.url = nil
  check(defaults, known, 3)
  return setmetatable({ _defaults = defaults, _base = base, _jar = native.jar() }, Session)
end

return client
