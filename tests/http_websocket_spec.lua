-- WebSocket: handshakes, messages both ways, the end of a connection. Frame by frame: http_websocket_frames_spec.lua.
local rille = require "rille"
local http = require "rille.http"
local net = require "rille.net"
local extension = require "rille.http.deflate"

local function serve(handler, options)
  return http.serve {
    port = 0, on_error = function() end,
    handler = function(request) handler(http.websocket(request, options), request) end,
  }
end

local function echo(ws)
  for data, kind in ws do ws:send(data, kind) end
end

local function connect(server, options)
  return http.ws_connect(("ws://127.0.0.1:%d/x"):format(server.port), options)
end

local HANDSHAKE = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
  .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

-- A raw connection past its handshake.
local function raw(server, fields)
  local conn = net.connect("127.0.0.1", server.port)
  conn:write(HANDSHAKE, fields or "", "\r\n")
  local head = conn:read_until "\r\n\r\n"
  return conn, head
end

local function masked(first, payload)
  local length = #payload < 126 and string.char(0x80 | #payload) or "\xfe" .. string.pack(">I2", #payload)
  return string.char(first) .. length .. "\0\0\0\0" .. payload
end

describe("a WebSocket", function()
  it("carries messages of every size, both ways", function()
    local server <close> = serve(echo)
    local ws <close> = connect(server)
    for _, size in ipairs { 0, 1, 125, 126, 65535, 65536, 300000 } do
      local data = ("x"):rep(size)
      ws:send(data)
      local got, kind = ws:recv()
      assert.equal("text", kind)
      assert.is_true(got == data)
    end
    ws:send("\0\xff\r\n", "binary")
    local got, kind = ws:recv()
    assert.equal("\0\xff\r\n", got)
    assert.equal("binary", kind)
  end)

  it("compresses when both sides can, and not when one will not", function()
    local text = ("compress me "):rep(5000)
    for _, deflate in ipairs { true, false } do
      local server <close> = serve(echo, { deflate = deflate })
      local ws <close> = connect(server)
      ws:send(text)
      assert.is_true(ws:recv() == text)
    end
  end)

  it("answers pings, and joins fragments around them", function()
    local server <close> = serve(echo)
    local conn <close> = raw(server)
    conn:write(masked(0x01, "Hel"), masked(0x89, "now"), masked(0x80, "lo"))
    assert.equal("\x8a\x03now", conn:read(5))
    assert.equal("\x81\x05Hello", conn:read(7))
  end)

  it("ends with the code and reason of the side that closes", function()
    local code, reason
    local over = rille.event()
    local server <close> = serve(function(ws)
      assert(ws:recv() == nil)
      code, reason = ws.close_code, ws.close_reason
      over:set()
    end)
    local ws = connect(server)
    ws:close(4001, "enough")
    over:wait()
    assert.same({ 4001, "enough" }, { code, reason })
    assert.equal(4001, ws.close_code)
    assert.error_matches(function() ws:send "late" end, "closed")
  end)

  it("that is closed while a task receives ends for both with what the peer answers", function()
    local seen = {}
    local server <close> = serve(function(ws)
      echo(ws)
      seen.server = { ws.close_code, ws.close_reason }
    end)
    local ws <close> = connect(server)
    rille.group(function(g)
      g:spawn(function()
        echo(ws)
        seen.reader = ws.close_code
      end)
      for _ = 1, 2 do
        g:spawn(function()
          rille.yield()
          ws:close(4001, "enough")
          seen[#seen + 1] = ws.close_code
        end)
      end
    end)
    server:stop()
    assert.same({ 4001, 4001, reader = 4001, server = { 4001, "enough" } }, seen)
  end)

  it("that is closed gets the answer also when the task that receives is cancelled meanwhile", function()
    local go = rille.event()
    local server <close> = serve(function(ws)
      go:wait()
      echo(ws)
    end)
    local ws <close> = connect(server)
    rille.group(function(g)
      local reader = g:spawn(echo, ws)
      local closers = {}
      rille.yield()
      for i = 1, 2 do closers[i] = g:async(ws.close, ws, 4001) end
      rille.yield()
      reader:cancel()
      rille.yield()
      go:set()
      for i = 1, 2 do closers[i]:await() end
      assert.equal(4001, ws.close_code)
    end)
  end)

  it("tells the peer how it was left", function()
    for code, leave in pairs {
      [1000] = function() end,
      [1001] = function() rille.current():cancel(); rille.sleep(1) end,
      [1011] = function() error "lost" end,
    } do
      local server <close> = http.serve { port = 0, on_error = function() end, handler = function(request)
        local _ <close> = http.websocket(request)
        leave()
      end }
      local ws <close> = connect(server)
      assert.is_nil(ws:recv())
      assert.equal(code, ws.close_code)
    end
  end)

  it("whose send was cancelled half way sends no more, and waits for no answer", function()
    local go = rille.event()
    local server <close> = serve(function(ws)
      go:wait()
      ws:recv()
    end)
    local ws = connect(server, { deflate = false })
    assert.is_false((rille.move_on_after(0.05, ws.send, ws, ("x"):rep(50000000))))
    local ok, err = pcall(ws.send, ws, "y")
    assert.same({ false, "BROKEN" }, { ok, err.code })
    assert.is_true((rille.move_on_after(3, ws.close, ws)))
    go:set()
  end)

  it("whose peer just goes ends with 1006", function()
    local code
    local over = rille.event()
    local server <close> = serve(function(ws)
      ws:recv()
      code = ws.close_code
      over:set()
    end)
    raw(server):close()
    over:wait()
    assert.equal(1006, code)
  end)

  it("whose peer is silent is pinged, then given up", function()
    local over = rille.event()
    local server <close> = serve(function(ws)
      ws:recv()
      over:set()
    end, { ping = 0.02 })
    local conn <close> = raw(server)
    rille.timeout(5, over.wait, over)
    assert.equal("\x89\x00", conn:read "a")
  end)

  it("takes pieces of a long message for a sign of life", function()
    local got
    local server <close> = serve(function(ws) got = ws:recv() end, { ping = 0.2 })
    local conn <close> = raw(server)
    local frame = masked(0x81, ("x"):rep(60))
    for i = 1, #frame do
      conn:write(frame:sub(i, i))
      rille.sleep(0.008)
    end
    conn:read "a"
    assert.equal(("x"):rep(60), got)
  end)

  it("whose handler returns at once has sent its messages, also if more have come", function()
    local server <close> = serve(function(ws) ws:send(ws:recv() .. "!") end)
    local conn <close> = raw(server)
    conn:write(masked(0x81, "one") .. masked(0x81, "two"))
    assert.equal("\x81\x04one!", conn:read "a")
  end)

  it("answers what came together in its order", function()
    local server <close> = serve(echo)
    local conn <close> = raw(server)
    local frames, answers = {}, {}
    for i = 1, 300 do
      local text = tostring(i):rep(i)
      frames[i] = masked(0x81, text)
      local length = #text < 126 and string.char(#text) or "\x7e" .. string.pack(">I2", #text)
      answers[i] = "\x81" .. length .. text
    end
    local all = table.concat(answers)
    rille.spawn(function() conn:write(table.concat(frames)) end)
    local got, size = {}, 0
    while size < #all do
      got[#got + 1] = conn:read(#all - size)
      size = size + #got[#got]
    end
    assert.is_true(table.concat(got) == all)
  end)

  it("whose peer takes nothing is given up, and who sends to it is told", function()
    local over, err, code = rille.event(), nil, nil
    local server <close> = serve(function(ws)
      rille.group(function(g)
        g:spawn(function() err = select(2, pcall(ws.send, ws, ("x"):rep(100000000), "binary")) end)
        ws:recv()
        code = ws.close_code
      end)
      over:set()
    end, { ping = 0.05, deflate = false })
    local conn <close> = raw(server)
    rille.timeout(5, over.wait, over)
    assert.same({ "CLOSED", 1006 }, { err.code, code })
    conn:close()
  end)

  it("lets nobody overtake who waits to send", function()
    local got = {}
    local server <close> = serve(function(ws)
      rille.group(function(g)
        g:spawn(function()
          ws:send(("x"):rep(8000000))
          ws:send "third"
        end)
        g:spawn(function() ws:send "second" end)
      end)
    end, { deflate = false })
    local ws <close> = connect(server, { limit = 1 << 23 })
    for message in ws do got[#got + 1] = message:sub(1, 8) end
    assert.same({ "xxxxxxxx", "second", "third" }, got)
  end)

  it("lets many tasks send at once, whole message after whole message", function()
    local server <close> = serve(function(ws)
      rille.group(function(g)
        for i = 1, 5 do g:spawn(function() ws:send(tostring(i):rep(200000)) end) end
      end)
      ws:close()
    end, { deflate = false })
    local ws = connect(server, { limit = 1 << 20 })
    local count = 0
    for message in ws:messages() do
      assert.equal(200000, #message)
      assert.is_nil(message:find("[^" .. message:sub(1, 1) .. "]"))
      count = count + 1
    end
    assert.equal(5, count)
  end)

  it("agrees on a subprotocol", function()
    local server <close> = serve(function(ws) ws:send(ws.protocol or "none") end, { protocols = { "b", "c" } })
    local ws <close> = connect(server, { protocols = { "a", "b" } })
    assert.equal("b", ws:recv())
    assert.equal("b", ws.protocol)
  end)

  it("refuses to send a text that is not UTF-8", function()
    local server <close> = serve(echo)
    local ws <close> = connect(server)
    assert.error_matches(function() ws:send "\xff" end, "UTF%-8")
  end)
end)

describe("a WebSocket over TLS", function()
  it("is one like others", function()
    local dir = rille.fs.temp_dir()
    local cert, key = dir .. "/cert.pem", dir .. "/key.pem"
    rille.process.run { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
      "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", check = true }
    local server <close> = http.serve { port = 0, tls = { cert = cert, key = key }, handler = function(request)
      echo(http.websocket(request))
    end }
    local url = ("wss://127.0.0.1:%d/"):format(server.port)
    local ws <close> = http.ws_connect(url, { tls = { ca_file = cert } })
    ws:send(("x"):rep(100000))
    assert.equal(100000, #ws:recv())
    assert.is_false((pcall(http.ws_connect, url))) -- nobody vouches for it
    rille.fs.remove(dir, { recursive = true })
  end)
end)

describe("a handshake", function()
  for name, case in pairs {
    ["with a wrong key"] = { "400", "", "Key: [^\r]*", "Key: short" },
    ["of version 12"] = { "426", "", "Version: 13", "Version: 12" },
    ["of HTTP/1.0"] = { "426", "", "HTTP/1.1", "HTTP/1.0" },
    ["without Upgrade"] = { "426", "", "Upgrade: websocket\r\n", "" },
    ["without Host"] = { "400", "", "Host: a\r\n", "" },
    ["from a foreign origin"] = { "403", "", "$", "Origin: http://evil.example\r\n" },
    ["from its own origin"] = { "101", "", "$", "Origin: http://a\r\n" },
  } do
    it(name .. " is answered with " .. case[1], function()
      local server <close> = serve(echo)
      local conn <close> = net.connect("127.0.0.1", server.port)
      conn:write((HANDSHAKE:gsub(case[3], case[4], 1)), "\r\n")
      assert.equal(case[1], conn:read_until("\r\n"):match "^HTTP/1.1 (%d+)")
    end)
  end

  it("full of white space takes no longer than others", function()
    local hole = "x" .. (" "):rep(1000000) .. "y"
    assert.is_nil(extension.accept("permessage-deflate; " .. hole))
    assert.is_nil(extension.accept("permessage-deflate; server_max_window_bits=" .. hole))
    assert.is_nil(extension.accept(hole))
    local server <close> = http.serve { port = 0, handler = function(r) http.websocket(r) end, limits = { head = 65535 } }
    for _ = 1, 10 do
      local conn <close> = net.connect("127.0.0.1", server.port)
      conn:write((HANDSHAKE:gsub("Connection: Upgrade", "Connection: x" .. (" "):rep(65000) .. "y")), "\r\n")
      assert.matches("^HTTP/1.1 426 ", conn:read_until "\r\n")
    end
  end)

  it("of another version is told which one is spoken", function()
    local server <close> = serve(echo)
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write((HANDSHAKE:gsub("Version: 13", "Version: 8", 1)), "\r\n")
    assert.matches("^HTTP/1.1 426 .*\r\nUpgrade: websocket\r\nSec%-WebSocket%-Version: 13\r\n", conn:read_until "\r\n\r\n")
  end)

  it("proves that the key was read", function()
    local server <close> = serve(echo)
    local conn <close>, head = raw(server)
    assert.matches("Sec%-WebSocket%-Accept: s3pPLMBiTxaQ9kYGzzhZRbK%+xOo=", head)
    conn:close()
  end)

  it("that would say more than it should is refused before it is sent", function()
    for _, options in ipairs {
      { protocols = { "a\r\nX: y" } }, { protocols = { "" } }, { headers = { A = "b\r\nX: y" } }, { headers = { ["A B"] = "c" } },
      { headers = { A = {} } },
    } do
      local ok, err = pcall(http.ws_connect, "ws://127.0.0.1:1/", options) -- where nobody listens
      assert.is_false(ok)
      assert.equal("string", type(err))
    end
  end)

  it("that a server refuses raises EPROTO", function()
    local server <close> = http.serve { port = 0, handler = function() return "no" end }
    assert.error_matches(function() connect(server) end, "status 200")
  end)
end)

-- KiB
local function resident()
  return tonumber(rille.fs.read("/proc/self/status"):match "VmHWM:%s*(%d+)")
end

describe("a hostile peer", function()
  it("cannot make a message of 1 MiB fill 1 GiB of memory", function()
    local server <close> = serve(echo, { limit = 2000000 })
    local conn <close>, head = raw(server, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
    assert.matches("permessage%-deflate", head)
    local block = require("rille.native.wsdeflate").deflate(("\0"):rep(16 * 1024 * 1024)) .. "\0\0\xff\xff"
    local bomb = block:rep(64)
    conn:write("\xc2\xff", string.pack(">I8", #bomb), "\0\0\0\0", bomb)
    local before = resident()
    local frame = conn:read "a"
    assert.equal(1009, string.unpack(">I2", frame, -2))
    assert.is_true(resident() - before < 64 * 1024)
  end)

  it("may send a million empty fragments", function()
    local server <close> = serve(echo)
    local conn <close> = raw(server)
    conn:write(masked(0x01, ""), masked(0x00, ""):rep(1000000), masked(0x80, "end"))
    assert.equal("\x81\x03end", conn:read(5))
  end)
end)
