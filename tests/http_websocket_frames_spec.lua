-- WebSocket frame by frame, as server and as client: RFC 6455 and RFC 7692.
local rille = require "rille"
local http = require "rille.http"
local net = require "rille.net"

local CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
local FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
local NAMES = { [TEXT] = "text", [BINARY] = "binary", [CLOSE] = "close", [PING] = "ping", [PONG] = "pong" }
local LIMIT = 100000

local function mask(payload, key)
  local i = 0
  return (payload:gsub(".", function(c)
    i = i % 4 + 1
    return string.char(c:byte() ~ key:byte(i))
  end))
end

-- A frame as a row names it: the first byte, the payload, and what is odd about it: `claims` another length, `size` the
-- length's form (7, 16, 64), `naked` with the other side's masking, `cut` behind so many bytes of payload.
local function encode(f, is_client)
  local first, payload = f[1], f[2] or ""
  local size = f.claims or #payload
  local form = f.size or (size < 126 and 7 or size < 65536 and 16 or 64)
  local masked = is_client ~= (f.naked or false)
  local bit = masked and 0x80 or 0
  local head = string.char(first) .. (form == 7 and string.char(bit | size) or form == 16 and string.pack(">BI2", bit | 126, size)
    or string.pack(">BI8", bit | 127, size))
  local key = "\x37\xfa\x21\x3d"
  if f.cut then payload = payload:sub(1, f.cut) end
  return head .. (masked and key .. mask(payload, key) or payload)
end

-- The next frame the other side sends, as text: "text hello", "close 1000 bye"; nil at the end.
local function next_event(conn, from_client)
  local head = conn:read(2)
  if not head or #head < 2 then return nil end
  local first, second = head:byte(1, 2)
  assert(from_client == (second & 0x80 ~= 0), "masked by clients, and only by them")
  local size = second & 0x7f
  if size == 126 then size = string.unpack(">I2", conn:read(2)) elseif size == 127 then size = string.unpack(">I8", conn:read(8)) end
  local key = from_client and conn:read(4)
  local payload = size > 0 and conn:read(size) or ""
  if key then payload = mask(payload, key) end
  assert(first & FIN ~= 0)
  local name = NAMES[first & 15] .. (first & RSV1 ~= 0 and " compressed" or "")
  if first & 15 == CLOSE and size >= 2 then return ("close %d%s"):format(string.unpack(">I2", payload), payload:sub(3)) end
  return size > 0 and name .. " " .. payload or name
end

local function echo(ws)
  for data, kind in ws:messages() do ws:send(data, kind) end
end

