--- Wrappers around handlers, for `router:use` or a handler of one's own: `wrap(request, next)`.
local rille = require "rille"
local native = require "rille.native.http"
local check = require("rille.options").check

local middleware = {}

-- The answer as a table {status, headers, body} that may be changed; nil if there is none.
local function opened(answer, request)
  while type(answer) == "table" and answer.respond do answer = answer:respond(request) end
  if answer == nil then return nil end
  if type(answer) ~= "table" then
    return { status = 200, headers = { ["Content-Type"] = "text/plain; charset=utf-8" }, body = answer }
  end
  local headers = {}
  for name, value in pairs(answer.headers or {}) do headers[name] = value end
  return { status = answer.status or 200, headers = headers, body = answer.body }
end

local function header(headers, wanted)
  for name, value in pairs(headers) do
    if name:lower() == wanted then return value, name end
  end
end

local function vary(headers, name)
  local value, key = header(headers, "vary")
  if type(value) == "table" then value = table.concat(value, ", ") end
  headers[key or "Vary"] = value and value .. ", " .. name or name
end

-- What `next` returns, or the answer that its error asks for: the page is to see that too.
local function answered(next, request)
  local ok, answer = pcall(next, request)
  if ok then return answer end
  local status, message = native.asked(answer)
  if not status then error(answer, 0) end
  return { status = status, headers = { ["Content-Type"] = "text/plain; charset=utf-8" },
    body = (message or native.reason(status)) .. "\n" }
end

local cors_known =
  { origins = "any", methods = "table", headers = "table", expose = "table", credentials = "boolean", max_age = "integer" }

--- @class rille.http.CorsOptions
--- @field origins string[]|"*"
--- @field methods? string[]
--- @field headers? string[] of requests: what the browser asks for
--- @field expose? string[] headers of answers that a page may read
--- @field credentials? boolean
--- @field max_age? integer seconds: 600

--- Cross-origin requests: preflights are answered, origins named in answers.
--- @param options rille.http.CorsOptions
function middleware.cors(options)
  check(options, cors_known, "http.cors")
  local any, listed = options.origins == "*", {}
  if not any then
    for _, origin in ipairs(options.origins or {}) do listed[origin] = true end
  end
  if any and options.credentials then error("cors: credentials need named origins", 2) end
  local methods = table.concat(options.methods or { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" }, ", ")
  return function(request, next)
    local origin = request.headers.origin
    if not origin or not (any or listed[origin]) then
      if not origin then return next(request) end
      local answer = opened(next(request), request)
      if answer then vary(answer.headers, "Origin") end
      return answer
    end
    local preflight = request.method == "OPTIONS" and request.headers["access-control-request-method"]
    local answer = preflight and { status = 204, headers = {} } or opened(answered(next, request), request)
    if not answer then return nil end
    answer.headers["Access-Control-Allow-Origin"] = any and "*" or origin
    if options.credentials then answer.headers["Access-Control-Allow-Credentials"] = "true" end
    if not any then vary(answer.headers, "Origin") end
    if preflight then
      answer.headers["Access-Control-Allow-Methods"] = methods
      answer.headers["Access-Control-Allow-Headers"] = options.headers and table.concat(options.headers, ", ")
        or request.headers["access-control-request-headers"]
      answer.headers["Access-Control-Max-Age"] = tostring(options.max_age or 600)
    elseif options.expose then
      answer.headers["Access-Control-Expose-Headers"] = table.concat(options.expose, ", ")
    end
    return answer
  end
end

local function compressible(kind)
  kind = (kind or ""):lower()
  return kind:find "^text/" or kind:find "json" or kind:find "xml" or kind:find "javascript"
end

local function accepts(list, coding)
  for item in (list or ""):lower():gmatch "[^,]+" do
    local name, rest = item:match "^%s*([%w*%-]+)%s*(.*)$"
    if name == coding and not rest:find ";%s*q=0%.?0*%s*$" then return true end
  end
  return false
end

--- Compresses text bodies that clients accept compressed: zstd, then gzip.
--- @param options {min: integer?}? from how many bytes on (1,024)
function middleware.compress(options)
  check(options, { min = "integer" }, "http.compress")
  local least = options and options.min or 1024
  local zip = require "rille.zip"
  return function(request, next)
    local answer = opened(next(request), request)
    if not answer then return nil end
    local body, headers = answer.body, answer.headers
    if type(body) ~= "string" or #body < least or header(headers, "content-encoding")
      or not compressible(header(headers, "content-type")) then
      return answer
    end
    vary(headers, "Accept-Encoding")
    local asked = request.headers["accept-encoding"]
    local coding = accepts(asked, "zstd") and "zstd" or accepts(asked, "gzip") and "gzip"
    if not coding then return answer end
    local _, tag = header(headers, "etag")
    if tag then headers[tag] = "W/" .. headers[tag]:gsub("^W/", "") end
    local _, length = header(headers, "content-length")
    if length then headers[length] = nil end
    answer.body = zip[coding](body)
    headers["Content-Encoding"] = coding
    return answer
  end
end

local function escaped(text)
  return (text:gsub('[%c"\\\127-\255]', function(c) return ("\\x%02x"):format(c:byte()) end))
end

--- An access log: a line for each answer, to stderr or to `write(line, entry)`. What could be taken for another field or
--- line is escaped: quotes, backslashes, control characters.
--- @param write fun(line: string, entry: table)?
function middleware.log(write)
  write = write or function(line) io.stderr:write(line, "\n") end
  return function(request, next)
    local started, peer = rille.now(), request.peer
    local function tell(status)
      local entry = { peer = peer, method = request.method, target = request.target, status = status,
        seconds = rille.now() - started, agent = request.headers["user-agent"] }
      write(('%s "%s %s" %d %.1fms "%s"'):format(escaped(peer), entry.method, escaped(entry.target), status,
        entry.seconds * 1000, escaped(entry.agent or "-")), entry)
    end
    local ok, answer = pcall(next, request)
    if not ok then
      tell(native.asked(answer) or 500)
      error(answer, 0)
    end
    answer = opened(answer, request)
    if answer then tell(answer.status) end
    return answer
  end
end

--- A handler that tells a server's counters as Prometheus text. `server` may be a function that returns it.
--- @param server rille.http.Server|fun(): rille.http.Server
function middleware.metrics(server)
  return function()
    local stats = (type(server) == "function" and server() or server):stats()
    local names, lines = {}, {}
    for name in pairs(stats) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
      local kind = name == "open" and "gauge" or "counter"
      lines[#lines + 1] = ("# TYPE rille_http_%s %s\nrille_http_%s %d"):format(name, kind, name, stats[name])
    end
    return { headers = { ["Content-Type"] = "text/plain; version=0.0.4" }, body = table.concat(lines, "\n") .. "\n" }
  end
end

return middleware
