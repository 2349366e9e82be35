--- Files as answers: types, ranges, conditions, and directories that cannot be left.
local fs = require "rille.fs"
local fetch = require("rille.native.fs").fetch
local native = require "rille.native.http"
local check = require("rille.options").check

local files = {}

local file_known = { type = "string", status = "integer", headers = "table", download = "any" }
local static_known = { index = "string", hidden = "boolean", headers = "table" }

local types = {
  html = "text/html; charset=utf-8", htm = "text/html; charset=utf-8", css = "text/css; charset=utf-8",
  js = "text/javascript; charset=utf-8", mjs = "text/javascript; charset=utf-8", json = "application/json",
  txt = "text/plain; charset=utf-8", md = "text/markdown; charset=utf-8", csv = "text/csv; charset=utf-8",
  xml = "application/xml", svg = "image/svg+xml", png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg",
  gif = "image/gif", webp = "image/webp", avif = "image/avif", ico = "image/x-icon", pdf = "application/pdf",
  wasm = "application/wasm", zip = "application/zip", gz = "application/gzip", mp4 = "video/mp4", webm = "video/webm",
  mp3 = "audio/mpeg", ogg = "audio/ogg", wav = "audio/wav", woff = "font/woff", woff2 = "font/woff2",
}

local CHUNK = 256 * 1024
local WHOLE = 64 * 1024 -- files up to here are read when they are opened; longer ones may go by sendfile

local function type_of(path)
  return types[(path:match "%.([%w]+)$" or ""):lower()] or "application/octet-stream"
end

-- "bytes=a-b" of a file of `size` bytes: first, last; false if it cannot be satisfied; nil if it is no plain range.
local function read_range(text, size)
  local first, last = text:match "^bytes=(%d*)%-(%d*)$"
  if not first or (first == "" and last == "") or #first > 15 or #last > 15 then return nil end
  if first == "" then
    local count = math.tointeger(tonumber(last))
    if count == 0 or size == 0 then return false end
    return math.max(size - count, 0), size - 1
  end
  first, last = math.tointeger(tonumber(first)), last ~= "" and math.tointeger(tonumber(last)) or size - 1
  if last < first and first < size then return nil end
  if first >= size then return false end
  return first, math.min(last, size - 1)
end

-- RFC 9110, 8.8.3.2: `strong`, no weak tag is the same as another.
local function tag_listed(list, tag, strong)
  if #list > 8192 then return false end
  if list:match "^%s*%*%s*$" then return true end
  for weak, one in list:gmatch '(W?/?)("[^"]*")' do
    if (weak == "" or weak == "W/" and not strong) and one == tag then return true end
  end
  return false
end

local function changed(list, since, facts)
  if list then return not tag_listed(list, facts.tag, true) end
  local seconds = since and native.read_date(since)
  return seconds ~= nil and facts.modified > seconds
end

local function not_modified(list, since, facts)
  if list then return tag_listed(list, facts.tag) end
  local seconds = since and native.read_date(since)
  return seconds ~= nil and facts.modified <= seconds
end

-- What is left of an open file, as a body. The server may send it without reading it.
local Piece = { __file_part = true, __close = function(self) self.file:close() end }
Piece.__index = Piece

function Piece:read()
  if self.left == 0 then return nil end
  local data = self.file:read(math.min(self.left, CHUNK))
  if data then self.left = self.left - #data end
  return data
end

local File = {}
File.__index = File

local NO_FILE = { ENOENT = true, ENOTDIR = true, ENAMETOOLONG = true, EINVAL = true, ELOOP = true, EXDEV = true }

local function missing(err)
  local code = type(err) == "table" and err.code
  if NO_FILE[code] then return { status = 404, body = "Not Found\n" } end
  if code == "EACCES" or code == "EPERM" then return { status = 403, body = "Forbidden\n" } end
  error(err, 0)
end

-- RFC 6266: what ASCII cannot say is said by filename*, whose value is that of RFC 8187.
local function attachment(name)
  local plain = name:gsub('[%c"\\]', "_"):gsub("[\194-\244][\128-\191]*", "_")
  if plain == name or not utf8.len(name) then return ('attachment; filename="%s"'):format(plain) end
  local whole = name:gsub("[^%w!#$&+%-.^_`|~]", function(c) return ("%%%02X"):format(c:byte()) end)
  return ('attachment; filename="%s"; filename*=UTF-8\'\'%s'):format(plain, whole)
end

-- What fields say of files, kept while those stay as they are.
local MANY = 1000
local known, count = {}, 0

local function facts_of(path, size, mtime)
  local facts = known[path]
  if facts and facts.size == size and facts.mtime == mtime then return facts end
  if not facts then count = count + 1 end
  if count > MANY then known, count = {}, 1 end
  local modified = math.floor(mtime)
  facts = {
    size = size, mtime = mtime, modified = modified, date = native.date(modified), type = type_of(path),
    tag = ('"%x-%x"'):format(math.floor(mtime * 1e6), size),
  }
  known[path] = facts
  return facts
end

