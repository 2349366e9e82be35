-- rille.zip: compression. The codecs are native; here streams are wrapped.
local native = require "rille.native.zip"
local shield = require("rille.native.scope").shield

local zip = {}

--- @alias rille.ZipFormat "gzip"|"deflate"|"zlib"|"zstd"|"brotli"

--- One string to another; over `limit` bytes of output (none if not given) raise LIMIT. `level`: 0 to 9 (gzip, deflate),
--- -7 to 22 (zstd), 0 to 11 (brotli). `deflate` is zlib's format (RFC 1950), as HTTP uses the word; `raw = true` leaves
--- its header and checksum out (RFC 1951).
--- @async
--- @type fun(data: string, options?: {level?: integer, limit?: integer}): string
zip.gzip = native.gzip
--- @async
--- @type fun(data: string, options?: {level?: integer, limit?: integer, raw?: boolean}): string
zip.deflate = native.deflate
--- @async
--- @type fun(data: string, options?: {level?: integer, limit?: integer}): string
zip.zstd = native.zstd
--- @async
--- @type fun(data: string, options?: {level?: integer, limit?: integer}): string
zip.brotli = native.brotli

--- The way back. Output over `limit` bytes (1 GiB if not given) raises LIMIT; data that is damaged, cut short or followed by
--- junk raises INVALID. Several gzip members or zstd frames in a row are one text.
--- @async
--- @type fun(data: string, options?: {limit?: integer}): string
zip.gunzip = native.gunzip
--- @async
--- @type fun(data: string, options?: {limit?: integer, raw?: boolean}): string
zip.inflate = native.inflate
--- @async
--- @type fun(data: string, options?: {limit?: integer}): string
zip.unzstd = native.unzstd
--- @async
--- @type fun(data: string, options?: {limit?: integer}): string
zip.unbrotli = native.unbrotli

--- A codec that is fed piece by piece.
--- @class rille.ZipFilter
--- @field write fun(self, data: string): string takes input, gives the output that is ready
--- @field flush fun(self): string what a reader needs to see all that was written so far
--- @field finish fun(self): string the rest; raises INVALID if a compressed stream ends early
--- @field close fun(self)

--- @type fun(format: rille.ZipFormat, options?: {level?: integer, raw?: boolean}): rille.ZipFilter
zip.compressor = native.compressor
--- @type fun(format: rille.ZipFormat, options?: {limit?: integer, raw?: boolean}): rille.ZipFilter
zip.decompressor = native.decompressor

--- The decompressed side of a stream that is read.
--- @class rille.ZipReader
local Reader = {}
Reader.__index = Reader

-- What is decompressed and not yet read, `size` bytes: `rest` from `at` on, then the pieces in `more`.

-- One more piece, or nil at the end. What the source has given is never dropped: a cancellation waits until it is here.
local function fill(self)
  if self.ended then return nil end
  local chunk = self.source:read()
  local out
  if chunk then
    out = shield(self.filter.write, self.filter, chunk)
  else
    self.ended = true
    out = shield(self.filter.finish, self.filter)
  end
  self.more[#self.more + 1] = out
  self.size = self.size + #out
  return out
end

local function join(self)
  if #self.more == 0 then return end
  table.insert(self.more, 1, self.rest:sub(self.at))
  self.rest, self.at, self.more = table.concat(self.more), 1, {}
end

local function take(self, n)
  join(self)
  local out = self.rest:sub(self.at, self.at + n - 1)
  self.at = self.at + #out
  self.size = self.size - #out
  return out
end

local function find_line(self)
  join(self)
  local at = self.rest:find("\n", self.at, true)
  return at and at - self.at + 1
end

local function read_line(self, keep)
  local length = find_line(self)
  while not length do
    local out = fill(self)
    if not out then break end
    length = out:find("\n", 1, true) and find_line(self)
  end
  if length then
    local line = take(self, length)
    return keep and line or line:sub(1, -2)
  end
  if self.size > 0 then return take(self, self.size) end
end

--- As a stream reads: the next chunk, `n` bytes, "l", "L" or "a".
--- @async
--- @param what? integer|"l"|"L"|"a"
--- @return string? nil at the end
function Reader:read(what)
  if what == "l" or what == "L" then return read_line(self, what == "L") end
  local want = what == "a" and math.huge or what or 1
  if want ~= math.huge and math.type(want) ~= "integer" then error("bad argument #1 to 'read' (invalid format)", 2) end
  while self.size < want and fill(self) do end
  if what == "a" then return take(self, self.size) end
  if self.size == 0 then return want == 0 and not self.ended and "" or nil end
  return take(self, what or self.size)
end

--- Iterates over the chunks.
--- @return fun(): string?
function Reader:chunks()
  return function() return self:read() end
end

--- Iterates over the lines, or what `read` gives for another format.
--- @param what? integer|"l"|"L" "l" by default
--- @return fun(): string?
function Reader:lines(what)
  if what == nil then what = "l" end
  return function() return self:read(what) end
end

--- Ends the filter and closes the stream below.
function Reader:close()
  self.ended, self.rest, self.at, self.more, self.size = true, "", 1, {}, 0
  self.filter:close()
  self.source:close()
end

Reader.__close = Reader.close

--- Reads `source`, which is compressed, decompressed.
--- @param source rille.Stream anything with `read()` and `close()`
--- @param format rille.ZipFormat
--- @param options? {limit?: integer, raw?: boolean}
--- @return rille.ZipReader
function zip.reader(source, format, options)
  local filter = native.decompressor(format, options)
  return setmetatable({ source = source, filter = filter, rest = "", at = 1, more = {}, size = 0 }, Reader)
end

--- The plain side of a stream that is written compressed.
--- @class rille.ZipWriter
local Writer = {}
Writer.__index = Writer

-- What a cancelled write to the stream below has not taken goes with the next one.
local function send(self, out)
  self.unsent = self.unsent .. out
  if self.unsent == "" then return end
  self.sink:write(self.unsent)
  self.unsent = ""
end

--- Compresses strings and writes what is ready.
--- @async
--- @param ... string
--- @return rille.ZipWriter self
function Writer:write(...)
  for i = 1, select("#", ...) do
    send(self, self.filter:write((select(i, ...))))
  end
  return self
end

--- Sends all that was written so far.
--- @async
--- @return rille.ZipWriter self
function Writer:flush()
  send(self, self.filter:flush())
  return self
end

--- Ends the compressed data; the stream below stays open.
--- @async
--- @return rille.ZipWriter self
function Writer:finish()
  if not self.finished then
    local out = self.filter:finish()
    self.finished = true
    self.filter:close()
    send(self, out)
  end
  send(self, "")
  return self
end

--- Finishes, then closes the stream below.
--- @async
function Writer:close()
  local _ <close> = self.sink
  self:finish()
end

Writer.__close = Writer.close

--- Writes to `sink` compressed.
--- @param sink rille.Stream anything with `write(data)` and `close()`
--- @param format rille.ZipFormat
--- @param options? {level?: integer, raw?: boolean}
--- @return rille.ZipWriter
function zip.writer(sink, format, options)
  return setmetatable({ sink = sink, filter = native.compressor(format, options), unsent = "" }, Writer)
end

return zip
