-- HTTP/2 frame by frame: what RFC 9113 and RFC 7541 say a server must do with each, and what hostile clients get.
local rille = require "rille"
local http = require "rille.http"
local net = require "rille.net"

-- Frames and header blocks by hand.

local PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
local DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
local END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32
local WHOLE = END_STREAM | END_HEADERS
local CODES = {
  [0] = "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
  "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
}

local function frame(kind, flags, stream, payload)
  return string.pack(">I3BBI4", #payload, kind, flags, stream) .. payload
end

-- A literal, not indexed, of up to 126 bytes.
local function field(name, value) return "\0" .. string.pack("s1s1", name, value) end

local function block(fields)
  local out = {}
  for i = 1, #fields, 2 do out[#out + 1] = field(fields[i], fields[i + 1]) end
  return table.concat(out)
end

local function request(method, path, ...)
  return block { ":method", method, ":scheme", "http", ":path", path, ":authority", "a", ... }
end

local GET, POST = request("GET", "/"), request("POST", "/")

local function u32(n) return string.pack(">I4", n) end
local function setting(id, value) return string.pack(">I2I4", id, value) end
local function get(stream) return frame(HEADERS, WHOLE, stream, GET) end
local function post(stream, ...) return frame(HEADERS, END_HEADERS, stream, request("POST", "/", ...)) end
local function held(stream) return frame(HEADERS, WHOLE, stream, request("GET", "/held")) end
local function fields(...) return frame(HEADERS, WHOLE, 1, block { ... }) end
local function with(...) return frame(HEADERS, WHOLE, 1, request("GET", "/", ...)) end

local LAST = 901 -- a request behind all others shows that the connection lives

local function serve(handler, options)
  options = options or {}
  options.port, options.handler, options.on_error = 0, handler, options.on_error or function() end
  return http.serve(options)
end

local function answer(r)
  if r.path == "/held" then rille.event():wait() end
  return { headers = { ["X-Seen"] = r.headers["x-seen"] or r.headers.cookie }, body = r:text() }
end

local function open(server, settings)
  local conn = net.connect("127.0.0.1", server.port)
  conn:write(PREFACE, frame(SETTINGS, 0, 0, settings or ""), frame(SETTINGS, ACK, 0, ""))
  return conn
end

local function next_frame(conn)
  local ok, head = pcall(conn.read, conn, 9)
  if not ok or not head or #head < 9 then return nil end
  local size, kind, flags, stream = string.unpack(">I3BBI4", head)
  return { kind = kind, flags = flags, stream = stream, payload = size > 0 and conn:read(size) or "" }
end

-- The next frame of that kind (and stream).
local function await(conn, kind, stream)
  return rille.timeout(5, function()
    for f in next_frame, conn do
      if f.kind == kind and (not stream or f.stream == stream) then return f end
    end
    error "the connection has ended"
  end)
end

local STATUSES = { [0x88] = "200", [0x8c] = "400" } -- of the static table

-- Until the connection ends, or `done(seen)`: what was said of streams, and of the connection.
local function hear(conn, done)
  local seen = { stream = {} }
  rille.timeout(5, function()
    for f in next_frame, conn do
      if f.kind == GOAWAY then
        seen.goaway = CODES[string.unpack(">I4", f.payload, 5)]
      elseif f.kind == RST and not seen.stream[f.stream] then
        seen.stream[f.stream] = CODES[string.unpack(">I4", f.payload)]
      elseif f.kind == HEADERS then
        seen.stream[f.stream] = STATUSES[f.payload:byte()] or "other"
      end
      if done(seen) then return end
    end
    seen.over = true
  end)
  return seen
end

-- What comes of `bytes`: "connection CODE"; a status or a code for stream 1; "ignored".
local function outcome(bytes, want)
  local server <close> = serve(answer)
  local conn <close> = open(server)
  pcall(conn.write, conn, bytes .. get(LAST))
  local seen = hear(conn, function(seen)
    return seen.stream[LAST] and (want == "ignored" or seen.stream[1]) and not seen.goaway
  end)
  if seen.goaway or seen.over then return "connection " .. (seen.goaway or "closed") end
  return seen.stream[1] or "ignored"
end

local unknown = frame(0xbe, 0xff, 0, "whatever")
local huffman = function(bytes) return GET .. "\0\1x" .. string.char(0x80 | #bytes) .. bytes end
local function headers(payload) return frame(HEADERS, WHOLE, 1, payload) end

-- section, what is sent, what must come of it, the bytes
local CASES = {
  { "4.1", "a frame of an unknown type", "ignored", unknown },
  { "4.1", "undefined flags", "ignored", frame(PING, 0xfe, 0, "12345678") },
  { "4.1", "the reserved bit", "ignored", frame(PING, 0, 1 << 31, "12345678") },
  { "4.2", "DATA of the greatest size", "200", post(1) .. frame(DATA, END_STREAM, 1, ("x"):rep(16384)) },
  { "4.2", "DATA over it", "connection FRAME_SIZE_ERROR", post(1) .. frame(DATA, END_STREAM, 1, ("x"):rep(16385)) },
  { "4.2", "HEADERS over it", "connection FRAME_SIZE_ERROR", headers(GET .. field("x", ("y"):rep(120)):rep(200)) },
  { "4.2", "SETTINGS over it", "connection FRAME_SIZE_ERROR", frame(SETTINGS, 0, 0, setting(0xfff0, 1):rep(2800)) },
  { "4.3", "a block that ends too soon", "connection COMPRESSION_ERROR", headers "\x40\1x" },
  { "4.3", "PRIORITY inside a block", "connection PROTOCOL_ERROR",
    frame(HEADERS, END_STREAM, 1, GET) .. frame(PRIORITY, 0, 1, "\0\0\0\0\0") .. frame(CONTINUATION, END_HEADERS, 1, "") },
  { "4.3", "another stream's HEADERS inside a block", "connection PROTOCOL_ERROR", frame(HEADERS, END_STREAM, 1, GET) .. get(3) },
  { "5.1", "DATA on an idle stream", "connection PROTOCOL_ERROR", frame(DATA, END_STREAM, 1, "x") },
  { "5.1", "RST_STREAM on an idle stream", "connection PROTOCOL_ERROR", frame(RST, 0, 1, u32(8)) },
  { "5.1", "WINDOW_UPDATE on an idle stream", "connection PROTOCOL_ERROR", frame(UPDATE, 0, 1, u32(100)) },
  { "5.1", "CONTINUATION on an idle stream", "connection PROTOCOL_ERROR", frame(CONTINUATION, END_HEADERS, 1, GET) },
  { "5.1", "PRIORITY on an idle stream", "ignored", frame(PRIORITY, 0, 1, "\0\0\0\0\0") },
  { "5.1", "DATA on a half-closed stream", "connection STREAM_CLOSED", held(1) .. frame(DATA, END_STREAM, 1, "x") },
  { "5.1", "HEADERS on a half-closed stream", "connection STREAM_CLOSED", held(1) .. get(1) },
  { "5.1", "CONTINUATION on a half-closed stream", "connection PROTOCOL_ERROR", held(1) .. frame(CONTINUATION, END_HEADERS, 1, GET) },
  { "5.1", "WINDOW_UPDATE and PRIORITY on a half-closed stream", "ignored",
    held(1) .. frame(UPDATE, 0, 1, u32(100)) .. frame(PRIORITY, 0, 1, "\0\0\0\0\0") },
  { "5.1", "DATA on a stream that was reset", "connection STREAM_CLOSED", post(1) .. frame(RST, 0, 1, u32(8)) .. frame(DATA, END_STREAM, 1, "x") },
  { "5.1", "CONTINUATION on a stream that was reset", "connection PROTOCOL_ERROR",
    post(1) .. frame(RST, 0, 1, u32(8)) .. frame(CONTINUATION, END_HEADERS, 1, "") },
  { "5.1", "WINDOW_UPDATE, PRIORITY and RST_STREAM on a closed stream", "ignored", post(1) .. frame(RST, 0, 1, u32(8))
    .. frame(UPDATE, 0, 1, u32(100)) .. frame(PRIORITY, 0, 1, "\0\0\0\0\0") .. frame(RST, 0, 1, u32(8)) },
  { "5.1.1", "an even stream", "connection PROTOCOL_ERROR", get(2) },
  { "5.1.1", "a stream that was skipped", "connection PROTOCOL_ERROR", get(5) .. get(3) },
  { "5.1.1", "streams that skip some", "ignored", get(5) .. get(11) },
  { "5.4.1", "an error, with the highest stream it knows", "connection FRAME_SIZE_ERROR", get(1) .. frame(PING, 0, 0, "1") },
  { "5.5", "an unknown frame inside a block", "connection PROTOCOL_ERROR", frame(HEADERS, END_STREAM, 1, GET) .. unknown },
  { "6.1", "DATA on stream 0", "connection PROTOCOL_ERROR", frame(DATA, END_STREAM, 0, "x") },
  { "6.1", "padded DATA", "200", post(1) .. frame(DATA, END_STREAM | PADDED, 1, "\4body\0\0\0\0") },
  { "6.1", "DATA padded beyond its end", "connection PROTOCOL_ERROR", post(1) .. frame(DATA, END_STREAM | PADDED, 1, "\9body\0\0\0\0") },
  { "6.1", "DATA without its pad length", "connection PROTOCOL_ERROR", post(1) .. frame(DATA, END_STREAM | PADDED, 1, "") },
  { "6.2", "HEADERS on stream 0", "connection PROTOCOL_ERROR", get(0) },
  { "6.2", "padded HEADERS", "200", frame(HEADERS, WHOLE | PADDED, 1, "\3" .. GET .. "\0\0\0") },
  { "6.2", "HEADERS padded beyond their end", "connection PROTOCOL_ERROR", frame(HEADERS, WHOLE | PADDED, 1, "\xff" .. GET) },
  { "6.2", "HEADERS with a priority", "200", frame(HEADERS, WHOLE | WITH_PRIORITY, 1, "\0\0\0\0\16" .. GET) },
  { "6.2", "HEADERS without their priority", "connection FRAME_SIZE_ERROR", frame(HEADERS, WHOLE | WITH_PRIORITY, 1, "\0\0") },
  { "6.3", "PRIORITY on stream 0", "connection PROTOCOL_ERROR", frame(PRIORITY, 0, 0, "\0\0\0\0\16") },
  { "6.3", "PRIORITY of 4 bytes", "connection FRAME_SIZE_ERROR", frame(PRIORITY, 0, 1, "\0\0\0\0") },
  { "6.4", "RST_STREAM on stream 0", "connection PROTOCOL_ERROR", frame(RST, 0, 0, u32(8)) },
  { "6.4", "RST_STREAM of 3 bytes", "connection FRAME_SIZE_ERROR", post(1) .. frame(RST, 0, 1, "\0\0\0") },
  { "6.5", "SETTINGS ACK with a payload", "connection FRAME_SIZE_ERROR", frame(SETTINGS, ACK, 0, setting(1, 0)) },
  { "6.5", "SETTINGS on a stream", "connection PROTOCOL_ERROR", frame(SETTINGS, 0, 1, "") },
  { "6.5", "SETTINGS of 3 bytes", "connection FRAME_SIZE_ERROR", frame(SETTINGS, 0, 0, "\0\0\0") },
  { "6.5.2", "ENABLE_PUSH of 2", "connection PROTOCOL_ERROR", frame(SETTINGS, 0, 0, setting(2, 2)) },
  { "6.5.2", "INITIAL_WINDOW_SIZE of 2^31", "connection FLOW_CONTROL_ERROR", frame(SETTINGS, 0, 0, setting(4, 1 << 31)) },
  { "6.5.2", "MAX_FRAME_SIZE of 16,383", "connection PROTOCOL_ERROR", frame(SETTINGS, 0, 0, setting(5, 16383)) },
  { "6.5.2", "MAX_FRAME_SIZE of 2^24", "connection PROTOCOL_ERROR", frame(SETTINGS, 0, 0, setting(5, 1 << 24)) },
  { "6.5.2", "an unknown setting", "ignored", frame(SETTINGS, 0, 0, setting(0xbeef, 1)) },
  { "6.6", "PUSH_PROMISE", "connection PROTOCOL_ERROR", post(1) .. frame(PUSH, END_HEADERS, 1, u32(2) .. GET) },
  { "6.7", "PING on a stream", "connection PROTOCOL_ERROR", frame(PING, 0, 1, "12345678") },
  { "6.7", "PING of 7 bytes", "connection FRAME_SIZE_ERROR", frame(PING, 0, 0, "1234567") },
  { "6.8", "GOAWAY on a stream", "connection PROTOCOL_ERROR", frame(GOAWAY, 0, 1, u32(0) .. u32(0)) },
  { "6.8", "GOAWAY of 7 bytes", "connection FRAME_SIZE_ERROR", frame(GOAWAY, 0, 0, "1234567") },
  { "6.9", "WINDOW_UPDATE of 0", "connection PROTOCOL_ERROR", frame(UPDATE, 0, 0, u32(0)) },
  { "6.9", "WINDOW_UPDATE of 0 on a stream", "connection PROTOCOL_ERROR", held(1) .. frame(UPDATE, 0, 1, u32(0)) },
  { "6.9", "WINDOW_UPDATE of 3 bytes", "connection FRAME_SIZE_ERROR", frame(UPDATE, 0, 0, "\0\0\1") },
  { "6.9.1", "windows past 2^31-1", "connection FLOW_CONTROL_ERROR", frame(UPDATE, 0, 0, u32(0x7fffffff)):rep(2) },
  { "6.9.1", "a stream's window past 2^31-1", "FLOW_CONTROL_ERROR", held(1) .. frame(UPDATE, 0, 1, u32(0x7fffffff)) },
  -- A connection error by the letter; nghttp2 resets the streams that it concerns.
  { "6.9.2", "INITIAL_WINDOW_SIZE that makes a window overflow", "FLOW_CONTROL_ERROR",
    held(1) .. frame(UPDATE, 0, 1, u32(1000)) .. frame(SETTINGS, 0, 0, setting(4, 0x7fffffff)) },
  { "6.9.1", "more DATA than the window", "FLOW_CONTROL_ERROR",
    frame(HEADERS, END_HEADERS, 1, request("POST", "/held")) .. frame(DATA, 0, 1, ("x"):rep(16384)):rep(200) },
  { "6.10", "a block in pieces", "200",
    frame(HEADERS, END_STREAM, 1, GET:sub(1, 5)) .. frame(CONTINUATION, 0, 1, GET:sub(6, 7)) .. frame(CONTINUATION, END_HEADERS, 1, GET:sub(8)) },
  { "6.10", "DATA inside a block", "connection PROTOCOL_ERROR", frame(HEADERS, 0, 1, POST) .. frame(DATA, END_STREAM, 1, "x") },
  { "6.10", "CONTINUATION on stream 0", "connection PROTOCOL_ERROR", frame(HEADERS, END_STREAM, 1, GET) .. frame(CONTINUATION, END_HEADERS, 0, "") },
  { "6.10", "CONTINUATION after the block's end", "connection PROTOCOL_ERROR", post(1) .. frame(CONTINUATION, END_HEADERS, 1, field("a", "b")) },
  { "6.10", "CONTINUATION after CONTINUATION that ended it", "connection PROTOCOL_ERROR",
    frame(HEADERS, 0, 1, POST) .. frame(CONTINUATION, END_HEADERS, 1, "") .. frame(CONTINUATION, END_HEADERS, 1, "") },
  { "6.10", "CONTINUATION after DATA", "connection PROTOCOL_ERROR", post(1) .. frame(DATA, 0, 1, "x") .. frame(CONTINUATION, END_HEADERS, 1, "") },
  { "7", "RST_STREAM with an unknown code", "ignored", post(1) .. frame(RST, 0, 1, u32(0xff)) },
  { "8.1", "trailers", "200", post(1) .. frame(DATA, 0, 1, "x") .. frame(HEADERS, WHOLE, 1, field("x-sum", "1")) },
  { "8.1", "second HEADERS that do not end the stream", "PROTOCOL_ERROR", post(1) .. frame(HEADERS, END_HEADERS, 1, field("x-sum", "1")) },
  { "8.1", "DATA after trailers", "connection STREAM_CLOSED",
    frame(HEADERS, END_HEADERS, 1, request("POST", "/held")) .. frame(HEADERS, WHOLE, 1, field("x-sum", "1")) .. frame(DATA, END_STREAM, 1, "x") },
  { "8.1.1", "less than the content-length", "PROTOCOL_ERROR", post(1, "content-length", "5") .. frame(DATA, END_STREAM, 1, "four") },
  { "8.1.1", "more than the content-length", "PROTOCOL_ERROR", post(1, "content-length", "3") .. frame(DATA, END_STREAM, 1, "four") },
  { "8.1.1", "more than the content-length, in two frames", "PROTOCOL_ERROR",
    post(1, "content-length", "3") .. frame(DATA, 0, 1, "fo") .. frame(DATA, END_STREAM, 1, "ur") },
  { "8.1.1", "a content-length without a body", "PROTOCOL_ERROR", with("content-length", "5") },
  { "8.1.1", "two content-lengths", "PROTOCOL_ERROR", post(1, "content-length", "1", "content-length", "1") .. frame(DATA, END_STREAM, 1, "x") },
  { "8.1.1", "a content-length that is no number", "PROTOCOL_ERROR", post(1, "content-length", "+1") .. frame(DATA, END_STREAM, 1, "x") },
  { "8.2.1", "an upper-case name", "PROTOCOL_ERROR", with("X-Y", "z") },
  { "8.2.1", "a space in a name", "PROTOCOL_ERROR", with("x y", "z") },
  { "8.2.1", "a colon in a name", "PROTOCOL_ERROR", with("x:y", "z") },
  { "8.2.1", "a control character in a name", "PROTOCOL_ERROR", with("x\1", "z") },
  { "8.2.1", "an octet over 127 in a name", "PROTOCOL_ERROR", with("x\xff", "z") },
  { "8.2.1", "an empty name", "PROTOCOL_ERROR", with("", "z") },
  { "8.2.1", "a line end in a value", "PROTOCOL_ERROR", with("x", "a\r\nb: c") },
  { "8.2.1", "a NUL in a value", "PROTOCOL_ERROR", with("x", "a\0b") },
  { "8.2.1", "white space before a value", "PROTOCOL_ERROR", with("x", " a") },
  { "8.2.1", "white space after a value", "PROTOCOL_ERROR", with("x", "a\t") },
  { "8.2.2", "connection", "PROTOCOL_ERROR", with("connection", "close") },
  { "8.2.2", "proxy-connection", "PROTOCOL_ERROR", with("proxy-connection", "close") },
  { "8.2.2", "keep-alive", "PROTOCOL_ERROR", with("keep-alive", "1") },
  { "8.2.2", "transfer-encoding", "PROTOCOL_ERROR", with("transfer-encoding", "chunked") },
  { "8.2.2", "upgrade", "PROTOCOL_ERROR", with("upgrade", "h3") },
  { "8.2.2", "te: gzip", "PROTOCOL_ERROR", with("te", "gzip") },
  { "8.2.2", "te: trailers", "200", with("te", "trailers") },
  { "8.3", "an unknown pseudo-field", "PROTOCOL_ERROR", with(":test", "x") },
  { "8.3", ":status in a request", "PROTOCOL_ERROR", with(":status", "200") },
  { "8.3", "a pseudo-field in trailers", "PROTOCOL_ERROR", post(1) .. frame(HEADERS, WHOLE, 1, field(":path", "/")) },
  { "8.3", "a pseudo-field behind others", "PROTOCOL_ERROR", fields(":method", "GET", ":scheme", "http", "x", "y", ":path", "/") },
  { "8.3", "no :method", "PROTOCOL_ERROR", fields(":scheme", "http", ":path", "/", ":authority", "a") },
  { "8.3", "no :scheme", "PROTOCOL_ERROR", fields(":method", "GET", ":path", "/", ":authority", "a") },
  { "8.3", "no :path", "PROTOCOL_ERROR", fields(":method", "GET", ":scheme", "http", ":authority", "a") },
  { "8.3", "an empty :path", "PROTOCOL_ERROR", fields(":method", "GET", ":scheme", "http", ":path", "", ":authority", "a") },
  { "8.3", "a :path without a slash", "PROTOCOL_ERROR", fields(":method", "GET", ":scheme", "http", ":path", "x", ":authority", "a") },
  { "8.3", "a space in :path", "PROTOCOL_ERROR", fields(":method", "GET", ":scheme", "http", ":path", "/a b", ":authority", "a") },
  { "8.3", "a fragment in :path", "400", fields(":method", "GET", ":scheme", "http", ":path", "/a#b", ":authority", "a") },
  { "8.3", ":path of * for GET", "PROTOCOL_ERROR", fields(":method", "GET", ":scheme", "http", ":path", "*", ":authority", "a") },
  { "8.3", ":path of * for OPTIONS", "200", fields(":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "a") },
  { "8.3", "two :methods", "PROTOCOL_ERROR", with(":method", "PUT") },
  { "8.3", "two :schemes", "PROTOCOL_ERROR", with(":scheme", "https") },
  { "8.3", "two :paths", "PROTOCOL_ERROR", with(":path", "/b") },
  { "8.3", "two :authorities", "PROTOCOL_ERROR", with(":authority", "b") },
  { "8.3", "a :method that is no token", "PROTOCOL_ERROR", fields(":method", "GE T", ":scheme", "http", ":path", "/", ":authority", "a") },
  { "8.3.1", "host alone", "200", fields(":method", "GET", ":scheme", "http", ":path", "/", "host", "a") },
  { "8.3.1", "host as :authority", "200", with("host", "A") },
  { "8.3.1", "host that is not :authority", "400", with("host", "b") },
  { "8.3.1", "two hosts", "PROTOCOL_ERROR", fields(":method", "GET", ":scheme", "http", ":path", "/", "host", "a", "host", "a") },
  { "8.3.1", "neither host nor :authority", "PROTOCOL_ERROR", fields(":method", "GET", ":scheme", "http", ":path", "/") },
  { "8.3.1", "a user in :authority", "400", fields(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "me@a") },
  { "8.5", "CONNECT with a :path", "PROTOCOL_ERROR", fields(":method", "CONNECT", ":scheme", "http", ":path", "/", ":authority", "a:1") },
  { "8.5", "CONNECT, which nobody takes", "400", fields(":method", "CONNECT", ":authority", "a:1") },
  { "10.5.1", "a head over the limit", "other", -- 431
    frame(HEADERS, END_STREAM, 1, GET .. field("x", ("y"):rep(120)):rep(125))
      .. frame(CONTINUATION, END_HEADERS, 1, field("x", ("y"):rep(120)):rep(125)) .. frame(PING, 0, 0, "12345678") },
  { "10.5.1", "more fields than the limit", "other", with(table.unpack((function()
    local all = {}
    for i = 1, 130 do all[2 * i - 1], all[2 * i] = "x" .. i, "y" end
    return all
  end)())) },
  { "10.5.1", "as many fields as the limit", "200", with(table.unpack((function()
    local all = {}
    for i = 1, 127 do all[2 * i - 1], all[2 * i] = "x" .. i, "y" end
    return all
  end)())) },
  { "HPACK 2.3.3", "an index out of the tables", "connection COMPRESSION_ERROR", headers(GET .. "\xfe") },
  { "HPACK 2.3.3", "a literal whose name's index is", "connection COMPRESSION_ERROR", headers(GET .. "\x7e\1x") },
  { "HPACK 4.2", "a change of the table's size at a block's end", "connection COMPRESSION_ERROR", headers(GET .. "\x20") },
  { "HPACK 4.2", "a change of the table's size at its start", "200", headers("\x20\x3f\x81\x1f" .. GET) },
  { "HPACK 5.1", "an integer past 2^32", "connection COMPRESSION_ERROR", headers(GET .. "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") },
  { "HPACK 5.2", "a sound Huffman code", "200", headers(huffman "\x1f") },
  { "HPACK 5.2", "a Huffman code padded by more than 7 bits", "connection COMPRESSION_ERROR", headers(huffman "\x1f\xff") },
  { "HPACK 5.2", "a Huffman code padded with zeros", "connection COMPRESSION_ERROR", headers(huffman "\x18") },
  { "HPACK 5.2", "the end of string in a Huffman code", "connection COMPRESSION_ERROR", headers(huffman "\x1f\xff\xff\xff\xff") },
  { "HPACK 5.2", "a string longer than its block", "connection COMPRESSION_ERROR", headers(GET .. "\0\1x\x7fabc") },
  { "HPACK 6.1", "index 0", "connection COMPRESSION_ERROR", headers(GET .. "\x80") },
  { "HPACK 6.3", "a table over SETTINGS_HEADER_TABLE_SIZE", "connection COMPRESSION_ERROR", headers("\x3f\xe2\x1f" .. GET) },
}

describe("an HTTP/2 server", function()
  for _, case in ipairs(CASES) do
    local section, what, want, bytes = table.unpack(case)
    it(("%s: %s: %s"):format(section, what, want), function()
      assert.equal(want, outcome(bytes, want))
    end)
  end
end)

-- RFC 7541, appendices C.3 and C.4: three requests whose heads lean on each other.
local VECTORS = {
  plain = {
    "828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865",
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
  },
  Huffman = {
    "828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
  },
}

describe("the vectors of HPACK", function()
  for name, heads in pairs(VECTORS) do
    it("are read, " .. name, function()
      local seen = {}
      local server <close> = serve(function(r)
        seen[#seen + 1] = table.concat({ r.method, r.path, r.host, r.headers["cache-control"] or "", r.headers["custom-key"] or "" }, " ")
        return ""
      end)
      local conn <close> = open(server)
      for i, hex in ipairs(heads) do
        conn:write(frame(HEADERS, WHOLE, 2 * i - 1, (hex:gsub("..", function(c) return string.char(tonumber(c, 16)) end))))
        await(conn, HEADERS, 2 * i - 1)
      end
      assert.same({ "GET / www.example.com  ", "GET / www.example.com no-cache ", "GET /index.html www.example.com  custom-value" }, seen)
    end)
  end
end)

-- The bytes of stream 1's body until there are `size`.
local function body(conn, size)
  local got = {}
  while #table.concat(got) < size do got[#got + 1] = await(conn, DATA, 1).payload end
  return got
end

describe("an HTTP/2 server", function()
  it("begins with SETTINGS, and acknowledges the client's", function()
    local server <close> = serve(answer)
    local conn <close> = open(server, setting(4, 100))
    local first = next_frame(conn)
    assert.same({ SETTINGS, 0, 0 }, { first.kind, first.flags, first.stream })
    local ack = await(conn, SETTINGS)
    assert.same({ ACK, "" }, { ack.flags, ack.payload })
  end)

  it("is not spoken to without its preface", function()
    local server <close> = serve(answer)
    for _, bytes in ipairs { "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", PREFACE .. get(1) } do
      local conn <close> = net.connect("127.0.0.1", server.port)
      conn:write(bytes)
      local said = rille.timeout(5, conn.read, conn, "a")
      assert.is_nil(said:find("\x88", 1, true))
    end
  end)

  it("answers a PING with its bytes, and an answer with nothing", function()
    local server <close> = serve(answer)
    local conn <close> = open(server)
    conn:write(frame(PING, ACK, 0, "not this"), frame(PING, 0, 0, "this one"))
    local pong = await(conn, PING)
    assert.same({ ACK, "this one" }, { pong.flags, pong.payload })
  end)

  it("tells with GOAWAY the highest stream it took", function()
    local server <close> = serve(answer)
    local conn <close> = open(server)
    conn:write(get(1), get(7), frame(DATA, 0, 0, "x"))
    assert.equal(7, (string.unpack(">I4", await(conn, GOAWAY).payload)))
  end)

  it("sends as much as the windows have room for", function()
    local server <close> = serve(function() return "12345" end)
    local conn <close> = open(server, setting(4, 3) .. setting(4, 1)) -- in order: the last one counts
    conn:write(get(1))
    assert.same({ "1" }, body(conn, 1))
    conn:write(frame(UPDATE, 0, 1, u32(1)))
    assert.same({ "2" }, body(conn, 1))
    conn:write(frame(SETTINGS, 0, 0, setting(4, 2)))
    assert.same({ "3" }, body(conn, 1))
    conn:write(frame(SETTINGS, 0, 0, setting(4, 0)), frame(UPDATE, 0, 1, u32(3))) -- from -2 to 1
    assert.same({ "4" }, body(conn, 1))
    conn:write(frame(PING, 0, 0, "12345678"))
    assert.equal(ACK, await(conn, PING).flags)
    conn:write(frame(UPDATE, 0, 1, u32(1)))
    local last = await(conn, DATA, 1)
    assert.same({ "5", END_STREAM }, { last.payload, last.flags })
  end)

  it("sends no frame larger than the client allows", function()
    local server <close> = serve(function() return ("x"):rep(60000) end)
    local conn <close> = open(server)
    conn:write(get(1))
    for _, piece in ipairs(body(conn, 60000)) do assert.is_true(#piece <= 16384) end
  end)

  it("says so when its table shrinks", function()
    local server <close> = serve(answer)
    local conn <close> = open(server, setting(1, 0))
    conn:write(get(1))
    assert.equal(0x20, await(conn, HEADERS, 1).payload:byte())
  end)

  it("refuses more than the hundred streams at once that it announced", function()
    local server <close> = serve(answer)
    local conn <close> = open(server)
    assert.matches(setting(3, 100), next_frame(conn).payload, 1, true)
    for i = 0, 99 do conn:write(held(2 * i + 1)) end
    conn:write(frame(PING, 0, 0, "12345678"))
    await(conn, PING)
    conn:write(held(201))
    assert.equal(1, (string.unpack(">I4", await(conn, GOAWAY).payload, 5)))
  end)

  -- h2load sends :path first; offsets were once counted from the method on.
  it("takes pseudo-fields in any order", function()
    local server <close> = serve(function(r) return table.concat({ r.method, r.target, r.path, r.host }, " ") end)
    local conn <close> = open(server)
    conn:write(fields(":authority", "there", ":path", "/first?x", ":scheme", "http", ":method", "GET"))
    assert.equal("GET /first?x /first there", await(conn, DATA, 1).payload)
  end)

  it("joins the crumbs of a cookie", function()
    local seen
    local server <close> = serve(function(r)
      seen = { r.headers.cookie, r.cookies.a, r.cookies.b }
      return ""
    end)
    local conn <close> = open(server)
    conn:write(with("cookie", "a=1", "cookie", "b=2"))
    await(conn, HEADERS, 1)
    assert.same({ "a=1; b=2", "1", "2" }, seen)
  end)

  it("tells nobody that a client went away in the middle of a body", function()
    local told, read = nil, rille.event()
    local server <close> = serve(function(r)
      read:set()
      return r:text()
    end, { on_error = function(err) told = err end })
    local conn = open(server)
    conn:write(post(1), frame(DATA, 0, 1, "x"))
    read:wait()
    conn:write(frame(RST, 0, 1, u32(8)), frame(PING, 0, 0, "12345678"))
    await(conn, PING)
    conn:close()
    server:stop()
    assert.is_nil(told)
  end)
end)

describe("an answer to a client that still sends", function()
  it("arrives whole, then the rest of the request is refused", function()
    local server <close> = serve(function() return "12345" end)
    local conn <close> = open(server, setting(4, 1))
    conn:write(post(1))
    local got = body(conn, 1)
    conn:write(frame(UPDATE, 0, 1, u32(4)))
    got[#got + 1] = body(conn, 4)[1]
    assert.equal("12345", table.concat(got))
    assert.equal("NO_ERROR", CODES[string.unpack(">I4", await(conn, RST, 1).payload)])
  end)
end)

describe("a server that ends", function()
  it("still takes what was on its way, then tells the last that it took", function()
    local go = rille.event()
    local server <close> = serve(function(r)
      if r.path == "/held" then go:wait() end
      return ""
    end)
    local conn <close> = open(server)
    conn:write(held(1), frame(PING, 0, 0, "12345678"))
    await(conn, PING)
    server:close()
    assert.equal(0x7fffffff, (string.unpack(">I4", await(conn, GOAWAY).payload)))
    local ping = await(conn, PING)
    conn:write(get(3))
    await(conn, HEADERS, 3)
    conn:write(frame(PING, ACK, 0, ping.payload))
    assert.equal(3, (string.unpack(">I4", await(conn, GOAWAY).payload)))
    go:set()
    await(conn, HEADERS, 1)
    rille.timeout(5, function()
      repeat until not next_frame(conn)
    end)
  end)
end)

describe("a request that its client gives up", function()
  it("cancels its handler, and no other", function()
    local started, cancelled, go = rille.event(), rille.event(), rille.event()
    local server <close> = serve(function(r)
      if r.path == "/" then
        go:wait()
        return "answered"
      end
      local _ <close> = setmetatable({}, { __close = function() cancelled:set() end })
      started:set()
      rille.sleep(60)
    end)
    local conn <close> = open(server)
    conn:write(get(1), held(3))
    started:wait()
    conn:write(frame(RST, 0, 3, u32(8)))
    rille.timeout(5, cancelled.wait, cancelled)
    go:set()
    assert.equal("answered", table.concat(body(conn, 8)))
  end)
end)

describe("a slow client", function()
  local LIMITS = { head_time = 0.03, body_time = 0.03, idle_time = 0.03, write_time = 0.03 }

  local function told(bytes, settings, done)
    local server <close> = serve(function(r)
      return r.method == "POST" and r:text() or ("x"):rep(100000)
    end, { limits = LIMITS })
    local conn <close> = open(server, settings)
    conn:write(bytes)
    return hear(conn, done or function() return false end)
  end

  it("that never ends its head is sent away", function()
    assert.equal("ENHANCE_YOUR_CALM", told(frame(HEADERS, 0, 1, GET)).goaway)
  end)

  it("that asks for nothing is sent away", function()
    assert.equal("NO_ERROR", told("").goaway)
  end)

  it("whose body does not come is told", function()
    assert.equal("other", told(post(1), nil, function(seen) return seen.stream[1] end).stream[1]) -- 408
  end)

  it("that opens no window for its answer loses it, though it keeps talking", function()
    local server <close> = serve(function() return "12345" end, { limits = LIMITS })
    local conn <close> = open(server, setting(4, 1))
    conn:write(get(1))
    rille.timeout(5, function()
      for f in next_frame, conn do
        if f.kind == RST then
          assert.equal("CANCEL", CODES[string.unpack(">I4", f.payload)])
          return
        end
        if f.kind ~= PING or f.payload ~= "12345678" then goto next end
        rille.sleep(0.005)
        ::next::
        conn:write(frame(PING, 0, 0, "12345678"))
      end
      error "the connection has ended"
    end)
  end)
end)

-- Hostile clients. The server is a process of its own, whose memory can be told.

local RUNNER = [[
  local http = require "rille.http"
  local large, count = ("x"):rep(1000000), 0
  local server = http.serve { port = 0, on_error = function() end, handler = function(r)
    count = count + 1
    if count % 10 == 0 then collectgarbage() end -- which lets 1.5 MiB lie otherwise
    return r.method == "POST" and r:text() or large
  end }
  print(server.port)
]]

local MOST = os.getenv "ASAN_OPTIONS" and 16384 or 1024 -- KiB; a sanitizer keeps what was freed

local function resident(pid, name)
  return tonumber(rille.fs.read(("/proc/%d/status"):format(pid)):match(name .. ":%s*(%d+)"))
end

describe("a hostile client", function()
  local child, server

  before_each(function()
    child = rille.process.spawn { arg[-1], "-e", RUNNER, stdin = "null", stderr = "inherit" }
    server = { port = math.tointeger(child.stdout:read "l") }
  end)

  after_each(function()
    child:kill "KILL"
    child:close()
  end)

  -- One more client, served as ever.
  local function others_are_served()
    local conn <close> = open(server)
    conn:write(get(1))
    assert.equal("200", hear(conn, function(seen) return seen.stream[1] end).stream[1])
  end

  -- What the server says to these bytes, and the KiB that it took at most for it.
  local function attack(pieces, times, done, settings)
    others_are_served()
    rille.fs.write(("/proc/%d/clear_refs"):format(child.pid), "5") -- the peak begins anew
    local before, seen = resident(child.pid, "VmRSS"), nil
    local conn <close> = open(server, settings)
    rille.group(function(g)
      g:spawn(function()
        for i = 1, times do
          if not pcall(conn.write, conn, type(pieces) == "function" and pieces(i) or pieces) then break end
        end
      end)
      seen = hear(conn, done or function() return false end)
      g:cancel()
    end)
    local grown = resident(child.pid, "VmHWM") - before
    others_are_served()
    return seen, grown
  end

  for what, case in pairs {
    ["resets what it has asked, again and again"] = { function(i)
      local parts = {}
      for k = 0, 99 do
        local id = 200 * (i - 1) + 2 * k + 1
        parts[#parts + 1] = get(id) .. frame(RST, 0, id, u32(8))
      end
      return table.concat(parts)
    end, 1000 },
    ["floods with SETTINGS"] = { frame(SETTINGS, 0, 0, ""):rep(1000), 100 },
    ["floods with SETTINGS that change things"] = { frame(SETTINGS, 0, 0, setting(4, 1) .. setting(4, 100000)):rep(1000), 100 },
    ["floods with PING"] = { frame(PING, 0, 0, "12345678"):rep(1000), 100 },
    ["floods with PRIORITY"] = { frame(PRIORITY, 0, 3, "\0\0\0\0\0"):rep(1000), 100 },
    ["floods with PRIORITY of ever new streams"] = { function(i)
      local parts = {}
      for k = 0, 99 do parts[#parts + 1] = frame(PRIORITY, 0, 200 * i + 2 * k + 1, "\0\0\0\1\0") end
      return table.concat(parts)
    end, 1000 },
    ["floods with WINDOW_UPDATE"] = { frame(UPDATE, 0, 0, u32(1)):rep(1000), 100 },
    ["floods with empty DATA"] = { function(i) return (i == 1 and post(1) or "") .. frame(DATA, 0, 1, ""):rep(1000) end, 100 },
    ["floods with padding"] = { function(i)
      return (i == 1 and post(1) or "") .. frame(DATA, PADDED, 1, "\xff" .. ("\0"):rep(255)):rep(100)
    end, 1000 },
    ["floods with empty CONTINUATION"] = { function(i)
      return (i == 1 and frame(HEADERS, END_STREAM, 1, GET) or "") .. frame(CONTINUATION, 0, 1, ""):rep(1000)
    end, 100 },
    ["floods with CONTINUATION"] = { function(i)
      return (i == 1 and frame(HEADERS, END_STREAM, 1, GET) or "") .. frame(CONTINUATION, 0, 1, field("x", ("y"):rep(120)):rep(100))
    end, 100 },
  } do
    it("that " .. what .. " is sent away, at less than 1 MiB", function()
      local seen, grown = attack(case[1], case[2])
      assert.equal("ENHANCE_YOUR_CALM", seen.goaway)
      assert.is_true(grown < MOST, grown .. " KiB")
    end)
  end

  it("that refers to one long field a hundred thousand times is refused, at less than 1 MiB", function()
    local long = "\x40" .. string.pack("s1", "x") .. "\x7f\x81\x1e" .. ("y"):rep(4000) -- goes to the table
    local bytes = frame(HEADERS, END_STREAM, 1, GET .. long)
    for i = 1, 7 do bytes = bytes .. frame(CONTINUATION, i == 7 and END_HEADERS or 0, 1, ("\xbe"):rep(16000)) end
    local seen, grown = attack(bytes, 1, function(seen) return seen.stream[1] end)
    assert.matches("_ERROR$", seen.stream[1])
    assert.is_true(grown < MOST, grown .. " KiB")
  end)

  it("whose windows are 1 does not get its answers, at less than 1 MiB", function()
    local asked = {}
    for i = 1, 100 do asked[i] = get(2 * i - 1) end
    local seen, grown = attack(table.concat(asked), 1, function(seen) return seen.stream[199] end, setting(4, 1))
    assert.equal("200", seen.stream[199])
    assert.is_true(grown < MOST, grown .. " KiB")
  end)
end)
