-- HTTP/2: the same handlers, flow control, floods, what RFC 9113 forbids.
local rille = require "rille"
local http = require "rille.http"
local net = require "rille.net"

local function serve(handler, options)
  options = options or {}
  options.port, options.handler, options.on_error = 0, handler, options.on_error or function() end
  return http.serve(options)
end

local function fetch(server, path, options)
  options = options or {}
  options.version, options.url = "2-prior", server.url .. path
  return http.fetch(options)
end

-- Frames by hand.

local PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
local DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9

local function frame(kind, flags, stream, payload)
  return string.pack(">I3BBI4", #payload, kind, flags, stream) .. payload
end

local function field(name, value) -- a literal without indexing
  return "\0" .. string.pack("s1s1", name, value)
end

local GET = field(":method", "GET") .. field(":scheme", "http") .. field(":path", "/") .. field(":authority", "a")

local function open(server)
  local conn = net.connect("127.0.0.1", server.port)
  conn:write(PREFACE, frame(SETTINGS, 0, 0, ""))
  return conn
end

-- Reads frames until GOAWAY, a reset, or the end: what, and the error code.
local function verdict(conn)
  return rille.timeout(5, function()
    while true do
      local ok, head = pcall(conn.read, conn, 9)
      if not ok or not head or #head < 9 then return "end" end
      local size, kind = string.unpack(">I3B", head)
      local payload = size > 0 and conn:read(size) or ""
      if kind == GOAWAY then return "goaway", (string.unpack(">I4", payload, 5)) end
      if kind == RST then return "reset", (string.unpack(">I4", payload)) end
    end
  end)
end

local function told(bytes)
  local server <close> = serve(function() return "x" end)
  local conn <close> = open(server)
  pcall(conn.write, conn, bytes)
  local what, code = verdict(conn)
  assert.equal("x", fetch(server, "/").body) -- others are still served
  return what, code
end

describe("HTTP/2", function()
  it("has the same requests and answers", function()
    local server <close> = serve(function(r)
      if r.path == "/echo" then return r.headers["content-type"] .. r:text() end
      return http.json { r.method, r.path, r.query.a, r.version, r.host ~= nil, r.headers["x-A"] }
    end)
    local answer = fetch(server, "/p%20q?a=1", { headers = { ["X-A"] = "v" } })
    assert.same({ 200, "2", '["GET","/p q","1","2",true,"v"]' }, { answer.status, answer.version, answer.body })
    assert.equal("application/octet-streambody", fetch(server, "/echo", { body = "body" }).body)
    assert.equal("", fetch(server, "/", { method = "HEAD" }).body)
  end)

  it("begins a connection, or is refused", function()
    local server <close> = serve(function() return "x" end)
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write("GET / HTTP/1.1\r\nHost: a\r\n\r\n", PREFACE)
    assert.matches("^HTTP/1.1 200 .*HTTP/1.1 505 ", conn:read "a")
  end)

  it("is agreed on by ALPN", function()
    local dir = rille.fs.temp_dir()
    local cert, key = dir .. "/cert.pem", dir .. "/key.pem"
    rille.process.run { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
      "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", check = true }
    local server <close> = serve(function(r) return r.scheme .. " " .. r.version end, { tls = { cert = cert, key = key } })
    for _, version in ipairs { "2", "1.1" } do
      local answer = http.get(server.url, { tls = { ca_file = cert }, version = version })
      assert.equal("https " .. version, answer.body)
    end
    assert.is_false((pcall(http.get, server.url))) -- nobody vouches for it
    rille.fs.remove(dir, { recursive = true })
  end)

  it("carries large bodies both ways, under flow control", function()
    local server <close> = serve(function(r)
      local size = 0
      for chunk in r.body:chunks() do
        size = size + #chunk
        if size % 3 == 0 then rille.yield() end
      end
      local n = 0
      return { body = function()
        n = n + 1
        return n <= 100 and tostring(size % 10):rep(30000) or nil
      end }
    end)
    local answer = fetch(server, "/", { body = ("x"):rep(3000003) })
    assert.equal(3000000, #answer.body)
    assert.equal(("3"):rep(10), answer.body:sub(-10))
  end)

  it("answers many at once on one connection", function()
    local server <close> = serve(function(r)
      rille.sleep(0.001)
      return r.path
    end)
    local paths = {}
    for i = 1, 100 do paths[i] = "/" .. i end
    local bodies = rille.map(paths, function(path) return fetch(server, path).body end, { concurrency = 50 })
    assert.equal(table.concat(paths), table.concat(bodies))
  end)

  it("tells errors as HTTP/1 does", function()
    local told_to
    local server <close> = serve(function(r)
      if r.path == "/boom" then error "boom" end
      if r.path == "/404" then http.error(404, "none") end
      if r.path == "/bad" then return { headers = { ["A B"] = "c" } } end
      if r.path == "/nil" then return nil end
      return r:text()
    end, { limits = { body = 10 }, on_error = function(err) told_to = tostring(err) end })
    assert.equal(500, fetch(server, "/boom").status)
    assert.matches("boom", told_to)
    assert.equal(500, fetch(server, "/bad").status)
    assert.equal(500, fetch(server, "/nil").status)
    assert.same({ 404, "none\n" }, { fetch(server, "/404").status, fetch(server, "/404").body })
    assert.equal(413, fetch(server, "/", { body = ("x"):rep(100) }).status)
  end)

  it("cuts off an answer that fails half way", function()
    local server <close> = serve(function()
      local n = 0
      return { body = function()
        n = n + 1
        if n == 2 then error "half" end
        return "piece"
      end }
    end)
    assert.is_false((pcall(fetch, server, "/")))
  end)

  it("cancels nothing but lets the client go: the handler hears of it", function()
    local over = rille.event()
    local server <close> = serve(function()
      return { body = function()
        local _ <close> = setmetatable({}, { __close = function() over:set() end })
        rille.sleep(0.001)
        return ("x"):rep(100000)
      end }
    end)
    local answer = fetch(server, "/", { stream = true })
    answer.body:read()
    answer:close()
    rille.timeout(5, over.wait, over)
    server:stop()
  end)

  it("drains", function()
    local started = rille.event()
    local server = serve(function()
      started:set()
      rille.sleep(0.03)
      return "done"
    end)
    local answer = rille.async(fetch)(server, "/")
    started:wait()
    server:stop()
    assert.equal("done", answer:await().body)
  end)
end)

describe("a hostile client", function()
  local CALM, PROTOCOL, FLOW, SIZE, COMPRESSION = 11, 1, 3, 6, 9

  local function sent_away(bytes)
    local server <close> = serve(function() return "x" end)
    local conn <close> = open(server)
    pcall(conn.write, conn, bytes)
    local what, code
    repeat what, code = verdict(conn) until what ~= "reset"
    assert.is_true(what == "end" or code == CALM, what)
    assert.equal("x", fetch(server, "/").body) -- others are still served
  end

  it("that resets what it has asked, again and again, is sent away", function()
    local parts = {}
    for i = 1, 5000 do parts[i] = frame(HEADERS, 5, 2 * i - 1, GET) .. frame(RST, 0, 2 * i - 1, "\0\0\0\8") end
    sent_away(table.concat(parts))
  end)

  for name, one in pairs {
    SETTINGS = frame(SETTINGS, 0, 0, ""), PING = frame(PING, 0, 0, "12345678"),
    PRIORITY = frame(PRIORITY, 0, 3, "\0\0\0\0\0"), ["WINDOW_UPDATE"] = frame(UPDATE, 0, 0, "\0\0\0\1"),
  } do
    it("that floods with " .. name .. " is sent away", function()
      sent_away(one:rep(20000))
    end)
  end

  it("that floods with empty DATA is sent away", function()
    sent_away(frame(HEADERS, 4, 1, GET) .. frame(DATA, 0, 1, ""):rep(20000))
  end)

  it("that never ends a head is sent away", function()
    local server <close> = serve(function() return "x" end)
    local conn <close> = open(server)
    pcall(conn.write, conn, frame(HEADERS, 0, 1, GET), frame(CONTINUATION, 0, 1, field("x", ("y"):rep(200))):rep(5000))
    local what
    repeat what = verdict(conn) until what ~= "reset"
    assert.is_true(what == "goaway" or what == "end")
  end)

  it("that references one long field a thousand times is not served", function()
    local long = "\x40" .. string.pack("s1", "x") .. "\x7f\x81\x1e" .. ("y"):rep(4000) -- indexed
    local served = false
    local server <close> = serve(function() served = true end)
    local conn <close> = open(server)
    conn:write(frame(HEADERS, 5, 1, GET .. long .. ("\xbe"):rep(1000)))
    rille.timeout(5, function()
      repeat
        local size, kind = string.unpack(">I3B", conn:read(9))
        conn:read(size)
      until kind == HEADERS or kind == GOAWAY or kind == RST
    end)
    assert.is_false(served)
  end)

  for name, case in pairs {
    ["a window that overflows"] = { "goaway", FLOW, frame(UPDATE, 0, 0, "\x7f\xff\xff\xff"):rep(2) },
    ["a frame over the size"] = { "goaway", SIZE, frame(DATA, 0, 1, ("x"):rep(20000)) },
    ["DATA on stream 0"] = { "goaway", PROTOCOL, frame(DATA, 0, 0, "x") },
    ["an even stream"] = { "goaway", PROTOCOL, frame(HEADERS, 5, 2, GET) },
    ["a PING of 7 bytes"] = { "goaway", SIZE, frame(PING, 0, 0, "1234567") },
    ["a malformed header block"] = { "goaway", COMPRESSION, frame(HEADERS, 5, 1, "\xff\xff\xff\xff\xff\xff") },
    ["an upper-case name"] = { "reset", PROTOCOL, frame(HEADERS, 5, 1, GET .. field("X-Y", "z")) },
    ["Connection"] = { "reset", PROTOCOL, frame(HEADERS, 5, 1, GET .. field("connection", "close")) },
    ["two methods"] = { "reset", PROTOCOL, frame(HEADERS, 5, 1, GET .. field(":method", "PUT")) },
    ["no path"] = { "reset", PROTOCOL, frame(HEADERS, 5, 1, field(":method", "GET") .. field(":scheme", "http")) },
    ["less than its content-length"] = { "reset", PROTOCOL, frame(HEADERS, 4, 1, GET .. field("content-length", "5"))
      .. frame(DATA, 1, 1, "four") },
    ["a line end in a value"] = { "reset", PROTOCOL, frame(HEADERS, 5, 1, GET .. field("x", "a\r\nb: c")) },
  } do
    it("sending " .. name .. " is told", function()
      local what, code = told(case[3])
      assert.same({ case[1], case[2] }, { what, code })
    end)
  end
end)
