-- Streams: formats, limits, one reader and one writer, cancellation, standard streams.
local rille = require "rille"
local net = require "rille.net"

local program = arg[-1]

local function pair()
  local l <close> = net.listen("127.0.0.1", 0)
  local port = l:address().port
  local client, server
  rille.gather(function() client = net.connect("127.0.0.1", port) end, function() server = l:accept() end)
  return client, server
end

-- A stream that will deliver exactly these bytes, in these pieces.
local function holding(...)
  local a, b = pair()
  local pieces = { ... }
  rille.spawn(function()
    for _, piece in ipairs(pieces) do
      a:write(piece)
      rille.sleep(0.001)
    end
    a:close()
  end)
  return b
end

local function code_of(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return type(err) == "table" and err.code or err
end

local function run(source, around)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "w"))
  file:write(source)
  file:close()
  local command = ("timeout -s KILL 8 %s %s"):format(program, path)
  local pipe <close> = assert(io.popen((around or "%s"):format(command) .. " 2>&1"))
  local output = pipe:read "a"
  os.remove(path)
  return output
end

describe("a stream's read", function()
  it("gives chunks, then nil, again and again", function()
    local s <close> = holding "abc"
    assert.equal("abc", s:read())
    assert.is_nil(s:read())
    assert.is_nil(s:read())
  end)

  it("gives strings that last, whatever size arrives and is collected meanwhile", function()
    local a, b = pair()
    local sent, got = {}, {}
    for i, size in ipairs { 1, 2047, 2048, 16359, 16384, 18407, 18408, 16384, 65511, 65512, 200000, 16384, 3 } do
      sent[i] = string.char(64 + i):rep(size)
      rille.gather(function() a:write(sent[i]) end, function()
        local left = size
        while left > 0 do
          local piece = b:read()
          got[#got + 1], left = piece, left - #piece
          collectgarbage()
        end
      end)
    end
    assert.is_true(table.concat(got) == table.concat(sent))
    local by_text = {}
    for i, piece in ipairs(got) do by_text[piece .. ""] = i end
    for i, piece in ipairs(got) do assert.is_true(by_text[piece] >= i) end
    a:close()
    b:close()
  end)

  it("counts bytes, and gives fewer only at the end", function()
    local s <close> = holding("ab", "cd", "e")
    assert.equal("abc", s:read(3))
    assert.equal("", s:read(0))
    assert.equal("de", s:read(5))
    assert.is_nil(s:read(1))
    assert.is_nil(s:read(0))
  end)

  it("reads lines across pieces, with and without their ends", function()
    local s <close> = holding("on", "e\ntw", "o\n", "\nlast")
    assert.equal("one", s:read "l")
    assert.equal("two\n", s:read "L")
    assert.equal("", s:read "*l")
    assert.equal("last", s:read "L")
    assert.is_nil(s:read "l")
  end)

  it("reads all, and all of nothing", function()
    local s <close> = holding("a", "b", ("c"):rep(100000))
    assert.equal(100002, #s:read "a")
    assert.equal("", s:read "a")
  end)

  it("reads numbers as io does", function()
    local text = " 12 -3.5e2 0x1F\n.5 nan 7"
    local path = os.tmpname()
    local f = assert(io.open(path, "w+"))
    f:write(text)
    f:seek "set"
    local s <close> = holding(text:sub(1, 5), text:sub(6, 9), text:sub(10))
    for _ = 1, 5 do assert.equal(f:read "n", (s:read "n")) end
    f:close()
    os.remove(path)
  end)

  it("reads until a delimiter that is cut by pieces", function()
    local s <close> = holding("head\r", "\n\r", "\nbody--end--rest")
    assert.equal("head", s:read_until "\r\n\r\n")
    assert.equal("body--end--", s:read_until("--end--", { keep = true }))
    assert.equal("rest", s:read_until "\0")
    assert.is_nil(s:read_until "\0")
  end)

  it("raises LIMIT on a line or token that is too long, and drops nothing", function()
    local s <close> = holding(("x"):rep(50) .. "\nnext\n")
    assert.equal("LIMIT", code_of(s.read_until, s, "\n", { limit = 20 }))
    assert.equal("LIMIT", code_of(s.read_until, s, "\n", { limit = 49 }))
    assert.equal(50, #s:read_until("\n", { limit = 50 }))
    assert.equal("next", s:read "l")
    local long <close> = holding(("y"):rep((1 << 20) + 1), "\n")
    assert.equal("LIMIT", code_of(long.read, long, "l"))
    assert.equal((1 << 20) + 2, #long:read "a")
  end)

  it("refuses formats it does not know", function()
    local s <close> = holding ""
    assert.is_false(pcall(s.read, s, "x"))
    assert.is_false(pcall(s.read, s, -1))
    assert.is_false(pcall(s.read_until, s, ""))
    assert.is_false(pcall(s.read, s, "n", "l"))
    assert.has_error(function() s:read_until("\n", { colour = 1 }) end)
  end)

  it("iterates over lines and chunks", function()
    local s <close> = holding "a\nb\nc"
    local lines = {}
    for line in s:lines() do lines[#lines + 1] = line end
    assert.same({ "a", "b", "c" }, lines)
    local t <close> = holding("x", "yz")
    local all = ""
    for chunk in t:chunks() do all = all .. chunk end
    assert.equal("xyz", all)
    local u <close> = holding "1\n2\n"
    local kept = {}
    for line in u:lines "L" do kept[#kept + 1] = line end
    assert.same({ "1\n", "2\n" }, kept)
  end)

  it("works inside a generator", function()
    local s <close> = holding("a\n", "b\n")
    local words = coroutine.wrap(function()
      while true do
        local line = s:read "l"
        if not line then return end
        coroutine.yield(line)
      end
    end)
    assert.equal("a", words())
    assert.equal("b", words())
  end)

  it("takes one reader at a time", function()
    local a, b = pair()
    rille.group(function(g)
      g:spawn(function() assert.equal("x", b:read(1)) end)
      rille.yield()
      local ok, err = pcall(b.read, b)
      assert.is_false(ok)
      assert.same({ "EBUSY", "read", tostring(b:peer()) }, { err.code, err.op, err.address })
      a:write "x"
    end)
    a:close()
    b:close()
  end)

  it("loses no byte to a cancel", function()
    local a, b = pair()
    a:write "par"
    assert.is_false(rille.move_on_after(0.005, b.read, b, "l"))
    a:write "tly\n"
    assert.equal("partly", b:read "l")
    assert.is_false(rille.move_on_after(0.001, b.read, b))
    a:write "next"
    assert.equal("next", b:read())
    a:close()
    b:close()
  end)

  it("ends with CLOSED when the stream is closed meanwhile", function()
    local a, b = pair()
    rille.gather(function() assert.equal("CLOSED", code_of(b.read, b)) end, function() b:close() end)
    assert.equal("CLOSED", code_of(b.read, b))
    assert.is_true(b:is_closed())
    b:close()
    a:close()
  end)
end)

describe("a stream's write", function()
  it("takes strings and numbers, many at once, and returns the stream", function()
    local a, b = pair()
    local pieces = {}
    for i = 1, 300 do pieces[i] = i end
    assert.equal(a, a:write(table.unpack(pieces)))
    assert.equal(a, a:flush())
    a:write():close()
    assert.equal(table.concat(pieces), b:read "a")
    assert.is_false(pcall(b.write, b, {}))
    b:close()
  end)

  it("delivers what close finds unsent", function()
    local a, b = pair()
    local big = ("0123456789"):rep(300000)
    rille.group(function(g)
      g:spawn(function()
        a:write(big)
        a:close()
      end)
      rille.sleep(0.01)
      assert.equal(big, b:read "a")
    end)
    b:close()
  end)

  it("passes large pieces through in order", function()
    local a, b = pair()
    local piece = {}
    for i = 1, 5000 do piece[i] = ("%08d"):format(i) end
    piece = table.concat(piece)
    rille.group(function(g)
      g:spawn(function()
        for _ = 1, 50 do a:write(piece, piece) end
        a:close()
      end)
      for _ = 1, 100 do assert.equal(piece, b:read(#piece)) end
      assert.is_nil(b:read())
    end)
    b:close()
  end)

  it("takes one writer at a time", function()
    local a, b = pair()
    local big = ("x"):rep(16 << 20)
    rille.group(function(g)
      g:spawn(function() a:write(big) end)
      rille.yield()
      assert.equal("EBUSY", code_of(a.write, a, "y"))
      assert.equal(#big, #b:read(#big))
    end)
    a:close()
    b:close()
  end)

  it("is poisoned by a cancel that came when a part had gone", function()
    local a, b = pair()
    assert.is_false(rille.move_on_after(0.01, a.write, a, ("x"):rep(32 << 20)))
    assert.equal("BROKEN", code_of(a.write, a, "y"))
    assert.equal("BROKEN", code_of(a.flush, a))
    a:close()
    b:close()
  end)

  it("fails with the system's error when the peer is gone", function()
    local a, b = pair()
    b:close()
    local ok, err = pcall(function()
      for _ = 1, 1000 do
        a:write(("x"):rep(10000))
        rille.yield()
      end
    end)
    assert.is_false(ok)
    assert.is_true(err.code == "EPIPE" or err.code == "ECONNRESET")
    assert.equal("write", err.op)
    a:close()
  end)
end)

it("says where a stream was opened that is collected unclosed, if asked", function()
  local source = [[
    local net = require "rille.net"
    local l <close> = net.listen("127.0.0.1", 0)
    do
      local c = net.connect(l:address())
    end
    collectgarbage()
    collectgarbage()
    l:accept():close()
  ]]
  assert.matches("opened at [^\n]*:4 was not closed", run(source, "RILLE_DEBUG=1 %s"))
  assert.equal("", run(source))
end)

it("says the same of listeners, sockets, watches and processes", function()
  local source = [[
    local rille = require "rille"
    local function lose(make) return (make()) and nil end
    lose(function() return (rille.net.listen("127.0.0.1", 0)) end)
    lose(function() return (rille.net.udp { port = 0 }) end)
    lose(function() return (rille.fs.watch "/tmp") end)
    lose(function() return (rille.process.spawn { "sleep", "1", stdin = "null", stdout = "null", stderr = "null" }) end)
    rille.net.listen("127.0.0.1", 0):close()
    collectgarbage()
    collectgarbage()
  ]]
  local output = run(source, "RILLE_DEBUG=1 %s")
  for line, what in pairs { [3] = "listener", [4] = "socket", [5] = "watch", [6] = "process" } do
    assert.matches(("rille: a %s opened at [^\n]*:%d was not closed\n"):format(what, line), output)
  end
  assert.equal(4, select(2, output:gsub("\n", "")))
  assert.equal("", run(source))
end)

describe("rille.stream.copy", function()
  it("refuses a sink that is none before it reads", function()
    local source <close> = holding "kept"
    assert.is_false(pcall(rille.stream.copy, source))
    assert.is_false(pcall(rille.stream.copy, source, 5))
    assert.equal("kept", source:read())
  end)

  it("copies until the end and counts", function()
    local source <close> = holding(("abc"):rep(100000))
    local a, b = pair()
    rille.gather(function()
      assert.equal(300000, rille.stream.copy(source, a))
      a:close()
    end, function() assert.equal(300000, #b:read "a") end)
    b:close()
  end)
end)

describe("a standard stream", function()
  it("reads what a pipe delivers, and writes after print", function()
    local out = run([[
      local rille = require "rille"
      print "first"
      for line in rille.stdin:lines() do rille.stdout:write("<", line, ">\n") end
      print "last"
    ]], "(echo a; sleep 0.02; echo b) | %s")
    assert.equal("first\n<a>\n<b>\nlast\n", out)
  end)

  it("copies megabytes between pipes", function()
    local out = run([[local rille = require "rille" rille.stream.copy(rille.stdin, rille.stdout)]],
      "head -c 5000000 /dev/zero | %s | wc -c")
    assert.equal("5000000", (out:gsub("%s", "")))
  end)

  it("reads files and nothing", function()
    local source = [[local rille = require "rille" print(#rille.stdin:read "a")]]
    assert.equal("0\n", run(source, "%s < /dev/null"))
    assert.matches("^%d%d+\n$", run(source, "%s < /etc/passwd"))
  end)

  it("tells a full disk and a broken pipe", function()
    local source = [[
      local rille = require "rille"
      local ok, err = pcall(function() for _ = 1, 1000 do rille.stdout:write(("x"):rep(10000)) end end)
      rille.stderr:write(err.code, "\n")
    ]]
    assert.matches("ENOSPC", run(source, "sh -c '%s 2>&1 >/dev/full'"))
    assert.matches("EPIPE", run(source, "(%s | head -c 1 >/dev/null)"))
  end)

  it("leaves the descriptors blocking for those it shares them with", function()
    local out = run([[
      local rille = require "rille"
      rille.stdout:write "x"
      local f = io.open("/proc/self/fdinfo/1")
      print(f:read "a":match "flags:%s*(%d+)")
    ]], "%s | cat")
    assert.is_nil(out:match "4%d%d%d$")
  end)
end)
