-- rille.zip: every format there and back, bombs, cuts, junk, streams, and what gzip itself makes of it.
local rille = require "rille"
local zip = require "rille.zip"
local hash = require "rille.hash"

local formats = {
  { "gzip", "gunzip", "gzip" },
  { "deflate", "inflate", "deflate" },
  { "zstd", "unzstd", "zstd" },
  { "brotli", "unbrotli", "brotli" },
}

local function refused(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err.code
end

local lines = {}
for i = 1, 40000 do lines[i] = ("line %d of %d"):format(i, i * 7919 % 1000) end
local samples = { "", "x", ("hello "):rep(10), hash.random(70000), table.concat(lines, "\n"), ("\0"):rep(1 << 20) }

for _, names in ipairs(formats) do
  local pack, unpack, filter = zip[names[1]], zip[names[2]], names[3]

  describe("zip." .. names[1], function()
    it("comes back whole at every size", function()
      for _, data in ipairs(samples) do assert.is_true(unpack(pack(data)) == data) end
    end)

    it("tells data that is cut at any byte", function()
      local packed = pack(("hello "):rep(10) .. hash.random(40))
      for cut = 0, #packed - 1 do assert.equal("INVALID", refused(unpack, packed:sub(1, cut))) end
    end)

    it("tells junk behind the end", function()
      assert.equal("INVALID", refused(unpack, pack("x") .. "junk"))
      assert.equal("INVALID", refused(unpack, "junk" .. pack("x")))
    end)

    it("stops a bomb at the limit", function()
      local bomb = pack(("\0"):rep(1 << 24))
      assert.is_true(#bomb < 1 << 15)
      assert.equal("LIMIT", refused(unpack, bomb, { limit = 1 << 20 }))
      assert.equal("LIMIT", refused(unpack, bomb, { limit = (1 << 24) - 1 }))
      assert.equal(1 << 24, #unpack(bomb, { limit = 1 << 24 }))
    end)

    it("holds its output to a limit on the way there, too", function()
      local packed = pack "some text"
      assert.equal(packed, pack("some text", { limit = #packed }))
      assert.equal("LIMIT", refused(pack, "some text", { limit = #packed - 1 }))
    end)

    it("tells damaged data or gives other data, and lives", function()
      local packed = pack(table.concat(lines, "\n", 1, 50))
      for at = 1, #packed, 3 do
        local damaged = packed:sub(1, at - 1) .. string.char(packed:byte(at) ~ 0x55) .. packed:sub(at + 1)
        local ok, err = pcall(unpack, damaged, { limit = 1 << 20 })
        assert.is_true(ok or err.code == "INVALID" or err.code == "LIMIT")
      end
    end)

    it("streams in pieces of any size", function()
      local data = samples[5]
      for _, size in ipairs { 1000, 65536, #data } do
        local out = {}
        local c <close> = zip.compressor(filter)
        local d <close> = zip.decompressor(filter)
        for at = 1, #data, size do out[#out + 1] = d:write(c:write(data:sub(at, at + size - 1))) end
        out[#out + 1] = d:write(c:finish())
        out[#out + 1] = d:finish()
        assert.is_true(table.concat(out) == data)
      end
    end)

    it("streams what was written so far when flushed", function()
      local c, d = zip.compressor(filter), zip.decompressor(filter)
      assert.equal("first", d:write(c:write("first") .. c:flush()))
      assert.equal("second", d:write(c:write("second") .. c:flush()))
    end)

    it("tells a stream that ends early, and holds its limit", function()
      local packed = pack(samples[5])
      local d = zip.decompressor(filter)
      d:write(packed:sub(1, -20))
      assert.equal("INVALID", refused(d.finish, d))
      assert.equal("BROKEN", refused(d.write, d, "x"))
      local limited = zip.decompressor(filter, { limit = 1000 })
      assert.equal("LIMIT", refused(limited.write, limited, packed))
    end)

    it("knows its levels", function()
      local data = table.concat(lines, "\n")
      assert.is_true(#pack(data, { level = 9 }) < #pack(data, { level = 1 }))
      assert.is_false(pcall(pack, "x", { level = 99 }))
      assert.matches("lvl", select(2, pcall(pack, "x", { lvl = 1 })))
    end)
  end)
end

describe("zip", function()
  it("reads a thousand gzip members as one", function()
    local members, plain = {}, {}
    for i = 1, 1000 do
      plain[i] = tostring(i)
      members[i] = zip.gzip(plain[i])
    end
    assert.equal(table.concat(plain), zip.gunzip(table.concat(members)))
    assert.equal("ab", zip.unzstd(zip.zstd("a") .. zip.zstd("b")))
    assert.equal("INVALID", refused(zip.inflate, zip.deflate("a") .. zip.deflate("b")))
  end)

  it("makes raw deflate when asked to", function()
    local raw = zip.deflate("abc", { raw = true })
    assert.equal("abc", zip.inflate(raw, { raw = true }))
    assert.equal("INVALID", refused(zip.inflate, raw))
  end)

  it("agrees with gzip", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(zip.gzip(samples[5]))
    file:close()
    local pipe <close> = assert(io.popen("gunzip < " .. path))
    assert.is_true(pipe:read("a") == samples[5])
    os.remove(path)
  end)

  it("lets others go on meanwhile", function()
    local data, ticks = hash.random(1 << 20):rep(16), 0
    rille.group(function(g)
      local packed = g:async(function() return zip.gzip(data, { level = 1 }) end)
      while packed:status() ~= "done" do
        ticks = ticks + 1
        rille.sleep(0.001)
      end
      assert.is_true(#packed:await() > 0)
    end)
    assert.is_true(ticks > 5)
  end)

  it("is cancelled soon", function()
    local start = rille.now()
    rille.move_on_after(0.02, zip.brotli, hash.random(1 << 25), { level = 11 })
    assert.is_true(rille.now() - start < 2)
  end)

  it("refuses unknown formats and closed filters", function()
    assert.is_false(pcall(zip.compressor, "lzw"))
    local c = zip.compressor("gzip")
    c:close()
    assert.equal("CLOSED", refused(c.write, c, "x"))
  end)
end)

describe("wrapped streams", function()
  -- A stream of chunks of odd sizes, in memory.
  local function source_of(data, size)
    local at, s = 1, {}
    function s:read()
      if at > #data then return nil end
      local chunk = data:sub(at, at + size - 1)
      at = at + size
      return chunk
    end
    function s:close() self.closed = true end
    return s
  end

  local function sink()
    local s = { parts = {} }
    function s:write(data) self.parts[#self.parts + 1] = data end
    function s:close() self.closed = true end
    return setmetatable(s, { __close = function() s.closed = true end })
  end

  it("are written compressed and read plain", function()
    for _, names in ipairs(formats) do
      local out = sink()
      do
        local w <close> = zip.writer(out, names[3])
        w:write("first\n", "second\n"):flush():write(samples[5])
      end
      assert.is_true(out.closed)
      local packed = table.concat(out.parts)
      local r <close> = zip.reader(source_of(packed, 777), names[3])
      assert.equal("first", r:read("l"))
      assert.equal("second\n", r:read("L"))
      assert.equal("line", r:read(4))
      local parts = { "line" }
      for chunk in r:chunks() do parts[#parts + 1] = chunk end
      assert.is_true(table.concat(parts) == samples[5])
      assert.is_nil(r:read())
      assert.is_nil(r:read("l"))
      assert.equal("", r:read("a"))
    end
  end)

  it("are iterated by line, with its end or without, and by size", function()
    local function pieces(format)
      local r <close> = zip.reader(source_of(zip.gzip("ab\nc\n"), 3), "gzip")
      local list = {}
      for piece in r:lines(format) do list[#list + 1] = piece end
      return list
    end
    assert.same({ "ab", "c" }, pieces())
    assert.same({ "ab\n", "c\n" }, pieces "L")
    assert.same({ "ab\n", "c\n" }, pieces(3))
  end)

  it("lose nothing to a read that is cancelled", function()
    local from = source_of(zip.gzip(samples[5]), 50)
    local plain_read, scope = from.read, nil
    function from:read()
      local chunk = plain_read(self)
      scope:cancel()
      return chunk
    end
    local r = zip.reader(from, "gzip")
    local parts, ended = {}, false
    repeat
      rille.group(function(g)
        scope = g
        local part = r:read(1000)
        parts[#parts + 1], ended = part, part == nil
      end)
    until ended
    assert.is_true(table.concat(parts) == samples[5])
  end)

  it("keep what a cancelled read of all has got", function()
    local from = source_of(zip.gzip(samples[5]), 50)
    local plain_read, scope = from.read, nil
    function from:read()
      rille.yield()
      if scope then scope:cancel() end
      return plain_read(self)
    end
    local r = zip.reader(from, "gzip")
    local got = rille.group(function(g)
      scope = g
      return r:read "a"
    end)
    scope = nil
    assert.is_nil(got)
    assert.is_true(r:read "a" == samples[5])
  end)

  it("write with the next call what a cancelled one has not", function()
    local out, scope = sink(), nil
    local plain_write = out.write
    function out:write(data)
      if scope then scope:cancel() end
      rille.yield()
      plain_write(self, data)
    end
    local w = zip.writer(out, "gzip")
    for _, call in ipairs { "flush", "finish" } do
      w:write "text "
      rille.group(function(g)
        scope = g
        w[call](w)
      end)
      scope = nil
    end
    w:close()
    assert.equal("text text ", zip.gunzip(table.concat(out.parts)))
  end)

  it("tell what is cut", function()
    local packed = zip.gzip(samples[5])
    local from = source_of(packed:sub(1, -5), 1000)
    local r = zip.reader(from, "gzip")
    assert.equal("INVALID", refused(r.read, r, "a"))
    r:close()
    assert.is_true(from.closed)
  end)

  it("tell what is cut also when a cancel comes with the end", function()
    local pieces, scope = { zip.gzip("short"):sub(1, -5) }, nil
    local from = {}
    function from:read()
      local piece = table.remove(pieces, 1)
      if not piece then scope:cancel() end
      return piece
    end
    local r, code = zip.reader(from, "gzip"), nil
    rille.group(function(g)
      scope = g
      code = refused(r.read, r, "a")
    end)
    assert.equal("INVALID", code)
  end)
end)
