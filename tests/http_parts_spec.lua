-- The parts around the HTTP server: router, files, cookies, wrappers, events, JSON.
local _
local rille = require "rille"
local http = require "rille.http"
local fs = require "rille.fs"
local net = require "rille.net"

local server

local function serve(handler)
  server = http.serve { port = 0, handler = handler, on_error = function(err) io.stderr:write(tostring(err), "\n") end }
  return server
end

-- status, fields (by lower-case name), body
local function ask(method, target, fields, body)
  local conn <close> = net.connect("127.0.0.1", server.port)
  local lines = { method .. " " .. target .. " HTTP/1.1", "Host: a", "Connection: close" }
  for name, value in pairs(fields or {}) do lines[#lines + 1] = name .. ": " .. value end
  if body then lines[#lines + 1] = "Content-Length: " .. #body end
  conn:write(table.concat(lines, "\r\n"), "\r\n\r\n", body or "")
  local head, rest = conn:read("a"):match "^(.-\r\n)\r\n(.*)$"
  local got = {}
  for name, value in head:gmatch "([^\r\n:]+): ([^\r]*)\r\n" do got[name:lower()] = value end
  return tonumber(head:match "^HTTP/1.1 (%d+)"), got, rest
end

local function get(target, fields) return ask("GET", target, fields) end

describe("a router", function()
  local function make()
    local router = http.router()
    router:get("/", function() return "root" end)
    router:get("/users/:id", function(r) return "user " .. r.params.id end)
    router:post("/users", function() return { status = 201 } end)
    router:get("/users/me", function() return "me" end)
    router:get("/files/*path", function(r) return "file " .. r.params.path end)
    router:any("/any", function(r) return r.method end)
    return router
  end

  it("finds handlers by method and path", function()
    local running <close> = serve(make())
    for target, want in pairs {
      ["/"] = "root", ["/users/7"] = "user 7", ["/users/me"] = "me", ["/users/a%2Fb"] = "user a/b",
      ["/files/x/y.txt"] = "file x/y.txt", ["/files/"] = "file ", ["/any"] = "GET", ["/users/7?x=1"] = "user 7",
    } do
      local status, _, body = get(target)
      assert.same({ 200, want }, { status, body }, target)
    end
    assert.equal(201, (ask("POST", "/users")))
  end)

  it("goes on to where the method fits, and tells all that would", function()
    local router = http.router()
    router:get("/users/me", function() return "me" end)
    router:delete("/users/:id", function(r) return "gone " .. r.params.id end)
    router:put("/*", function(r) return "put " .. r.params.rest end)
    local running <close> = serve(router)
    for method, want in pairs { GET = "me", DELETE = "gone me", PUT = "put users/me" } do
      local _, _, body = ask(method, "/users/me")
      assert.equal(want, body)
    end
    local status, fields = ask("POST", "/users/me")
    assert.same({ 405, "DELETE, GET, HEAD, PUT" }, { status, fields.allow })
  end)

  it("knows a segment in whichever way it is escaped", function()
    local router = http.router()
    router:get("/über/:name", function(r) return "found " .. r.params.name end)
    local running <close> = serve(router)
    local _, _, body = get "/%C3%BCber/%7Ea%25"
    assert.equal("found ~a%", body)
  end)

  it("tells what is missing and what is not allowed", function()
    local running <close> = serve(make())
    assert.equal(404, (get "/nothing"))
    assert.equal(404, (get "/users/7/more"))
    local status, fields = ask("DELETE", "/users/7")
    assert.same({ 405, "GET, HEAD" }, { status, fields.allow })
    assert.equal(204, (ask("OPTIONS", "/users/7")))
    assert.equal(400, (get "/users/%zz"))
  end)

  it("calls its wrappers around every handler, in order", function()
    local router = http.router()
    for i = 1, 2 do
      router:use(function(request, next)
        request.seen = (request.seen or "") .. i
        return next(request) .. i
      end)
    end
    router:get("/", function(request) return request.seen .. "|" end)
    local running <close> = serve(router)
    local _, _, body = get "/"
    assert.equal("12|21", body)
  end)

  it("calls what is inside a wrapper as often as that likes", function()
    local router, checked = http.router(), 0
    router:use(function(request, next) return next(request) .. next(request) end)
    router:use(function(request, next)
      checked = checked + 1
      return next(request)
    end)
    router:get("/", function() return checked end)
    local running <close> = serve(router)
    local _, _, body = get "/"
    assert.equal("12", body)
  end)

  it("refuses patterns that cannot be", function()
    for _, pattern in ipairs { "x", "/:", "/*a/b" } do
      assert.has_error(function() http.router():get(pattern, print) end)
    end
  end)
end)

describe("files", function()
  local root

  before_each(function()
    root = fs.temp_dir()
    root = tostring(root)
    fs.mkdir(root .. "/pub/sub", { parents = true })
    fs.write(root .. "/secret", "secret")
    fs.write(root .. "/pub/index.html", "<p>index")
    fs.write(root .. "/pub/data.txt", "0123456789")
    fs.write(root .. "/pub/empty", "")
    fs.write(root .. "/pub/.hidden", "hidden")
    fs.symlink(root .. "/secret", root .. "/pub/link")
  end)

  after_each(function() fs.remove(root, { recursive = true }) end)

  it("are served with their type, size and conditions", function()
    local running <close> = serve(http.static(root .. "/pub"))
    local status, fields, body = get "/data.txt"
    assert.same({ 200, "0123456789", "10", "text/plain; charset=utf-8" },
      { status, body, fields["content-length"], fields["content-type"] })
    assert.equal(304, (get("/data.txt", { ["If-None-Match"] = fields.etag })))
    assert.equal(304, (get("/data.txt", { ["If-Modified-Since"] = fields["last-modified"] })))
    for date, want in pairs {
      ["Sunday, 06-Nov-94 08:49:37 GMT"] = 200, ["Sun Nov  6 08:49:37 1994"] = 200, ["Sunday, 06-Nov-69 08:49:37 GMT"] = 304,
      ["Sun Nov 16 08:49:37 2069"] = 304, ["Sun Nov 16 08:49:37 206x"] = 200, ["Sunday, 06-Nov-69 08:49:37"] = 200,
      ["Sun, 06 Nov 2069 08:61:37 GMT"] = 200, [", "] = 200, ["Sun,"] = 200, ["Sunday, "] = 200,
    } do
      assert.equal(want, (get("/data.txt", { ["If-Modified-Since"] = date })), date)
    end
    assert.equal(304, (get("/data.txt", { ["If-None-Match"] = '"x", W/' .. fields.etag })))
    assert.equal(304, (get("/data.txt", { ["If-None-Match"] = "*" })))
    assert.equal(200, (get("/data.txt", { ["If-Match"] = '"x", ' .. fields.etag })))
    assert.equal(412, (get("/data.txt", { ["If-Match"] = "W/" .. fields.etag })))
    assert.equal(412, (get("/data.txt", { ["If-Unmodified-Since"] = "Sun, 06 Nov 1994 08:49:37 GMT" })))
    assert.equal(200, (get("/data.txt", { ["If-Unmodified-Since"] = fields["last-modified"] })))
    assert.equal(200, (get("/data.txt", { ["If-Modified-Since"] = "Sun, 06 Nov 99999 08:49:37 GMT" })))
    assert.equal(200, (get("/data.txt", { ["If-None-Match"] = ('"x", '):rep(2000) })))
    status, fields, body = ask("HEAD", "/data.txt")
    assert.same({ 200, "10", "" }, { status, fields["content-length"], body })
    _, _, body = get "/"
    assert.equal("<p>index", body)
    status, _, body = get "/empty"
    assert.same({ 200, "" }, { status, body })
    status, fields = get "/sub"
    assert.same({ 301, "/sub/" }, { status, fields.location })
    assert.equal(405, (ask("POST", "/data.txt")))
  end)

  it("as the body of an error have no conditions and no parts", function()
    local running <close> = serve(function() return http.file(root .. "/pub/data.txt", { status = 404 }) end)
    local status, _, body = get("/", { ["If-None-Match"] = "*", Range = "bytes=0-1" })
    assert.same({ 404, "0123456789" }, { status, body })
  end)

  it("to be kept have a name that every browser reads", function()
    local name
    local running <close> = serve(function() return http.file(root .. "/pub/data.txt", { download = name }) end)
    for given, want in pairs {
      ["a b.txt"] = 'attachment; filename="a b.txt"',
      ["naïve €.txt"] = "attachment; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt",
    } do
      name = given
      local _, fields = get "/"
      assert.equal(want, fields["content-disposition"])
    end
  end)

  it("are closed when they were sent, not sent, or not taken, over both versions", function()
    local opened = {}
    fs.write(root .. "/pub/large", ("x"):rep(3000000))
    local running <close> = serve(function(r)
      local answer = http.file(root .. "/pub/large"):respond(r)
      if type(answer.body) == "table" then opened[#opened + 1] = answer.body.file end
      return answer
    end)
    for _, version in ipairs { "1.1", "2-prior" } do
      http.head(running.url, { version = version })
      http.get(running.url, { version = version })
      local cut <close> = http.get(running.url, { version = version, stream = true })
      cut.body:read(1)
    end
    running:stop()
    assert.equal(6, #opened)
    for _, file in ipairs(opened) do assert.error_matches(function() file:read(1) end, "closed") end
  end)

  it("are served in part", function()
    local running <close> = serve(http.static(root .. "/pub"))
    for range, want in pairs {
      ["bytes=0-3"] = { 206, "0123", "bytes 0-3/10" }, ["bytes=7-"] = { 206, "789", "bytes 7-9/10" },
      ["bytes=-2"] = { 206, "89", "bytes 8-9/10" }, ["bytes=5-99"] = { 206, "56789", "bytes 5-9/10" },
      ["bytes=10-"] = { 416, "", "bytes */10" }, ["bytes=-0"] = { 416, "", "bytes */10" },
      ["bytes=5-2"] = { 200, "0123456789" }, ["bytes=0-1,3-4"] = { 200, "0123456789" }, ["lines=1-2"] = { 200, "0123456789" },
      ["bytes=-"] = { 200, "0123456789" },
    } do
      local status, fields, body = get("/data.txt", { Range = range })
      assert.same(want, { status, body, fields["content-range"] }, range)
    end
    local many = {}
    for i = 0, 999 do many[#many + 1] = i .. "-" end
    local status, _, body = get("/data.txt", { Range = "bytes=" .. table.concat(many, ",") })
    assert.same({ 200, 10 }, { status, #body })
  end)

  -- Bytes that tell where they stand.
  local function counted(size)
    local parts = {}
    for i = 1, size // 8 do parts[i] = ("%08d"):format(i) end
    return table.concat(parts)
  end

  it("that are large arrive whole at a slow reader, and in part", function()
    local data = counted(4000000)
    fs.write(root .. "/pub/large", data)
    local running <close> = serve(http.static(root .. "/pub"))
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write "GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /data.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert.matches("Content%-Length: 4000000", conn:read_until "\r\n\r\n")
    local parts, size = {}, 0
    while size < #data do
      parts[#parts + 1] = conn:read(math.min(100000, #data - size))
      size = size + #parts[#parts]
      if #parts % 10 == 0 then rille.sleep(0.001) end
    end
    assert.is_true(table.concat(parts) == data)
    assert.matches("^HTTP/1.1 200 .*\r\n\r\n0123456789$", conn:read "a")
    local status, fields, body = get("/large", { Range = "bytes=1000000-2999999" })
    assert.same({ 206, "bytes 1000000-2999999/4000000" }, { status, fields["content-range"] })
    assert.is_true(body == data:sub(1000001, 3000000))
    status, _, body = ask("HEAD", "/large")
    assert.same({ 200, "" }, { status, body })
  end)

  it("that shrink while they are sent end the connection", function()
    fs.write(root .. "/pub/large", ("x"):rep(24000000))
    local told
    local running <close> = http.serve { port = 0, handler = http.static(root .. "/pub"), on_error = function(err) told = tostring(err) end }
    server = running
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write(("GET /large HTTP/1.1\r\nHost: a\r\n\r\n"):rep(2))
    conn:read_until "\r\n\r\n"
    fs.write(root .. "/pub/large", "")
    local rest = rille.timeout(10, conn.read, conn, "a")
    assert.is_true(#rest < 24000000)
    assert.is_nil(rest:find("HTTP/1.1", 1, true))
    assert.matches("before its Content%-Length", told)
  end)

  it("whose client goes away are nobody's error", function()
    fs.write(root .. "/pub/large", ("x"):rep(6000000))
    local told
    local running = http.serve { port = 0, handler = http.static(root .. "/pub"), on_error = function(err) told = tostring(err) end }
    for _ = 1, 5 do
      local conn = net.connect("127.0.0.1", running.port)
      conn:write "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
      conn:read(1000)
      conn:close()
    end
    running:stop()
    assert.is_nil(told)
  end)

  it("are served behind links that stay inside", function()
    fs.symlink(root .. "/pub/data.txt", root .. "/pub/absolute")
    fs.symlink("../data.txt", root .. "/pub/sub/relative")
    fs.symlink(root .. "/pub/sub", root .. "/pub/below")
    local running <close> = serve(http.static(root .. "/pub"))
    for _, target in ipairs { "/absolute", "/sub/relative", "/below/relative" } do
      local status, _, body = get(target)
      assert.same({ 200, "0123456789" }, { status, body }, target)
    end
  end)

  it("that have changed are answered anew", function()
    local running <close> = serve(http.static(root .. "/pub"))
    local _, before = get "/data.txt"
    fs.write(root .. "/pub/data.txt", "other")
    local status, after, body = get("/data.txt", { ["If-None-Match"] = before.etag })
    assert.same({ 200, "5", "other" }, { status, after["content-length"], body })
    assert.not_equal(before.etag, after.etag)
  end)

  it("outside the root are never served", function()
    local running <close> = serve(http.static(root .. "/pub"))
    rille.process.run { "mkfifo", root .. "/pub/fifo" }
    fs.symlink("/dev/zero", root .. "/pub/zero")
    fs.symlink("/", root .. "/pub/all")
    for _, target in ipairs {
      "/../secret", "/%2e%2e/secret", "/..%2fsecret", "/%252e%252e/secret", "/sub/..%5c..%5csecret", "/sub/../../secret",
      "//etc/passwd", "/%00", "/data.txt%00.html", "/link", "/.hidden", "/./data.txt", "/sub/%2e%2e/%2e%2e/secret", "/fifo", "/zero",
      "/all/etc/passwd", "/a/..\\..\\", "/\\..\\secret", "/..;/secret", "/%2e%2e%2fsecret", "/%c0%ae%c0%ae/secret", "/.%00./secret",
      "/pub/../../secret", "/data.txt/", "/data.txt/../../secret", "http://a/../secret", "/nothing",
    } do
      local status, _, body = get(target)
      assert.is_true(status == 404 or status == 400 or status == 403, target .. ": " .. status)
      assert.is_nil(body:find "^secret", target)
    end
  end)
end)

describe("an answer", function()
  it("of JSON, HTML or a redirect has the right fields", function()
    local router = http.router()
    router:get("/json", function() return http.json({ a = 1 }, { status = 202 }) end)
    router:get("/html", function() return http.html "<p>" end)
    router:get("/go", function() return http.redirect("/there", 303) end)
    router:post("/echo", function(r) return http.json(r:json()) end)
    local running <close> = serve(router)
    local status, fields, body = get "/json"
    assert.same({ 202, "application/json", '{"a":1}' }, { status, fields["content-type"], body })
    _, fields = get "/html"
    assert.equal("text/html; charset=utf-8", fields["content-type"])
    status, fields = get "/go"
    assert.same({ 303, "/there" }, { status, fields.location })
    _, _, body = ask("POST", "/echo", nil, "[1,2]")
    assert.equal("[1,2]", body)
    assert.equal(400, (ask("POST", "/echo", nil, "[1,")))
  end)

  it("of events is a stream of them", function()
    local running <close> = serve(function()
      return http.sse(function(send)
        send("one\ntwo", { id = 1, event = "tick" })
        rille.sleep(0.001)
        send "end"
      end)
    end)
    local _, fields, body = get "/"
    assert.equal("text/event-stream", fields["content-type"])
    assert.matches("event: tick\nid: 1\ndata: one\ndata: two\n\n", body)
    assert.matches("data: end\n\n", body)
  end)

  it("of events closes what its producer holds when the client goes, wherever that waits", function()
    for _, version in ipairs { "1.1", "2-prior" } do
      local closed, held = rille.event(), 0
      local running <close> = serve(function()
        return http.sse(function(send)
          local _ <close> = setmetatable({}, { __close = function()
            rille.yield() -- cleanup may wait
            held = held + 1
            closed:set()
          end })
          while true do send(("x"):rep(60000)) end
        end)
      end)
      local answer = http.get(running.url, { version = version, stream = true })
      answer.body:read(1)
      rille.sleep(0.01) -- the windows fill
      answer:close()
      rille.timeout(5, closed.wait, closed)
      assert.equal(1, held, version)
    end
  end)

  it("of events tells how its producer fails when the client has gone", function()
    for _, version in ipairs { "1.1", "2-prior" } do
      for _, try in ipairs { function(f, ...) f(...) end, pcall } do
        local told, errors = rille.event(), {}
        local function on_error(err)
          errors[#errors + 1] = tostring(err)
          told:set()
        end
        local running <close> = http.serve { port = 0, on_error = on_error, handler = function()
          return http.sse(function(send)
            local _ <close> = setmetatable({}, { __close = function() error("cleanup", 0) end })
            while true do try(send, ("x"):rep(60000)) end
          end)
        end }
        local answer = http.get(running.url, { version = version, stream = true })
        answer.body:read(1)
        rille.sleep(0.01) -- the windows fill
        answer:close()
        rille.timeout(5, told.wait, told)
        assert.same({ "cleanup" }, errors, version)
      end
    end
  end)

  it("of events names the line that sends what is none", function()
    local told = {}
    local running <close> = serve(function()
      return http.sse(function(send)
        for _, options in ipairs { { evnt = 1 }, { id = "a\nb" } } do
          told[#told + 1] = select(2, pcall(function() send("x", options) end))
        end
      end)
    end)
    assert.equal(200, (get "/"))
    assert.matches("^tests/http_parts_spec.lua:%d+: send: unknown option 'evnt'", told[1])
    assert.matches("^tests/http_parts_spec.lua:%d+: id holds a line end", told[2])
  end)

  it("of events is sent by its producer alone", function()
    local told
    local running <close> = serve(function()
      return http.sse(function(send)
        local other = rille.async(send)("stray")
        told = select(2, pcall(other.await, other))
        send "own"
      end)
    end)
    local _, _, body = get "/"
    assert.matches("data: own\n", body)
    assert.matches("only the coroutine of its producer", tostring(told))
  end)
end)

describe("cookies", function()
  it("are written safe by default, and refuse what would break out", function()
    assert.equal("a=b; Path=/; SameSite=Lax; HttpOnly", http.cookie("a", "b"))
    assert.equal("a=b; Path=/x; Max-Age=60; SameSite=Strict; Secure",
      http.cookie("a", "b", { path = "/x", max_age = 60, same_site = "Strict", secure = true, http_only = false }))
    for _, value in ipairs { "a;b", "a\r\nb", 'a"', "a b" } do
      assert.has_error(function() http.cookie("a", value) end)
    end
    assert.has_error(function() http.cookie("a b", "c") end)
  end)

  it("that are signed cannot be changed", function()
    local secret = "a secret of some length"
    local signed = http.sign("user=7; admin", secret)
    assert.equal("user=7; admin", http.unsign(signed, secret))
    assert.is_nil(http.unsign("x" .. signed, secret))
    assert.is_nil(http.unsign(signed, secret .. "!"))
    assert.is_nil(http.unsign(nil, secret))
  end)
end)

describe("a wrapper", function()
  local function wrapped(wrap, handler)
    local router = http.router()
    router:use(wrap)
    router:any("/*", handler)
    return serve(router)
  end

  it("for other origins answers preflights and names who may", function()
    local cors = http.cors { origins = { "http://good" }, expose = { "ETag", "X-Total" } }
    local running <close> = wrapped(cors, function() return "x" end)
    local status, fields = ask("OPTIONS", "/", { Origin = "http://good", ["Access-Control-Request-Method"] = "PUT" })
    assert.same({ 204, "http://good" }, { status, fields["access-control-allow-origin"] })
    assert.matches("PUT", fields["access-control-allow-methods"])
    assert.is_nil(fields["access-control-expose-headers"])
    _, fields = get("/", { Origin = "http://good" })
    assert.equal("ETag, X-Total", fields["access-control-expose-headers"])
    _, fields = get("/", { Origin = "http://bad" })
    assert.is_nil(fields["access-control-allow-origin"])
  end)

  it("for other origins shows them errors that are answers", function()
    local running <close> = wrapped(http.cors { origins = "*" }, function() http.error(403, "not you") end)
    local status, fields, body = get("/", { Origin = "http://any" })
    assert.same({ 403, "*", "not you\n" }, { status, fields["access-control-allow-origin"], body })
  end)

  it("compresses what is worth it, for those who can read it", function()
    local text = ("text "):rep(1000)
    local running <close> = wrapped(http.compress(), function() return text end)
    local _, fields, body = get("/", { ["Accept-Encoding"] = "br, gzip" })
    assert.equal("gzip", fields["content-encoding"])
    assert.is_true(rille.zip.gunzip(body) == text)
    _, fields, body = get("/", { ["Accept-Encoding"] = "gzip;q=0" })
    assert.is_nil(fields["content-encoding"])
    assert.is_true(body == text)
  end)

  it("around a handler that forgot its answer makes none of it", function()
    for _, wrap in ipairs { http.compress(), http.cors { origins = { "http://good" } } } do
      local running <close> = wrapped(wrap, function() end)
      for _, origin in ipairs { "http://good", "http://bad" } do assert.equal(500, (get("/", { Origin = origin }))) end
    end
  end)

  it("logs a line for each answer, escaped", function()
    local lines = {}
    local running <close> = wrapped(http.log(function(line) lines[#lines + 1] = line end), function(r)
      if r.path == "/bad" then http.error(418) end
      return "x"
    end)
    get('/a"b', { ["User-Agent"] = 'me\xff" \\' })
    get "/bad"
    assert.matches('"GET /a\\x22b" 200 .* "me\\xff\\x22 \\x5c"$', lines[1])
    assert.matches('"GET /bad" 418 ', lines[2])
  end)

  it("tells counters to Prometheus", function()
    local running <close> = serve(http.metrics(function() return server end))
    get "/"
    local _, _, body = get "/"
    assert.matches("# TYPE rille_http_requests counter\nrille_http_requests 2\n", body)
  end)
end)