local function headers_for(self, facts)
  local options = self.options
  local headers = {
    ["Content-Type"] = options.type or facts.type,
    ["Last-Modified"] = facts.date,
    ["Accept-Ranges"] = "bytes",
    ETag = facts.tag,
    ["X-Content-Type-Options"] = "nosniff",
    ["Content-Length"] = nil, -- room
  }
  if options.download then
    local name = options.download == true and self.path:match "[^/]*$" or options.download
    headers["Content-Disposition"] = attachment(name)
  end
  if options.headers then
    for name, value in pairs(options.headers) do headers[name] = value end
  end
  return headers
end

-- The part that was asked for: first, last; false if there is no such part; nil: all of it.
local function choose_part(request, asked, headers, size)
  local range, condition = asked.range, asked["if-range"]
  if not range or request.method ~= "GET" then return nil end
  if condition and condition ~= headers.ETag and condition ~= headers["Last-Modified"] then return nil end
  local first, last = read_range(range, size)
  if first then headers["Content-Range"] = ("bytes %d-%d/%d"):format(first, last, size) end
  return first, last
end

-- `body` is the file's bytes or a stream of them.
local function answer(self, request, asked, facts, body)
  local headers, size, status = headers_for(self, facts), facts.size, self.options.status or 200
  local first, last = choose_part(request, asked, headers, size)
  if first == false then
    return { status = 416, headers = { ["Content-Range"] = "bytes */" .. size }, body = "" }
  end
  if first then status = 206 else first, last = 0, size - 1 end
  if type(body) == "string" then
    if last - first + 1 < size then body = body:sub(first + 1, last + 1) end
    return { status = status, headers = headers, body = body }
  end
  headers["Content-Length"] = last - first + 1
  if first > 0 then body:seek("set", first) end
  return { status = status, headers = headers, body = setmetatable({ file = body, left = last - first + 1 }, Piece) }
end

local function judge(self, request, asked, facts, body)
  if changed(asked["if-match"], asked["if-unmodified-since"], facts) then
    return { status = 412, body = "Precondition Failed\n" }
  end
  if not_modified(asked["if-none-match"], asked["if-modified-since"], facts) then
    return { status = 304, headers = headers_for(self, facts) }
  end
  return answer(self, request, asked, facts, body)
end

local NOTHING = {}

function File:respond(request)
  local status = self.options.status or 200
  local asked = status == 200 and request.headers or NOTHING -- other answers have no conditions (RFC 9110, 13.2.1) or parts
  -- A short file is read at once, if it is likely to be sent.
  local unlikely = asked["if-none-match"] or asked["if-modified-since"] or request.method == "HEAD"
  local ok, kind, size, mtime, body = pcall(fetch, self.path, self.root, unlikely and 0 or WHOLE)
  if not ok then return missing(kind) end
  if kind == "directory" and self.redirect then
    return { status = 301, headers = { Location = "/" .. request.raw_path:gsub("^/+", "") .. "/" }, body = "" }
  end
  if kind ~= "file" then return { status = 404, body = "Not Found\n" } end
  local answered = judge(self, request, asked, facts_of(self.path, size, mtime), body)
  if type(body) == "userdata" and type(answered.body) ~= "table" then body:close() end
  return answered
end

--- A file as an answer, with its type, ETag, Last-Modified, one range, and conditional requests.
--- @param path string
--- @param options {type: string?, status: integer?, headers: table?, download: boolean|string?}?
function files.file(path, options)
  check(options, file_known, "http.file")
  return setmetatable({ path = path, options = options or {} }, File)
end

local DOT = ("."):byte()

local function has_dots(path)
  for segment in path:gmatch "[^/]+" do
    if segment == ".." or segment == "." then return true end
  end
  return false
end

--- A handler for a directory: serves `request.params.rest` below `root`, or the whole path. Dot segments, backslashes,
--- NULs, symbolic links that lead out, and what is no plain file are not served.
--- @async
--- @param root string
--- @param options {index: string?, hidden: boolean?, headers: table?}? hidden: also names that begin with a dot
function files.static(root, options)
  check(options, static_known, "http.static")
  options = options or {}
  local index = options.index or "index.html"
  local real_root = fs.realpath(root)
  local prefix = real_root == "/" and "/" or real_root .. "/"
  local file_options = { headers = options.headers }
  local function refuse() return { status = 404, body = "Not Found\n" } end
  return function(request)
    if request.method ~= "GET" and request.method ~= "HEAD" then
      return { status = 405, headers = { Allow = "GET, HEAD" }, body = "Method Not Allowed\n" }
    end
    local path = request.params and request.params.rest or request.path
    if path:find "[%z\\]" then return refuse() end
    local dotted = path:byte() == DOT or path:find("/.", 1, true)
    if dotted and (not options.hidden or has_dots(path)) then return refuse() end
    path = path:gsub("^/+", "")
    if path == "" or path:sub(-1) == "/" then path = path .. index end
    return setmetatable({ path = prefix .. path, root = real_root, redirect = true, options = file_options }, File)
  end
end

return files
