-- The HTTP/1 server: raw requests and what must come of them; handlers that do wrong; limits; draining.
local rille = require "rille"
local http = require "rille.http"
local net = require "rille.net"

local function serve(handler, options)
  options = options or {}
  options.port, options.handler = 0, handler
  options.on_error = options.on_error or function() end
  return http.serve(options)
end

-- Everything the server answers to `bytes`, until it closes.
local function raw(server, bytes, keep_open)
  local conn <close> = net.connect("127.0.0.1", server.port)
  pcall(conn.write, conn, bytes)
  if not keep_open then pcall(conn.shutdown, conn) end
  local got = {}
  while true do
    local ok, chunk = pcall(conn.read, conn)
    if not ok or not chunk then break end
    got[#got + 1] = chunk
  end
  return table.concat(got)
end

local function get(server, path, fields)
  return raw(server, "GET " .. path .. " HTTP/1.1\r\nHost: a\r\n" .. (fields or "") .. "\r\n")
end

local function statuses(answer)
  local list = {}
  for status in answer:gmatch "HTTP/1%.1 (%d%d%d) " do
    if status ~= "100" then list[#list + 1] = status end
  end
  return table.concat(list, " ")
end

local function unescape(text)
  return (text:gsub("\\(.)(%x?%x?)", function(c, hex)
    if c == "x" then return string.char(tonumber(hex, 16)) end
    return (({ r = "\r", n = "\n", t = "\t" })[c] or c) .. hex
  end))
end

local function corpus()
  local cases, case = {}, nil
  for line in io.lines "tests/data/http1_corpus.txt" do
    local word, rest = line:match "^(%l+) (.*)$"
    if word == "case" then
      case = { name = rest, bytes = {} }
      cases[#cases + 1] = case
    elseif word == "send" then
      local times, text = rest:match '^(%d*) ?"(.*)"$'
      case.bytes[#case.bytes + 1] = unescape(text):rep(tonumber(times) or 1)
    elseif word == "want" then
      case.want = rest
    end
  end
  return cases
end

describe("raw requests", function()
  it("come to what the corpus says, and nothing behind a refused one is served", function()
    local served = {}
    local server <close> = serve(function(request)
      served[#served + 1] = request.target
      return tostring(#request:text())
    end)
    for _, case in ipairs(corpus()) do
      local want = {}
      for outcome in case.want:gmatch "%S+" do
        if outcome ~= "more" then want[#want + 1] = outcome:match "^ok" and "200" or outcome end
      end
      local got = raw(server, table.concat(case.bytes))
      -- A body cut short by the end of the stream may be answered with 400, or not at all.
      local all = statuses(got)
      local expected = table.concat(want, " ")
      if case.want:find "more" then all = all:gsub(" ?400$", "") end
      assert.equal(expected, all, case.name)
    end
    for _, target in ipairs(served) do assert.not_equal("/smuggled", target) end
  end)

  it("are served when they arrive byte by byte", function()
    local server <close> = serve(function(request) return request:text() end)
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:set { nodelay = true }
    for c in ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"):gmatch "." do
      conn:write(c)
      rille.yield()
    end
    conn:shutdown()
    assert.matches("\r\n\r\nabc$", conn:read "a")
  end)

  it("pipelined by the thousand are answered in order", function()
    local server <close> = serve(function(request) return request.path end)
    local parts, want = {}, {}
    for i = 1, 2000 do
      parts[i] = ("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"):format(i)
      want[i] = "/" .. i
    end
    local got = {}
    for path in raw(server, table.concat(parts)):gmatch "\r\n\r\n(/%d+)" do got[#got + 1] = path end
    assert.same(want, got)
  end)
end)

describe("a request", function()
  it("shows its parts", function()
    local seen
    local server <close> = serve(function(r)
      seen = { r.method, r.path, r.raw_path, r.query.a, r.query_string, r.headers["x-THING"], r.cookies.k, r.host,
        r.version, r.scheme, r.target }
      return "ok"
    end)
    get(server, "/a%20b?a=%41+c&a=2", "X-Thing: v\r\nCookie: k=v; z=1\r\n")
    assert.same({ "GET", "/a b", "/a%20b", "A c", "a=%41+c&a=2", "v", "v", "a", "1.1", "http", "/a%20b?a=%41+c&a=2" }, seen)
  end)

  it("whose target names a host is for that host, whatever Host says", function()
    local seen
    local server <close> = serve(function(r)
      seen = { r.host, r.headers.host, r.path }
      return ""
    end)
    raw(server, "GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.same({ "b:81", "b:81", "/x" }, seen)
    raw(server, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.same({ "a", "a", "*" }, seen)
  end)

  it("with a bad escape is answered with 400", function()
    local server <close> = serve(function(r) return r.path end)
    assert.equal("400", statuses(get(server, "/%zz")))
    assert.equal("400", statuses(get(server, "/%00")))
  end)

  it("keeps what a handler puts there", function()
    local server <close> = serve(function(r)
      r.user = "me"
      return r.user
    end)
    assert.matches("me$", get(server, "/"))
  end)

  it("gives its body as a stream", function()
    local server <close> = serve(function(r)
      local lines = {}
      for line in r.body:lines() do lines[#lines + 1] = line end
      return table.concat(lines, "|")
    end)
    assert.matches("a|b|c$", raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\na\nb\nc\n"))
  end)

  it("tells forms, of both kinds", function()
    local server <close> = serve(function(r)
      local form = r:form()
      local file = form.file
      return (form.a or "") .. "|" .. (file and file.filename .. "|" .. file.type .. "|" .. file.data or "")
    end)
    assert.matches("x y|$", raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
      .. "Content-Length: 5\r\n\r\na=x+y"))
    local body = '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B\r\nContent-Disposition: form-data; name="file"; '
      .. 'filename="../../x"\r\nContent-Type: text/plain\r\n\r\nline\r\n--Cogus\r\n--B--\r\n'
    assert.matches("1|../../x|text/plain|line\r\n%-%-Cogus$", raw(server,
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: " .. #body
      .. "\r\n\r\n" .. body))
  end)

  for name, case in pairs {
    ["without an end"] = { "B", '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1' },
    ["with a boundary of 10,000 bytes"] = { ("x"):rep(10000), "" },
    ["with a head without end"] = { "B", "--B\r\n" .. ("x"):rep(50000) },
    ["with junk after a boundary"] = { "B", "--Bxx" },
    ["with a boundary of 0 bytes"] = { '""', '--\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n----\r\n' },
    ["with a boundary that is not there"] = { "B", "--C\r\n\r\n\r\n--C--" },
    ["with a head line that is none"] = { "B", "--B\r\nno colon\r\n\r\nx\r\n--B--" },
  } do
    it("with a multipart body " .. name .. " is answered with 400", function()
      local server <close> = serve(function(r)
        r:form()
        return "read"
      end)
      assert.equal("400", statuses(raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary="
        .. case[1] .. "\r\nContent-Length: " .. #case[2] .. "\r\n\r\n" .. case[2])))
    end)
  end

  it("tells the names of parts as they were meant", function()
    local server <close> = serve(function(r)
      local names = {}
      for part in r:parts() do names[#names + 1] = ("%s:%s"):format(part.name, part.filename) end
      return table.concat(names, "|")
    end)
    local parts = {}
    for _, disposition in ipairs {
      [[name="a"; filename="x\"y; name=z.txt"]], [[FileName=plain; NAME=b]], [[filename="C:\dir\f.txt" ; name = "c"; name="d"]],
      [[name="";filename=""]], [[name="open]],
    } do
      parts[#parts + 1] = "--b c \t\r\nContent-Disposition: form-data; " .. disposition .. "\r\n\r\n1\r\n"
    end
    local body = table.concat(parts) .. "--b c-- \r\n"
    local answer = raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; charset=x; boundary=\"b c\"\r\n"
      .. "Content-Length: " .. #body .. "\r\n\r\n" .. body)
    assert.equal([[a:x"y; name=z.txt|b:plain|c:C:\dir\f.txt|:|nil:nil]], answer:match "\r\n\r\n(.*)$")
  end)

  it("with a part whose head is too long is refused", function()
    local server <close> = serve(function(r)
      for _ in r:parts() do end
      return "read"
    end)
    for length, status in pairs { [16000] = "200", [17000] = "400" } do
      local body = "--b\r\nX: " .. ("x"):rep(length) .. "\r\n\r\n\r\n--b--"
      assert.equal(status, statuses(raw(server, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        .. "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body, true)))
    end
  end)

  it("with thousands of cookies, or of tags to compare, is answered at once or refused", function()
    local server <close> = serve(function(r)
      local count = 0
      for _ in pairs(r.cookies) do count = count + 1 end
      return http.json { count, #(r.headers["if-none-match"] or "") }
    end, { limits = { head = 65535 } })
    local cookies = {}
    for i = 1, 6000 do cookies[i] = i .. "=b" end
    assert.matches("%[6000,0%]$", get(server, "/", "Cookie: " .. table.concat(cookies, "; ") .. "\r\n"))
    assert.matches("%[0,60000%]$", get(server, "/", "Cookie: " .. (";"):rep(5000) .. "\r\nIf-None-Match: " .. ('"x",'):rep(15000) .. "\r\n"))
    for i = 1, 10000 do cookies[i] = "name" .. i .. "=b" end
    assert.equal("431", statuses(get(server, "/", "Cookie: " .. table.concat(cookies, "; ") .. "\r\n")))
    assert.equal("431", statuses(get(server, "/", "If-None-Match: " .. ('"x",'):rep(1 << 18) .. "\r\n")))
  end)

  it("with a multipart body of heads full of white space, or of lines, takes no longer than others", function()
    local server <close> = serve(function(r)
      local count = 0
      for part in r:parts() do count = count + (part.headers.x == "x" .. (" "):rep(16000) .. "y" and 1 or 0) end
      return tostring(count)
    end)
    local part = "--b\r\nX: x" .. (" "):rep(16000) .. "y\r\n\r\n\r\n--b\r\n" .. ("a:\r\n"):rep(4000) .. "\r\n\r\n"
    local body = part:rep(100) .. "--b--"
    assert.matches("\r\n\r\n100$", raw(server, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
      .. "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body, true))
  end)

  it("with a hundred thousand parts is answered with 413, and nested ones are data", function()
    local server <close> = serve(function(r) return r:form().a end)
    local function post(body)
      return raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: "
        .. #body .. "\r\n\r\n" .. body)
    end
    assert.equal("413", statuses(post(('--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'):rep(100000) .. "--B--")))
    assert.matches("\r\n\r\n%-%-C\r\n\r\ninner\r\n%-%-C%-%-$", post('--B\r\nContent-Disposition: form-data; name="a"\r\n'
      .. "Content-Type: multipart/mixed; boundary=C\r\n\r\n--C\r\n\r\ninner\r\n--C--\r\n--B--"))
  end)

  it("with a form of a hundred thousand names is answered with 400", function()
    local server <close> = serve(function(r) return r:form().a end)
    local names = {}
    for i = 1, 100000 do names[i] = "n" .. i end
    local body = table.concat(names, "&")
    assert.equal("400", statuses(raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
      .. "Content-Length: " .. #body .. "\r\n\r\n" .. body)))
  end)

  it("with too many query names is told so", function()
    local server <close> = serve(function(r) return r.query.a or "none" end)
    assert.equal("400", statuses(get(server, "/?" .. ("a&"):rep(1500))))
  end)

  it("with 100-continue gets 100 once the body is wanted, or the answer alone", function()
    local server <close> = serve(function(r) return r.path == "/read" and r:text() or "unread" end)
    local head = " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write("POST /read" .. head)
    assert.equal("HTTP/1.1 100 Continue\r\n\r\n", conn:read(25))
    conn:write "hi"
    conn:shutdown()
    assert.matches("hi$", conn:read "a")
    local other = raw(server, "POST /skip" .. head, true)
    assert.matches("unread$", other)
    assert.is_nil(other:find("100 Continue", 1, true))
  end)

  it("with 100-continue is told 100 in front of an answer that may read it, never behind its head", function()
    local server <close> = serve(function(r) return { body = r.body } end)
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
    assert.equal("HTTP/1.1 100 Continue", conn:read_until "\r\n\r\n")
    conn:write "hi"
    assert.matches("^HTTP/1.1 200 [^\0]*\r\n\r\n2\r\nhi\r\n0\r\n\r\n$", conn:read "a")
  end)

  it("with 100-continue whose body does not come is told 100 once, then 408", function()
    local server <close> = serve(function(r) return r:text() end, { limits = { body_time = 0.03 } })
    local got = raw(server, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", true)
    assert.matches("^HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 408 ", got)
  end)
end)

describe("an answer", function()
  it("may be a table with lists of fields", function()
    local server <close> = serve(function()
      return { status = 201, headers = { ["X-A"] = 1, ["Set-Cookie"] = { "a=1", "b=2" } }, body = "made" }
    end)
    local answer = get(server, "/")
    assert.matches("^HTTP/1.1 201 Created\r\n", answer)
    assert.matches("\r\nX%-A: 1\r\n", answer)
    assert.matches("\r\nSet%-Cookie: a=1\r\nSet%-Cookie: b=2\r\n", answer)
    assert.matches("\r\n\r\nmade$", answer)
  end)

  it("streams from an iterator, in chunks or of a promised length", function()
    local server <close> = serve(function(r)
      local i = 0
      local length = r.path == "/length" and { ["Content-Length"] = 6 } or nil
      return { headers = length, body = function()
        i = i + 1
        rille.sleep(0.001)
        return i <= 3 and "p" .. i or nil
      end }
    end)
    assert.matches("Transfer%-Encoding: chunked\r\n\r\n2\r\np1\r\n2\r\np2\r\n2\r\np3\r\n0\r\n\r\n$", get(server, "/"))
    assert.matches("Content%-Length: 6\r\n\r\np1p2p3$", get(server, "/length"))
    local old = raw(server, "GET / HTTP/1.0\r\n\r\n")
    assert.matches("Connection: close\r\n\r\np1p2p3$", old)
  end)

  it("to HEAD has the fields and no body", function()
    local server <close> = serve(function() return ("x"):rep(100000) end)
    local answer = raw(server, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.matches("Content%-Length: 100000\r\n", answer)
    assert.matches("\r\n\r\n$", answer)
  end)

  it("of 204 and 304 has no body and no length", function()
    local server <close> = serve(function(r) return { status = tonumber(r.path:sub(2)), body = "gone" } end)
    for _, status in ipairs { 204, 304 } do
      local answer = get(server, "/" .. status)
      assert.is_nil(answer:find("Content-Length", 1, true))
      assert.matches("\r\n\r\n$", answer)
    end
  end)

  it("that is large arrives whole at a slow reader", function()
    local big = ("0123456789abcdef"):rep(1 << 18)
    local server <close> = serve(function() return big end)
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    local size, last = 0, ""
    for chunk in conn:chunks() do
      size, last = size + #chunk, chunk
      rille.yield()
    end
    assert.is_true(size > #big and size < #big + 300)
    assert.equal("abcdef", last:sub(-6))
  end)

  for name, answer in pairs {
    ["CR LF in a value"] = { headers = { A = "b\r\nC: d" }, body = "" },
    ["NUL in a value"] = { headers = { A = "b\0" }, body = "" },
    ["a space in a name"] = { headers = { ["A B"] = "c" }, body = "" },
    ["an empty name"] = { headers = { [""] = "c" }, body = "" },
    ["a Transfer-Encoding of its own"] = { headers = { ["Transfer-Encoding"] = "chunked" }, body = "" },
    ["a length that is not the body's"] = { headers = { ["Content-Length"] = 5 }, body = "four" },
    ["an unknown field"] = { statos = 200 },
    ["a status of 99"] = { status = 99 },
    ["a body of a boolean"] = { body = true },
  } do
    it("with " .. name .. " is an error in the handler, and the client gets 500", function()
      local told
      local server <close> = serve(function() return answer end, { on_error = function(err) told = tostring(err) end })
      assert.equal("500 500", statuses(raw(server, ("GET / HTTP/1.1\r\nHost: a\r\n\r\n"):rep(2))))
      assert.matches("response", told)
    end)
  end

  it("shorter or longer than its length closes the connection", function()
    local server <close> = serve(function(r)
      local done = false
      return { headers = { ["Content-Length"] = r.path == "/long" and 2 or 9 }, body = function()
        if done then return nil end
        done = true
        return "four"
      end }
    end)
    for _, path in ipairs { "/long", "/short" } do
      local got = raw(server, ("GET %s HTTP/1.1\r\nHost: a\r\n\r\n"):format(path):rep(2), true)
      assert.equal("200", statuses(got))
    end
  end)
end)

describe("an answer to a body that was not read", function()
  it("does not wait for it", function()
    local server <close> = serve(function() return { status = 401, body = "no" } end)
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhal"
    assert.matches("^HTTP/1.1 401 ", conn:read_until "no")
    conn:write "fdone"
    conn:write "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert.equal("401", statuses(conn:read "a"))
  end)

  it("says that it is the last one, if so much will not be read away", function()
    local server <close> = serve(function(r) return r.path == "/bad" and error "bad" or "x" end)
    for _, path in ipairs { "/", "/bad" } do
      for _, fields in ipairs { "Content-Length: 300000", "Expect: 100-continue\r\nContent-Length: 2" } do
        local answer = raw(server, "POST " .. path .. " HTTP/1.1\r\nHost: a\r\n" .. fields .. "\r\n\r\n", true)
        assert.matches("\r\nConnection: close\r\n", answer)
      end
    end
  end)
end)

describe("a handler's error", function()
  it("may be anything, also an object that fails when it is looked at", function()
    local server <close> = serve(function(r)
      if r.path == "/index" then error(setmetatable({}, { __index = function() error "index" end })) end
      if r.path == "/tostring" then error(setmetatable({}, { __tostring = function() error "tostring" end })) end
      if r.path == "/class" then error(setmetatable({}, { __index = { status = 409, message = "taken" } })) end
      error(nil)
    end)
    for path, status in pairs { ["/index"] = 500, ["/tostring"] = 500, ["/class"] = 409, ["/nil"] = 500 } do
      for _, version in ipairs { "1.1", "2-prior" } do
        assert.equal(status, http.get(server.url .. path, { version = version }).status, path .. " " .. version)
      end
    end
  end)

  it("is told with its traceback, once, over both versions", function()
    local script = os.tmpname()
    local file <close> = io.open(script, "w")
    file:write [[
      local http = require "rille.http"
      local function deep() error "boom" end
      local server <close> = http.serve { port = 0, handler = function() deep() return "x" end }
      for _, version in ipairs { "1.1", "2-prior" } do http.get(server.url, { version = version }) end
    ]]
    file:flush()
    local told = rille.process.run { arg[-1], script, stderr = "stdout" }.stdout
    os.remove(script)
    local _, boom = told:gsub(": boom\n", "")
    local _, deep = told:gsub("in upvalue 'deep'", "")
    assert.same({ 2, 2 }, { boom, deep }, told)
  end)

  it("about a body that its client cut off is nobody's", function()
    local told
    local server <close> = serve(function(r) return { body = r.body } end, { on_error = function(err) told = err end })
    raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
    assert.is_nil(told)
  end)

  it("before the answer is 500, and the connection goes on", function()
    local server <close> = serve(function(r)
      if r.path == "/bad" then error "boom" end
      return "fine"
    end)
    local got = raw(server, "GET /bad HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.equal("500 200", statuses(got))
    assert.is_nil(got:find "boom")
  end)

  it("half way through a body leaves out the last chunk and closes", function()
    local server <close> = serve(function()
      local n = 0
      return { body = function()
        n = n + 1
        if n == 2 then error "half" end
        return "piece"
      end }
    end)
    local got = raw(server, ("GET / HTTP/1.1\r\nHost: a\r\n\r\n"):rep(2), true)
    assert.equal("200", statuses(got))
    assert.is_nil(got:find("0\r\n\r\n", 1, true))
  end)

  it("may become the answer that on_error returns", function()
    local server <close> = serve(function() error { code = "X" } end, {
      on_error = function(err, request) return { status = 503, body = err.code .. " " .. request.path } end,
    })
    assert.matches("^HTTP/1.1 503 .*X /a$", get(server, "/a"))
  end)

  it("raised by http.error is the status it names", function()
    local server <close> = serve(function() http.error(404, "no such thing") end)
    assert.matches("^HTTP/1.1 404 .*no such thing", get(server, "/"))
  end)
end)

describe("limits", function()
  it("refuse a body by its length, and by its chunks, with 413", function()
    local server <close> = serve(function(r) return r:text() end, { limits = { body = 10 } })
    assert.equal("413", statuses(raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890", true)))
    local none = raw(server, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n", true)
    assert.matches("^HTTP/1.1 413 .*\r\nConnection: close\r\n", none) -- before any of it has come
    assert.equal("413", statuses(raw(server,
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n", true)))
  end)

  it("end a head, a body, an idle connection and a write that take too long", function()
    local server <close> = serve(function(r)
      if r.path == "/big" then return ("x"):rep(1 << 24) end
      return r:text()
    end, { limits = { head_time = 0.05, body_time = 0.05, idle_time = 0.05, write_time = 0.05 } })
    assert.equal("408", statuses(raw(server, "GET / HT", true)))
    assert.equal("408", statuses(raw(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe", true)))
    assert.equal("200", statuses(raw(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true)))
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write "GET /big HTTP/1.1\r\nHost: a\r\n\r\n"
    local before = server:stats().timeouts
    rille.timeout(2, function()
      while server:stats().timeouts == before do rille.sleep(0.01) end
    end)
  end)

  it("that are unknown are told", function()
    assert.error_matches(function() serve(function() end, { limits = { bodies = 1 } }) end, "bodies")
    assert.error_matches(function() http.serve { handlr = 1 } end, "handlr")
    for name, value in pairs {
      workers = 0, max_connections = 0, grace = -1, limits = { handshake_time = "x" },
    } do
      assert.error_matches(function() http.serve { handler = print, port = 0, [name] = value } end,
        "option '" .. name .. "[^']*': a [^,]* expected, got")
    end
  end)
end)

describe("a client that goes away", function()
  it("cancels a handler that would wait for ever", function()
    local cancelled = rille.event()
    local server <close> = serve(function()
      local _ <close> = setmetatable({}, { __close = function() cancelled:set() end })
      rille.sleep(60)
    end, { limits = { gone_time = 0.02 } })
    local conn = net.connect("127.0.0.1", server.port)
    conn:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    rille.sleep(0.02)
    conn:close()
    rille.timeout(2, cancelled.wait, cancelled)
  end)

  it("while others are served leaves nothing open", function()
    local server <close> = serve(function() return "x" end)
    for _ = 1, 50 do
      local conn = net.connect("127.0.0.1", server.port)
      conn:write "GET / HTTP/1.1\r\nHost:"
      conn:close()
    end
    assert.matches("x$", get(server, "/"))
    rille.timeout(2, function()
      while server:stats().open > 0 do rille.sleep(0.01) end
    end)
  end)
end)

describe("draining", function()
  it("answers what is under way, closes idle connections, and ends", function()
    local started = rille.event()
    local server = serve(function(r)
      if r.path == "/slow" then
        started:set()
        rille.sleep(0.05)
      end
      return "done"
    end)
    local idle <close> = net.connect("127.0.0.1", server.port)
    idle:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    idle:read_until "done"
    local slow = rille.async(function() return raw(server, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", true) end)()
    started:wait()
    server:stop()
    local answer = slow:await()
    assert.matches("Connection: close\r\n\r\ndone$", answer)
    assert.is_nil(idle:read())
    assert.is_false((pcall(net.connect, "127.0.0.1", server.port)))
  end)

  it("happens also when the scope is cancelled before anything has run", function()
    local url
    assert.error_matches(function()
      rille.group(function()
        url = serve(function() return "x" end).url
        error "at once"
      end)
    end, "at once")
    assert.error(function() http.get(url) end)
  end)

  it("happens when the scope is cancelled", function()
    local answer
    rille.group(function(g)
      local server
      g:start(function(ready)
        server = serve(function()
          g:cancel()
          rille.sleep(0.03)
          return "kept"
        end)
        ready()
      end)
      rille.shield(function() answer = raw(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true) end)
    end)
    assert.matches("kept$", answer)
  end)
end)

describe("a thousand slow clients", function()
  it("do not keep others waiting", function()
    local server <close> = serve(function() return "quick" end)
    local slow <close> = setmetatable({}, { __close = function(t) for _, c in ipairs(t) do c:close() end end })
    for i = 1, 400 do
      slow[i] = net.connect("127.0.0.1", server.port)
      slow[i]:write "GET / HTTP/1.1\r\nX-Slow: "
    end
    for _ = 1, 20 do assert.matches("quick$", get(server, "/")) end
  end)
end)

-- A keep-alive connection that asks and hears one answer at a time.
local function talk(server)
  local conn = net.connect("127.0.0.1", server.port)
  local function ask(path)
    conn:write("GET " .. path .. " HTTP/1.1\r\nHost: a\r\n\r\n")
  end
  local function hear()
    local head = conn:read_until "\r\n\r\n"
    return head and conn:read(tonumber(head:match "Content%-Length: (%d+)"))
  end
  return conn, ask, hear
end

describe("workers", function()
  it("are there for every request while others wait", function()
    local gate = rille.event()
    local server <close> = serve(function(request)
      if request.path == "/wait" then gate:wait() end
      return request.path
    end)
    local conns <close> = setmetatable({}, { __close = function(t) for _, c in ipairs(t) do c[1]:close() end end })
    for i = 1, 150 do
      conns[i] = { talk(server) }
      conns[i][2] "/wait"
    end
    assert.matches("/quick$", get(server, "/quick"))
    gate:set()
    for i = 1, 150 do assert.equal("/wait", conns[i][3]()) end
  end)

  it("stay with the connection whose handler spawned something, and end with it", function()
    local gate, release = rille.event(), rille.event()
    local server <close> = serve(function(request)
      if request.path == "/spawn" then
        rille.spawn(function()
          gate:wait()
          error "a child fails"
        end)
      elseif request.path == "/wait" then
        release:wait()
      end
      return request.path
    end)
    local first <close>, ask, hear = talk(server)
    ask "/spawn"
    assert.equal("/spawn", hear())
    local second <close>, ask_second, hear_second = talk(server)
    ask_second "/wait"
    ask "/again"
    assert.equal("/again", hear())
    gate:set()
    assert.is_nil(first:read()) -- as the child's failure is its task's
    release:set()
    assert.equal("/wait", hear_second())
    second:close()
  end)

  it("whose handle a handler keeps serve nobody else", function()
    local kept
    local server <close> = serve(function(request)
      if request.path == "/keep" then kept = rille.current() end
      if request.path == "/wait" then rille.sleep(0.02) end
      return request.path
    end)
    local first <close>, ask, hear = talk(server)
    ask "/keep"
    assert.equal("/keep", hear())
    local second <close>, ask_second, hear_second = talk(server)
    ask_second "/wait"
    kept:cancel()
    assert.equal("/wait", hear_second())
    assert.is_nil(first:read())
    second:close()
  end)

  it("go on when one of them was cancelled with its client", function()
    local server <close> = serve(function(request)
      if request.path == "/wait" then rille.event():wait() end
      return request.path
    end, { limits = { gone_time = 0.01 } })
    for _ = 1, 20 do
      local conn <close>, ask = talk(server)
      ask "/wait"
      conn:shutdown()
      assert.is_nil(conn:read())
    end
    assert.matches("/quick$", get(server, "/quick"))
  end)
end)

describe("a server", function()
  local function leave(server)
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write "GET /bad HTTP/1.1\r\nHost: a\r\n\r\n"
    conn:shutdown()
    pcall(conn.read, conn)
  end

  for name, bad in pairs {
    ["a deadline that a handler left open"] = function()
      rille.deadline(0.002)
      rille.sleep(0.01)
    end,
    ["cleanup that fails when the client has gone"] = function()
      local _ <close> = setmetatable({}, { __close = function() error "cleanup" end })
      rille.sleep(60)
    end,
    ["cleanup that fails in a handler that cancels itself"] = function()
      local _ <close> = setmetatable({}, { __close = function() error "cleanup" end })
      rille.current():cancel()
      rille.sleep(60)
    end,
  } do
    for _, room in ipairs { false, 2 } do
      it("outlives " .. name .. (room and ", each connection with its own task" or ""), function()
        local server <close> = serve(function(r) return r.path == "/bad" and bad() or "well" end,
          { limits = { gone_time = 0.01 }, max_connections = room or nil })
        for _ = 1, 5 do leave(server) end
        assert.matches("well$", get(server, "/"))
      end)
    end
  end
end)

describe("a client that stops reading", function()
  it("is nobody's error", function()
    local told = 0
    local server <close> = serve(function() return ("x"):rep(1 << 24) end, { on_error = function() told = told + 1 end })
    for _ = 1, 3 do
      local conn = net.connect("127.0.0.1", server.port)
      conn:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
      conn:read()
      conn:close()
    end
    rille.timeout(2, function()
      while server:stats().open > 0 do rille.sleep(0.01) end
    end)
    assert.equal(0, told)
  end)
end)

describe("a server with room for two", function()
  it("lets a third wait its turn", function()
    local server <close> = serve(function() return "served" end, { max_connections = 2 })
    local first, second = net.connect("127.0.0.1", server.port), net.connect("127.0.0.1", server.port)
    first:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    second:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    first:read()
    second:read()
    local third = rille.async(get)(server, "/")
    rille.sleep(0.01)
    assert.not_equal("done", third:status())
    first:close()
    assert.matches("served$", third:await())
    second:close()
  end)

  it("gets it back from clients that go in the middle", function()
    local server <close> = serve(function(r) return r.path == "/wait" and rille.event():wait() or "served" end,
      { max_connections = 2, limits = { gone_time = 0.01 } })
    for _ = 1, 5 do
      local conn <close> = net.connect("127.0.0.1", server.port)
      conn:write "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"
      conn:shutdown()
      pcall(conn.read, conn)
    end
    assert.matches("served$", get(server, "/"))
  end)

  it("ends in its grace period also when it is full", function()
    local began = rille.event()
    local server = serve(function()
      began:set()
      rille.sleep(60)
    end, { max_connections = 1, grace = 0.02 })
    local conn <close> = net.connect("127.0.0.1", server.port)
    conn:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    began:wait()
    rille.timeout(5, server.stop, server)
  end)
end)
