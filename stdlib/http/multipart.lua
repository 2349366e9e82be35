--- multipart/form-data, part by part, without holding more than a chunk.
local native = require "rille.native.http"

local multipart = {}

local function refuse(status, message)
  error(native.failure(status, message), 0)
end

-- Bytes up to a delimiter, taken from a stream in pieces.
local Source = {}
Source.__index = Source

function Source:fill()
  local chunk = self.body:read()
  if not chunk then refuse(400, "the multipart body ends too early") end
  self.buffer = self.buffer .. chunk
end

-- A piece of what comes before `mark`, and whether the mark follows it (and has been taken).
function Source:piece(mark)
  while true do
    local at, stop = self.buffer:find(mark, 1, true)
    if at then
      local piece = self.buffer:sub(1, at - 1)
      self.buffer = self.buffer:sub(stop + 1)
      return piece, true
    end
    local safe = #self.buffer - #mark
    if safe > 0 then
      local piece = self.buffer:sub(1, safe)
      self.buffer = self.buffer:sub(safe + 1)
      return piece, false
    end
    self:fill()
  end
end

--- @class rille.http.Part
--- @field name string?
--- @field filename string? as the client wrote it: never use it as a path
--- @field type string?
--- @field headers table<string, string>
local Part = {}
Part.__index = Part

--- The next piece, or with "a" the rest; nil at the end.
--- @async
function Part:read(format)
  if self._done then return format == "a" and "" or nil end
  if format == "a" then
    local pieces = {}
    for piece in self.read, self do pieces[#pieces + 1] = piece end
    return table.concat(pieces)
  end
  while not self._done do
    local piece, last = self._source:piece(self._mark)
    self._done = last
    if piece ~= "" then return piece end
  end
  return nil
end

--- Iterates over the pieces.
function Part:chunks()
  return function() return self:read() end
end

-- The text of a quoted string from `at`, behind its first quote, and where it ends. Only quotes are escaped: a backslash
-- before anything else is one (some clients send the whole path of a file).
local function quoted(value, at)
  local pieces = {}
  while true do
    local piece, escaped, after = value:match('^([^"]-)(\\?)"()', at)
    if not piece then return nil, #value + 1 end
    pieces[#pieces + 1] = piece
    if escaped == "" then return table.concat(pieces), after end
    pieces[#pieces + 1], at = '"', after
  end
end

-- The parameters of a field, by lower-case name; the first one stands.
local function parameters(value)
  local found, at = {}, value:find(";", 1, true)
  while at do
    local name, mark, from = value:match('^;%s*([^=;%s]+)%s*=%s*("?)()', at)
    local text, stop = nil, at + 1
    if mark == '"' then
      text, stop = quoted(value, from)
    elseif name then
      text, stop = value:match("^([^;%s]*)()", from)
    end
    name = (name or ""):lower()
    if text and found[name] == nil then found[name] = text end
    at = value:find(";", stop, true)
  end
  return found
end

local function boundary_of(request)
  local kind = request.headers["content-type"] or ""
  if not kind:lower():find "^%s*multipart/" then refuse(415, "a multipart body is expected") end
  local boundary = parameters(kind).boundary
  if not boundary or boundary == "" or #boundary > 70 then refuse(400, "the multipart boundary is missing or too long") end
  return boundary
end

-- The two bytes behind a delimiter and what transports may have padded it with (RFC 2046, 5.1.1).
function Source:delimiter_end()
  while #self.buffer < 2 or self.buffer:find "^[ \t]" do
    self.buffer = self.buffer:gsub("^[ \t]+", "")
    if #self.buffer < 2 then self:fill() end
  end
  local after = self.buffer:sub(1, 2)
  self.buffer = self.buffer:sub(3)
  return after
end

-- The lines up to an empty one, which may be the first.
function Source:head(limit)
  while true do
    local from, to = self.buffer:find("\r\n", 1, true)
    if from ~= 1 then from, to = self.buffer:find("\r\n\r\n", 1, true) end
    if (from or #self.buffer) > limit + 1 then refuse(400, "the head of a part is too long") end
    if from then
      local text = self.buffer:sub(1, from - 1)
      self.buffer = self.buffer:sub(to + 1)
      return text
    end
    self:fill()
  end
end

local function read_head(source, limit)
  local headers = {}
  for line in source:head(limit):gmatch "[^\r\n]+" do
    local name, value = line:match "^([^%s:]+):(.*)$"
    if not name then refuse(400, "the head of a part is malformed") end
    headers[name:lower()] = native.trim(value)
  end
  return headers
end

local function new_part(source, mark, limit)
  local headers = read_head(source, limit)
  local disposition = parameters(headers["content-disposition"] or "")
  return setmetatable({
    headers = headers, name = disposition.name, filename = disposition.filename,
    type = headers["content-type"], _source = source, _mark = mark, _done = false,
  }, Part)
end

function multipart.parts(request, options)
  options = options or {}
  local limit, most = options.head or 16 * 1024, options.parts or 1000
  local boundary = boundary_of(request)
  local source = setmetatable({ body = request.body, buffer = "\r\n" }, Source)
  local mark = "\r\n--" .. boundary
  local part, count, over = nil, 0, false
  return function()
    if over then return nil end
    if part then
      while part:read() do end
    else
      repeat local _, found = source:piece(mark) until found -- what stands before the first part is nothing
    end
    local after = source:delimiter_end()
    if after == "--" then
      over = true
      return nil
    end
    if after ~= "\r\n" then refuse(400, "the multipart body is malformed") end
    count = count + 1
    if count > most then refuse(413, "the multipart body has too many parts") end
    part = new_part(source, mark, limit)
    return part
  end
end

return multipart