local function hear(conn, from_client)
  local got = {}
  rille.timeout(5, pcall, function()
    for event in function() return next_event(conn, from_client) end do got[#got + 1] = #event > 200 and event:sub(1, 8) .. #event or event end
  end)
  return got
end

local function send(conn, frames, is_client, chopped)
  local parts = {}
  for i, f in ipairs(frames) do parts[i] = encode(f, is_client) end
  local bytes = table.concat(parts)
  for i = 1, #bytes, chopped or #bytes do
    conn:write(bytes:sub(i, i + (chopped or #bytes) - 1))
    if chopped then rille.yield() end
  end
end

-- What our server says to these frames.
local function server_says(frames, extensions, chopped)
  local server <close> = http.serve { port = 0, on_error = function() end, handler = function(request)
    echo(http.websocket(request, { limit = LIMIT }))
  end }
  local conn <close> = net.connect("127.0.0.1", server.port)
  conn:set { nodelay = true }
  conn:write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", extensions or "", "\r\n")
  local head = conn:read_until "\r\n\r\n"
  pcall(send, conn, frames, true, chopped)
  return hear(conn, false), head
end

-- What our client says to these frames.
local function client_says(frames, extensions, chopped)
  local listener <close> = net.listen("127.0.0.1", 0)
  local got, failed
  rille.group(function(g)
    g:spawn(function()
      local conn <close> = listener:accept()
      conn:set { nodelay = true }
      local key = conn:read_until("\r\n\r\n"):match "Sec%-WebSocket%-Key: ([^\r]*)"
      conn:write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ",
        require("rille.native.websocket").accept(key), "\r\n", extensions or "", "\r\n")
      pcall(send, conn, frames, false, chopped)
      got = hear(conn, true)
    end)
    local ok, ws = pcall(http.ws_connect, ("ws://127.0.0.1:%d"):format(listener:address().port), { limit = LIMIT })
    if ok then echo(ws) else failed = ws end
  end)
  return got, failed
end

local BYE = { FIN | CLOSE, "\x03\xe8" }
local ENDS = "close 1000"
local function text(payload) return { FIN | TEXT, payload } end
local function close(code, reason) return { FIN | CLOSE, string.pack(">I2", code) .. (reason or "") } end

-- name, frames, what is said
local CASES = {
  { "text of 0 bytes", { text "", BYE }, { "text", ENDS } },
  { "text of 125 bytes", { text(("*"):rep(125)), BYE }, { "text " .. ("*"):rep(125), ENDS } },
  { "text of 126 bytes", { text(("*"):rep(126)), BYE }, { "text " .. ("*"):rep(126), ENDS } },
  { "text of 127 bytes", { text(("*"):rep(127)), BYE }, { "text " .. ("*"):rep(127), ENDS } },
  { "text of 128 bytes", { text(("*"):rep(128)), BYE }, { "text " .. ("*"):rep(128), ENDS } },
  { "text of 65,535 bytes", { text(("*"):rep(65535)), BYE }, { "text ***65540", ENDS } },
  { "text of 65,536 bytes", { text(("*"):rep(65536)), BYE }, { "text ***65541", ENDS } },
  { "binary of 0 bytes", { { FIN | BINARY, "" }, BYE }, { "binary", ENDS } },
  { "binary of every byte", { { FIN | BINARY, "\0\xff\x80" }, BYE }, { "binary \0\xff\x80", ENDS } },
  { "a ping without payload", { { FIN | PING, "" }, BYE }, { "pong", ENDS } },
  { "a ping", { { FIN | PING, "Hello" }, BYE }, { "pong Hello", ENDS } },
  { "a ping of bytes that are no text", { { FIN | PING, "\0\xff\xfe" }, BYE }, { "pong \0\xff\xfe", ENDS } },
  { "a ping of 125 bytes", { { FIN | PING, ("p"):rep(125) }, BYE }, { "pong " .. ("p"):rep(125), ENDS } },
  { "a ping of 126 bytes", { { FIN | PING, ("p"):rep(126) }, BYE }, { "close 1002" } },
  { "a pong nobody asked for", { { FIN | PONG, "x" }, BYE }, { ENDS } },
  { "ten pings", { { FIN | PING, "1" }, { FIN | PING, "2" }, { FIN | PING, "3" }, BYE }, { "pong 1", "pong 2", "pong 3", ENDS } },
  { "RSV1 without an extension", { { FIN | RSV1 | TEXT, "x" } }, { "close 1002" } },
  { "RSV2", { { FIN | RSV2 | TEXT, "x" } }, { "close 1002" } },
  { "RSV3 after a message", { text "a", { FIN | RSV3 | TEXT, "x" } }, { "text a", "close 1002" } },
  { "all RSV bits in a ping", { { FIN | RSV1 | RSV2 | RSV3 | PING, "x" } }, { "close 1002" } },
  { "RSV1 in a close", { { FIN | RSV1 | CLOSE, "\x03\xe8" } }, { "close 1002" } },
  { "opcode 3", { { FIN | 3, "" } }, { "close 1002" } },
  { "opcode 7", { text "a", { FIN | 7, "x" } }, { "text a", "close 1002" } },
  { "opcode 11", { { FIN | 11, "" } }, { "close 1002" } },
  { "opcode 15", { { FIN | 15, "x" } }, { "close 1002" } },
  { "a ping in two fragments", { { PING, "a" }, { FIN | CONT, "b" } }, { "close 1002" } },
  { "a pong in two fragments", { { PONG, "a" }, { FIN | CONT, "b" } }, { "close 1002" } },
  { "a close in two fragments", { { CLOSE, "\x03" }, { FIN | CONT, "\xe8" } }, { "close 1002" } },
  { "text in two fragments", { { TEXT, "a" }, { FIN | CONT, "b" }, BYE }, { "text ab", ENDS } },
  { "a ping between fragments", { { TEXT, "a" }, { FIN | PING, "p" }, { FIN | CONT, "b" }, BYE }, { "pong p", "text ab", ENDS } },
  { "fragments without payload", { { TEXT, "" }, { CONT, "" }, { FIN | CONT, "" }, BYE }, { "text", ENDS } },
  { "a continuation of nothing", { { FIN | CONT, "x" } }, { "close 1002" } },
  { "an unfinished continuation of nothing", { { CONT, "x" }, { FIN | TEXT, "y" } }, { "close 1002" } },
  { "a continuation after a whole message", { text "a", { FIN | CONT, "b" } }, { "text a", "close 1002" } },
  { "a text inside a text", { { TEXT, "a" }, text "b" }, { "close 1002" } },
  { "a binary inside a text", { { TEXT, "a" }, { FIN | BINARY, "b" } }, { "close 1002" } },
  { "a close inside a text", { { TEXT, "a" }, BYE }, { ENDS } },
  { "text of every length in UTF-8", { text "κόσμε\u{7ff}\u{800}\u{ffff}\u{10ffff}", BYE }, { "text κόσμε\u{7ff}\u{800}\u{ffff}\u{10ffff}", ENDS } },
  { "a character in two fragments", { { TEXT, "\xce" }, { FIN | CONT, "\xba" }, BYE }, { "text κ", ENDS } },
  { "a character in four fragments", { { TEXT, "\xf0" }, { CONT, "\x9f" }, { CONT, "\x98" }, { FIN | CONT, "\x80" }, BYE },
    { "text \u{1f600}", ENDS } },
  { "a character cut by the message's end", { text "\xce" }, { "close 1007" } },
  { "a byte of continuation alone", { text "a\x80" }, { "close 1007" } },
  { "0xfe", { text "\xfe" }, { "close 1007" } },
  { "an overlong slash", { text "\xc0\xaf" }, { "close 1007" } },
  { "an overlong of three bytes", { text "\xe0\x80\xaf" }, { "close 1007" } },
  { "an overlong of four bytes", { text "\xf0\x80\x80\xaf" }, { "close 1007" } },
  { "a surrogate", { text "\xed\xa0\x80" }, { "close 1007" } },
  { "a character past U+10FFFF", { text "\xf4\x90\x80\x80" }, { "close 1007" } },
  { "a character of five bytes", { text "\xf8\x88\x80\x80\x80" }, { "close 1007" } },
  { "bad UTF-8 in a first fragment, at once", { { TEXT, "a\xed\xa0\x80" } }, { "close 1007" } },
  { "bad UTF-8 in a later fragment, at once", { { TEXT, "a\xf4" }, { CONT, "\x90" } }, { "close 1007" } },
  { "bad UTF-8 in a frame that has not come whole, at once", { { FIN | TEXT, "a\xff", claims = 90000 } }, { "close 1007" } },
  { "bytes that are no text, as binary", { { BINARY, "\xff" }, { FIN | CONT, "\xfe" }, BYE }, { "binary \xff\xfe", ENDS } },
  { "a close without a code", { { FIN | CLOSE, "" } }, { "close" } },
  { "a close of 1 byte", { { FIN | CLOSE, "\3" } }, { "close 1002" } },
  { "a close with a reason", { close(1000, "bye") }, { ENDS } },
  { "a close with a reason of 123 bytes", { close(1000, ("r"):rep(123)) }, { ENDS } },
  { "a close with a reason of 124 bytes", { close(1000, ("r"):rep(124)) }, { "close 1002" } },
  { "a close whose reason is no UTF-8", { close(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80") }, { "close 1007" } },
  { "a message after a close", { BYE, text "late" }, { ENDS } },
  { "a ping after a close", { BYE, { FIN | PING, "late" } }, { ENDS } },
  { "two closes", { BYE, close(1001) }, { ENDS } },
  { "the wrong masking", { { FIN | TEXT, "x", naked = true } }, { "close 1002" } },
  { "a length in more bytes than it needs", { { FIN | TEXT, "x", size = 16 } }, { "close 1002" } },
  { "a length in eight bytes that needs two", { { FIN | TEXT, ("x"):rep(200), size = 64 } }, { "close 1002" } },
  { "a length of 2^63", { { FIN | BINARY, "", claims = math.mininteger, size = 64 } }, { "close 1002" } },
  { "a length over the limit, before it comes", { { FIN | BINARY, "", claims = LIMIT + 1 } }, { "close 1009" } },
  { "a length of 2^62", { { FIN | BINARY, "", claims = 1 << 62, size = 64 } }, { "close 1009" } },
  { "fragments over the limit together", { { BINARY, ("x"):rep(60000) }, { FIN | CONT, "", claims = 60000 } }, { "close 1009" } },
  { "as much as the limit", { { BINARY, ("x"):rep(60000) }, { FIN | CONT, ("x"):rep(40000) }, BYE }, { "binary x100007", ENDS } },
}
for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999 } do
  CASES[#CASES + 1] = { "a close of " .. code, { close(code) }, { "close " .. code } }
end
for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535 } do
  CASES[#CASES + 1] = { "a close of " .. code .. ", which is no code", { close(code) }, { "close 1002" } }
end

for side, says in pairs { server = server_says, client = client_says } do
  describe("a WebSocket " .. side, function()
    for _, case in ipairs(CASES) do
      it("that gets " .. case[1], function()
        assert.same(case[3], (says(case[2])))
      end)
    end

    for _, size in ipairs { 1, 3, 997 } do
      it(("that gets frames %d bytes at a time"):format(size), function()
        assert.same({ "pong p", "text κόσμε" .. ("*"):rep(100), ENDS }, (says({
          { TEXT, "κόσ" }, { FIN | PING, "p" }, { FIN | CONT, "με" .. ("*"):rep(100) }, BYE }, nil, size)))
      end)
    end
  end)
end

-- permessage-deflate.

local OFFER = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
local C = FIN | RSV1 | TEXT
local deflate = require("rille.native.wsdeflate").deflate

local COMPRESSED = {
  { "a message", { { C, "\xf2\x48\xcd\xc9\xc9\x07\x00" }, BYE }, { "text Hello", ENDS } },
  { "a message in fragments", { { RSV1 | TEXT, "\xf2\x48\xcd" }, { FIN | CONT, "\xc9\xc9\x07\x00" }, BYE }, { "text Hello", ENDS } },
  { "a ping between its fragments",
    { { RSV1 | TEXT, "\xf2\x48\xcd" }, { FIN | PING, "p" }, { FIN | CONT, "\xc9\xc9\x07\x00" }, BYE }, { "pong p", "text Hello", ENDS } },
  { "a block without compression", { { C, "\0\5\0\xfa\xffHello\0" }, BYE }, { "text Hello", ENDS } },
  { "a last block", { { C, "\xf3\x48\xcd\xc9\xc9\x07\0\0" }, BYE }, { "text Hello", ENDS } },
  { "a last block, and more behind it", { { C, "\xf3\x48\xcd\xc9\xc9\x07\0\xf2\x48\xcd\xc9\xc9\x07\0" }, BYE }, { "text HelloHello", ENDS } },
  { "two blocks", { { C, "\xf2\x48\x05\0\0\0\xff\xff\xca\xc9\xc9\x07\0" }, BYE }, { "text Hello", ENDS } },
  { "nothing, compressed", { { C, "\0" }, BYE }, { "text", ENDS } },
  { "a message that is not compressed", { text "plain", BYE }, { "text plain", ENDS } },
  { "garbage", { { C, "\xff\xff\xff\xff" } }, { "close 1007" } },
  { "a block that is cut", { { C, "\xf2\x48" } }, { "close 1007" } },
  { "text that is no UTF-8 once unpacked", { { C, deflate "\xff\xfe" } }, { "close 1007" } },
  { "a message over the limit once unpacked", { { C, deflate(("\0"):rep(LIMIT + 1)) } }, { "close 1009" } },
  { "the bit in a continuation", { { RSV1 | TEXT, "\xf2\x48\xcd" }, { FIN | RSV1 | CONT, "\xc9\xc9\x07\x00" } }, { "close 1002" } },
  { "the bit in a ping", { { FIN | RSV1 | PING, "p" } }, { "close 1002" } },
}

for side, says in pairs { server = server_says, client = client_says } do
  describe("a WebSocket " .. side .. " with permessage-deflate", function()
    for _, case in ipairs(COMPRESSED) do
      it("that gets " .. case[1], function()
        assert.same(case[3], (says(case[2], OFFER)))
      end)
    end
  end)
end

describe("an offer of", function()
  for offer, want in pairs {
    ["permessage-deflate"] = "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ["permessage-deflate; client_max_window_bits"] = "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ["permessage-deflate; client_max_window_bits=10"] = "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ["permessage-deflate; client_no_context_takeover; server_no_context_takeover"] =
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ["permessage-deflate; server_max_window_bits=10"] =
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10",
    ['permessage-deflate; server_max_window_bits="9"'] =
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
    ["permessage-deflate; server_max_window_bits"] = "none",
    ["permessage-deflate; server_max_window_bits=8"] = "none",
    ["permessage-deflate; server_max_window_bits=16"] = "none",
    ["permessage-deflate; server_max_window_bits=010"] = "none",
    ["permessage-deflate; client_max_window_bits=7"] = "none",
    ["permessage-deflate; server_no_context_takeover=1"] = "none",
    ["permessage-deflate; server_no_context_takeover; server_no_context_takeover"] = "none",
    ["permessage-deflate; what"] = "none",
    ["permessage-deflat"] = "none",
    ["x-webkit-deflate-frame, permessage-deflate"] = "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ["permessage-deflate; what, permessage-deflate"] = "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ["permessage-deflate; server_max_window_bits=8, permessage-deflate"] =
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
  } do
    it(offer .. " is answered with " .. want, function()
      local _, head = server_says({ BYE }, "Sec-WebSocket-Extensions: " .. offer .. "\r\n")
      assert.matches("^HTTP/1.1 101 ", head)
      assert.equal(want, head:match "Sec%-WebSocket%-Extensions: ([^\r]*)" or "none")
    end)
  end

  it("a window is kept to", function()
    local server <close> = http.serve { port = 0, handler = function(request)
      local ws <close> = http.websocket(request)
      local block = {}
      for i = 1, 600 do block[i] = string.char(33 + (i * i + i // 7) % 90) end
      ws:send(table.concat(block):rep(2))
    end }
    local sizes = {}
    for _, bits in ipairs { 9, 15 } do
      local conn <close> = net.connect("127.0.0.1", server.port)
      conn:write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=",
        bits, "\r\n\r\n")
      conn:read_until "\r\n\r\n"
      sizes[#sizes + 1] = #next_event(conn, false)
      conn:write(encode(BYE, true))
    end
    assert.is_true(sizes[1] > sizes[2]) -- the second half is behind the small window
  end)
end)

it("a protocol that was not offered is refused", function()
  local _, failed = client_says({ BYE }, "Sec-WebSocket-Protocol: chat\r\n")
  assert.equal("EPROTO", failed.code)
end)

describe("an agreement to", function()
  for agreed, sound in pairs {
    ["permessage-deflate; server_no_context_takeover; client_no_context_takeover"] = true,
    ["permessage-deflate; server_no_context_takeover"] = true,
    ["permessage-deflate; server_no_context_takeover; server_max_window_bits=12"] = true,
    ["permessage-deflate"] = false, -- its messages could lean on each other
    ["permessage-deflate; server_no_context_takeover; client_max_window_bits=12"] = false, -- not offered
    ["permessage-deflate; server_no_context_takeover; server_max_window_bits=7"] = false,
    ["permessage-deflate; server_no_context_takeover; what"] = false,
    ["permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover"] = false,
    ["x-other"] = false,
  } do
    it(agreed .. (sound and " is taken" or " is refused"), function()
      local said, failed = client_says({ text "x", BYE }, "Sec-WebSocket-Extensions: " .. agreed .. "\r\n")
      if sound then
        assert.same({ "text x", ENDS }, said)
      else
        assert.equal("EPROTO", failed.code)
      end
    end)
  end
end)
