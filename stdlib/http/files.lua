--- Files as answers: types, ranges, conditions, and directories that cannot be left.
local fs = require "rille.fs"
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

local function changed(headers, tag, modified)
  local list = headers["if-match"]
  if list then return not tag_listed(list, tag, true) end
  local since = headers["if-unmodified-since"]
  local seconds = since and native.read_date(since)
  return seconds ~= nil and modified > seconds
end

local function not_modified(headers, tag, modified)
  local list = headers["if-none-match"]
  if list then return tag_listed(list, tag) end
  local since = headers["if-modified-since"]
  local seconds = since and native.read_date(since)
  return seconds ~= nil and modified <= seconds
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

local function missing(err)
  local code = type(err) == "table" and err.code
  if code == "ENOENT" or code == "ENOTDIR" or code == "ENAMETOOLONG" or code == "EINVAL" or code == "ELOOP" then
    return { status = 404, body = "Not Found\n" }
  end
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

local function headers_for(self, stat)
  local modified = math.floor(stat.mtime)
  local headers = {
    ["Content-Type"] = self.options.type or type_of(self.path),
    ["Last-Modified"] = native.date(modified),
    ["Accept-Ranges"] = "bytes",
    ETag = ('"%x-%x"'):format(math.floor(stat.mtime * 1e6), stat.size),
    ["X-Content-Type-Options"] = "nosniff",
  }
  if self.options.download then
    local name = self.options.download == true and self.path:match "[^/]*$" or self.options.download
    headers["Content-Disposition"] = attachment(name)
  end
  for name, value in pairs(self.options.headers or {}) do headers[name] = value end
  return headers, modified
end

function File:respond(request)
  local ok, stat = pcall(fs.stat, self.path)
  if not ok then return missing(stat) end
  if stat.type ~= "file" then return { status = 404, body = "Not Found\n" } end
  local headers, modified = headers_for(self, stat)
  local status = self.options.status or 200
  local asked = status == 200 and request.headers or {} -- other answers have no conditions (RFC 9110, 13.2.1) or parts
  if changed(asked, headers.ETag, modified) then return { status = 412, body = "Precondition Failed\n" } end
  if not_modified(asked, headers.ETag, modified) then return { status = 304, headers = headers } end
  local first, last = 0, stat.size - 1
  local range, condition = asked.range, asked["if-range"]
  if range and request.method == "GET" and (not condition or condition == headers.ETag
      or condition == headers["Last-Modified"]) then
    local from, to = read_range(range, stat.size)
    if from == false then
      return { status = 416, headers = { ["Content-Range"] = "bytes */" .. stat.size }, body = "" }
    elseif from then
      first, last, status = from, to, 206
      headers["Content-Range"] = ("bytes %d-%d/%d"):format(first, last, stat.size)
    end
  end
  headers["Content-Length"] = last - first + 1
  if last < first then
    headers["Content-Length"] = nil
    return { status = status, headers = headers, body = "" }
  end
  local opened, file = pcall(fs.open, self.path, "r")
  if not opened then return missing(file) end
  if first > 0 then file:seek("set", first) end
  return { status = status, headers = headers, body = setmetatable({ file = file, left = last - first + 1 }, Piece) }
end

--- A file as an answer, with its type, ETag, Last-Modified, one range, and conditional requests.
--- @param path string
--- @param options {type: string?, status: integer?, headers: table?, download: boolean|string?}?
function files.file(path, options)
  check(options, file_known, "http.file")
  return setmetatable({ path = path, options = options or {} }, File)
end

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
  local function refuse() return { status = 404, body = "Not Found\n" } end
  return function(request)
    if request.method ~= "GET" and request.method ~= "HEAD" then
      return { status = 405, headers = { Allow = "GET, HEAD" }, body = "Method Not Allowed\n" }
    end
    local path = request.params and request.params.rest or request.path
    if path:find "[%z\\]" or has_dots(path) then return refuse() end
    if not options.hidden and ("/" .. path):find "/%." then return refuse() end
    path = path:gsub("^/+", "")
    if path == "" or path:sub(-1) == "/" then path = path .. index end
    local ok, real = pcall(fs.realpath, prefix .. path)
    if not ok then return missing(real) end
    if real:sub(1, #prefix) ~= prefix then return refuse() end
    local found, stat = pcall(fs.stat, real)
    if not found then return missing(stat) end
    if stat.type == "directory" then
      return { status = 301, headers = { Location = "/" .. request.raw_path:gsub("^/+", "") .. "/" }, body = "" }
    end
    return files.file(real, { headers = options.headers })
  end
end

return files
