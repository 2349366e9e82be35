-- HTTP/2: the same handlers, flow control, draining. Frame by frame: http_h2_frames_spec.lua.
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
    conn:write("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert.matches("^HTTP/1.1 200 .*HTTP/1.1 505 ", conn:read "a")
  end)

  it("leaves out of an answer what belongs to a connection of HTTP/1", function()
    local server <close> = serve(function()
      return { headers = { Connection = "close", ["Keep-Alive"] = "x", ["Proxy-Connection"] = "x", Upgrade = "x", TE = "x", A = "b" }, body = "" }
    end)
    local headers = fetch(server, "/").headers
    headers.date = nil
    setmetatable(headers, nil)
    assert.same({ a = "b", ["content-length"] = "0", ["content-type"] = "text/plain; charset=utf-8" }, headers)
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

  it("gives a body larger than its windows as one text", function()
    local server <close> = serve(function(r) return tostring(#r:text()) end)
    assert.equal("3000003", fetch(server, "/", { body = ("x"):rep(3000003) }).body)
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

  it("outlives a handler's failing child", function()
    local server <close> = serve(function(r)
      if r.path == "/bad" then
        rille.spawn(error, "the child")
        rille.sleep(0.001)
      end
      return "x"
    end)
    assert.equal(500, fetch(server, "/bad").status)
    assert.equal("x", fetch(server, "/").body)
  end)

  it("loses no other request to a handler whose cleanup fails when its client gives up", function()
    local go, errors = rille.event(), {}
    local server <close> = serve(function(r)
      if r.path == "/other" then
        go:wait()
        rille.sleep(0.02) -- what the failure ends has ended
        return "other"
      end
      local _ <close> = setmetatable({}, { __close = function()
        go:set()
        error "cleanup"
      end })
      rille.sleep(60)
    end, { on_error = function(err) errors[#errors + 1] = tostring(err) end })
    -- Two requests, then RST_STREAM of the first.
    local conn <close> = net.connect("127.0.0.1", server.port)
    local function frame(kind, flags, id, payload) return string.pack(">I3BBI4", #payload, kind, flags, id) .. payload end
    local function head(path) return "\x82\x86\x04" .. string.char(#path) .. path .. "\x41\x01a" end
    conn:write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(4, 0, 0, ""), frame(1, 5, 1, head "/bad"), frame(1, 5, 3, head "/other"),
      frame(6, 0, 0, "12345678"))
    local function next_frame()
      local size, kind, _, id = string.unpack(">I3BBI4", conn:read(9))
      return kind, id, size > 0 and conn:read(size) or ""
    end
    repeat local kind = next_frame() until kind == 6 -- both have begun
    conn:write(frame(3, 0, 1, "\0\0\0\8"))
    local kind, id, payload
    repeat kind, id, payload = next_frame() until kind == 0
    assert.same({ 3, "other" }, { id, payload })
    assert.equal(1, #errors)
    assert.matches("cleanup", errors[1])
  end)

  it("is counted", function()
    local server <close> = serve(function(r) return { status = tonumber(r.path:sub(2)) } end)
    for _, status in ipairs { 200, 204, 404, 503 } do fetch(server, "/" .. status) end
    local stats = server:stats()
    assert.same({ 4, 2, 1, 1 }, { stats.requests, stats.answers_2xx, stats.answers_4xx, stats.answers_5xx })
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
