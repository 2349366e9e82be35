-- The HTTP client: against the server beside it, and against servers that lie.
local rille = require "rille"
local http = require "rille.http"
local net = require "rille.net"

local function serve(handler)
  return http.serve { port = 0, handler = handler, on_error = function() end }
end

-- A server of raw answers: `answer(conn, number)` has read the request's head. Closes after each.
local function liar(answer)
  local listener = net.listen("127.0.0.1", 0)
  local count = 0
  local task = rille.async(function()
    rille.group(function(g)
      for conn in listener:accepted() do
        g:spawn(function()
          local held <close> = conn
          pcall(function()
            while conn:read_until("\r\n\r\n") do
              count = count + 1
              if answer(conn, count) ~= "again" then return end
            end
          end)
        end)
      end
    end)
  end)()
  local url = ("http://127.0.0.1:%d/"):format(listener:address().port)
  return setmetatable({ url = url, requests = function() return count end }, {
    __close = function()
      listener:close()
      task:cancel()
    end,
  })
end

local function says(bytes)
  return liar(function(conn) conn:write(bytes) end)
end

local function fails(code, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.equal(code, err.code, tostring(err))
end

-- The path of a certificate for 127.0.0.1, and its key, which removes both when it is closed.
local function certificate()
  local dir = tostring(rille.fs.temp_dir())
  local cert, key = dir .. "/cert.pem", dir .. "/key.pem"
  rille.process.run { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
    "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", check = true }
  return cert, setmetatable({}, {
    __tostring = function() return key end,
    __close = function() rille.fs.remove(dir, { recursive = true }) end,
  })
end

describe("a request", function()
  it("shows its answer", function()
    local server <close> = serve(function(r)
      return { status = 201, headers = { ["X-Method"] = r.method, ["Set-Cookie"] = { "a=1", "b=2" } }, body = r.target }
    end)
    local answer = http.get(server.url .. "/a", { query = { q = "x y", n = 1 } })
    assert.same({ 201, "/a?n=1&q=x%20y", "GET", "1.1" }, { answer.status, answer.body, answer.headers["x-METHOD"], answer.version })
    assert.same({ "a=1", "b=2" }, answer.set_cookie)
    assert.is_true(answer:ok())
    for _, method in ipairs { "post", "put", "patch", "delete", "options" } do
      assert.equal(method:upper(), http[method](server.url).headers["X-Method"])
    end
    assert.equal("", http.head(server.url).body)
  end)

  it("sends bodies as text, JSON, a form, an iterator and a stream", function()
    local server <close> = serve(function(r) return (r.headers["content-type"] or "none") .. "|" .. r:text() end)
    local url = server.url
    assert.equal("application/octet-stream|text", http.post(url, { body = "text" }).body)
    assert.equal("application/json|[1,2]", http.post(url, { json = { 1, 2 } }).body)
    assert.equal("application/x-www-form-urlencoded|a=b%26c", http.post(url, { form = { a = "b&c" } }).body)
    local n = 0
    local answer = http.put(url, { body = function()
      n = n + 1
      rille.yield()
      return n <= 100 and ("x"):rep(5000) or nil
    end })
    assert.equal(#"none|" + 500000, #answer.body)
  end)

  it("streams an answer with backpressure", function()
    local server <close> = serve(function()
      local n = 0
      return { body = function()
        n = n + 1
        return n <= 200 and ("y"):rep(50000) or nil
      end }
    end)
    local answer <close> = http.get(server.url, { stream = true })
    local size = 0
    for chunk in answer.body:chunks() do
      size = size + #chunk
      if size % 7 == 0 then rille.yield() end
    end
    assert.equal(10000000, size)
  end)

  for _, version in ipairs { "1.1", "2-prior" } do
    it("goes on sending while its answer comes, over " .. version, function()
      local server <close> = serve(function(r) return { body = r.body } end)
      local function pieces()
        local n = 0
        return function()
          n = n + 1
          rille.yield()
          return n <= 100 and ("x"):rep(50000) or nil
        end
      end
      assert.equal(5000000, #http.post(server.url, { version = version, body = pieces() }).body)
      local answer <close> = http.post(server.url, { version = version, body = pieces(), stream = true })
      assert.equal(5000000, #answer.body:read "a")
      local go = rille.channel()
      local talk <close> = http.post(server.url, { version = version, stream = true, body = function() return go:recv() end })
      for _, word in ipairs { "one", "two" } do
        go:send(word)
        assert.equal(word, talk.body:read(3))
      end
    end)
  end

  it("whose body fails raises that, before the answer's head and behind it", function()
    local server <close> = serve(function(r) return { body = r.body } end)
    local mine = { mine = true }
    for _, sound in ipairs { 0, 1 } do
      local ok, err = pcall(http.post, server.url, { body = function()
        sound = sound - 1
        if sound < 0 then error(mine) end
        rille.sleep(0.01)
        return "piece"
      end })
      assert.is_false(ok)
      assert.is_true(rawequal(mine, err))
    end
    local fault = rille.event()
    local ok, err = pcall(rille.group, function()
      local answer <close> = http.post(server.url, { stream = true, body = function()
        if fault:is_set() then error(mine) end
        fault:wait()
        return "piece"
      end })
      fault:set()
      fails("ECONNRESET", function() answer.body:read "a" end)
    end)
    assert.is_false(ok)
    assert.is_true(rawequal(mine, err))
  end)

  it("whose body fails with tasks of its own, or cancels itself, raises that too", function()
    local server <close> = serve(function(r) return { body = r.body } end)
    local mine = { mine = true }
    local ok, err = pcall(http.post, server.url, { body = function()
      rille.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() rille.sleep(0.01) end })
        rille.sleep(60)
      end)
      error(mine)
    end })
    assert.is_false(ok)
    assert.is_true(rawequal(mine, err))
    fails("CANCELLED", http.post, server.url, { body = function()
      rille.current():cancel()
      rille.yield()
    end })
  end)

  it("that was answered before its body came is over with that", function()
    local ended = false
    local server <close> = serve(function() return { status = 401, body = "no" } end)
    local answer = http.post(server.url, { body = function()
      local _ <close> = setmetatable({}, { __close = function() ended = true end })
      rille.sleep(60)
      return "x"
    end })
    assert.same({ 401, "no", true }, { answer.status, answer.body, ended })
  end)

  it("shares no connection of HTTP/1.1 that is busy, whatever others speak to that port", function()
    local cert, key <close> = certificate()
    for _, case in ipairs { { "1.1", "2", tls = { cert = cert, key = tostring(key) } }, { "1.1", "2-prior" }, { nil, "2-prior" } } do
      local go = rille.event()
      local server <close> = http.serve { port = 0, tls = case.tls, handler = function(r)
        if r.path == "/slow" then go:wait() end
        return r.path
      end }
      local function get(path, version) return http.get(server.url .. path, { version = version, tls = { ca_file = cert } }).body end
      get("/", case[2])
      local held <close> = http.get(server.url .. "/", { version = case[2], tls = { ca_file = cert }, stream = true })
      local slow = rille.async(get)("/slow", case[1])
      for i = 1, 4 do assert.equal("/" .. i, rille.timeout(5, get, "/" .. i, case[i % 2 + 1])) end
      go:set()
      assert.equal("/slow", slow:await())
    end
  end)

  it("leaves nothing behind that is closed in the middle, while others use its connection", function()
    local cert, key <close> = certificate()
    local script = [[
      local rille, http = require "rille", require "rille.http"
      local cert, key = ...
      local server <close> = http.serve { port = 0, grace = 0, tls = { cert = cert, key = key }, handler = function()
        return ("x"):rep(1000000)
      end }
      local function ask() return http.get(server.url, { stream = true, tls = { ca_file = cert } }) end
      local function cut(count)
        for _ = 1, count do
          local answer <close> = ask()
          rille.sleep(0.003) -- it is full, and libcurl keeps what comes
        end
        collectgarbage()
        return tonumber(rille.fs.read("/proc/self/status"):match "VmRSS:%s+(%d+)")
      end
      local held <close> = ask()
      local before = cut(20)
      print(cut(150) - before, server:stats().accepted)
    ]]
    local said = rille.process.run { arg[-1], "-", cert, tostring(key), stdin = script, check = true }.stdout
    local grown, accepted = said:match "^(%-?%d+)%s+(%d+)"
    assert.equal("1", accepted)
    local most = os.getenv "ASAN_OPTIONS" and 65536 or 1000 -- a sanitizer keeps what was freed
    assert.is_true(tonumber(grown) < most, grown .. " KiB")
  end)

  it("shows the head before the body has come", function()
    local go = rille.event()
    local server <close> = serve(function()
      return { body = function()
        go:wait()
        return nil
      end }
    end)
    local answer <close> = http.get(server.url, { stream = true })
    assert.equal(200, answer.status)
    go:set()
    assert.is_nil(answer.body:read())
  end)

  it("can be cancelled, and obeys deadlines", function()
    local server <close> = serve(function() rille.sleep(60) end)
    fails("TIMEOUT", rille.timeout, 0.03, http.get, server.url)
    fails("TIMEOUT", http.get, server.url, { timeout = 0.03 })
  end)

  it("keeps its connection for the next", function()
    local server <close> = serve(function() return "x" end)
    local before = server:stats().accepted
    for _ = 1, 20 do http.get(server.url) end
    assert.is_true(server:stats().accepted - before <= 1)
  end)

  it("many at once are answered each", function()
    local server <close> = serve(function(r)
      rille.sleep(0.001)
      return r.path
    end)
    local paths = {}
    for i = 1, 100 do paths[i] = "/" .. i end
    local bodies = rille.map(paths, function(path) return http.get(server.url .. path).body end, { concurrency = 20 })
    assert.equal(table.concat(paths), table.concat(bodies))
  end)

  it("that cannot be is refused before a byte is sent", function()
    for _, case in ipairs {
      { "http://a/\r\nX: y" }, { "http://a/ b" }, { "file:///etc/passwd" }, { "gopher://a" }, { "a" },
      { "http://a/", { headers = { A = "b\r\nC: d" } } }, { "http://a/", { headers = { ["A B"] = "c" } } },
      { "http://a/", { bodi = "x" } }, { "http://a/", { body = "x", json = 1 } }, { "http://a/", { timeout = "1" } },
    } do
      assert.has_error(function() http.get(case[1], case[2]) end)
    end
    assert.has_error(function() http.fetch { url = "http://a/", method = "GET /\r\n" } end)
  end)
end)

describe("redirects", function()
  it("are followed, as many as are allowed", function()
    local server <close> = serve(function(r)
      local n = tonumber(r.path:match "%d+")
      return n > 0 and http.redirect("/" .. n - 1) or "arrived"
    end)
    local answer = http.get(server.url .. "/5")
    assert.same({ "arrived", server.url .. "/0" }, { answer.body, answer.url })
    fails("LIMIT", http.get, server.url .. "/11")
    assert.equal(302, http.get(server.url .. "/5", { redirects = 0 }).status)
  end)

  it("in a circle end", function()
    local server <close> = serve(function() return http.redirect "/" end)
    fails("LIMIT", http.get, server.url)
  end)

  it("to another host lose the credentials, to a file are refused", function()
    local seen = {}
    local other <close> = serve(function(r)
      seen = { r.headers.authorization or "none", r.headers.cookie or "none" }
      return "x"
    end)
    local server <close> = serve(function(r)
      if r.path == "/file" then return http.redirect "file:///etc/passwd" end
      return http.redirect(("http://localhost:%d/"):format(other.port))
    end)
    local secrets = { headers = { Authorization = "secret", Cookie = "a=b" } }
    http.get(server.url, secrets)
    assert.same({ "none", "none" }, seen)
    fails("EINVAL", http.get, server.url .. "/file")
  end)

  it("keep or change the method as browsers do", function()
    local server <close> = serve(function(r)
      local body = r:text()
      local status = r.path:match "^/(3%d%d)$"
      if status then return http.redirect("/end", tonumber(status)) end
      return r.method .. body .. (r.headers["content-type"] or "")
    end)
    local kept, got = "POSTx" .. "text/plain", "GET"
    for status, want in pairs { [301] = got, [302] = got, [303] = got, [307] = kept, [308] = kept } do
      local url = server.url .. "/" .. status
      assert.equal(want, http.post(url, { body = "x", headers = { ["content-TYPE"] = "text/plain" } }).body)
      assert.equal(status == 303 and "GET" or "PUTxapplication/octet-stream", http.put(url, { body = "x" }).body)
      assert.equal(200, http.head(url).status)
    end
  end)

  it("cannot send a streamed body again, and say so", function()
    local server <close> = serve(function(r)
      r:text()
      return http.redirect("/end", tonumber(r.path:match "%d+"))
    end)
    local function body()
      local sent = false
      return function()
        if sent then return nil end
        sent = true
        return "x"
      end
    end
    fails("EINVAL", http.post, server.url .. "/307", { body = body() })
  end)

  it("share one deadline", function()
    local server <close> = serve(function(r)
      rille.sleep(0.02)
      return http.redirect(r.path)
    end)
    fails("TIMEOUT", http.get, server.url, { timeout = 0.05 })
  end)

  it("that are none are answers", function()
    local server <close> = serve(function(r)
      return { status = 302, headers = r.path == "/odd" and { Location = "//" } or nil, body = "moved" }
    end)
    assert.equal("moved", http.get(server.url).body)
    fails("EINVAL", http.get, server.url .. "/odd")
  end)

  it("to another port lose the credentials too; relative ones keep them", function()
    local function seen(r) return (r.headers.authorization or "none") .. (r.headers["x-kept"] or "") end
    local other <close> = serve(seen)
    local server <close> = serve(function(r)
      if r.path == "/other" then return http.redirect(other.url) end
      return r.path == "/here" and http.redirect("there") or seen(r)
    end)
    local options = { headers = { AUTHORIZATION = "secret", ["X-Kept"] = "+" } }
    assert.equal("none+", http.get(server.url .. "/other", options).body)
    assert.equal("secret+", http.get(server.url .. "/here", options).body)
  end)

  it("from https never lead to http", function()
    local dir = rille.fs.temp_dir()
    local cert, key = dir .. "/cert.pem", dir .. "/key.pem"
    rille.process.run { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
      "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", check = true }
    local server <close> = http.serve { port = 0, tls = { cert = cert, key = key }, handler = function()
      return http.redirect "http://127.0.0.1:1/"
    end }
    fails("EINVAL", http.get, server.url, { tls = { ca_file = cert } })
    rille.fs.remove(dir, { recursive = true })
  end)

  it("that keep the method send the body again", function()
    local server <close> = serve(function(r)
      if r.path == "/" then
        r:text()
        return http.redirect("/there", 307)
      end
      return r.method .. r:text()
    end)
    assert.equal("POSThello", http.post(server.url, { body = "hello" }).body)
  end)
end)

describe("a server that lies", function()
  local OK = "HTTP/1.1 200 OK\r\n"

  it("about the length is told", function()
    local server <close> = says(OK .. "Content-Length: 10\r\n\r\nshort")
    fails("ECONNRESET", http.get, server.url)
  end)

  it("by cutting a chunked body is told", function()
    local server <close> = says(OK .. "Transfer-Encoding: chunked\r\n\r\n5\r\nhel")
    fails("ECONNRESET", http.get, server.url)
  end)

  it("with a malformed chunk, or no HTTP at all, is told", function()
    for _, bytes in ipairs { OK .. "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "\0\1\2\3\r\n\r\n" } do
      local server <close> = says(bytes)
      assert.is_false((pcall(http.get, server.url)))
    end
  end)

  it("by closing without a word is told", function()
    local server <close> = says("")
    fails("ECONNRESET", http.get, server.url)
  end)

  it("with a head full of white space, or of one name, takes no longer than others", function()
    local server <close> = says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX: x" .. (" "):rep(90000) .. "y\r\n"
      .. ("A: b\r\n"):rep(10000) .. "Set-Cookie: c=1\r\nSet-Cookie: d=2\r\n\r\nx")
    local answer = http.get(server.url)
    assert.equal(90002, #answer.headers.x)
    assert.equal(#"b, " * 10000 - 2, #answer.headers.a)
    assert.same({ "c=1", "d=2" }, answer.set_cookie)
    assert.equal("c=1, d=2", answer.headers["set-cookie"])
  end)

  it("with a head without end is told", function()
    local server <close> = liar(function(conn)
      conn:write(OK)
      for i = 1, 100000 do conn:write("X-", i, ": ", ("v"):rep(100), "\r\n") end
    end)
    fails("LIMIT", http.get, server.url)
  end)

  it("with a small answer that unpacks to a large one is told", function()
    local bomb = rille.zip.gzip(("\0"):rep(64 * 1024 * 1024))
    local server <close> = says(OK .. "Content-Encoding: gzip\r\nContent-Length: " .. #bomb .. "\r\n\r\n" .. bomb)
    fails("LIMIT", http.get, server.url, { limit = 1000000 })
    fails("LIMIT", http.get, server.url)
  end)

  it("with bytes after its answer does not get that connection again", function()
    local server <close> = liar(function(conn)
      conn:write(OK, "Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
      return "again"
    end)
    for _ = 1, 3 do assert.equal("ok", http.get(server.url).body) end
  end)

  it("by closing a kept connection gets a GET again, and a POST is told", function()
    local function fickle()
      return liar(function(conn, n)
        if n == 2 then return end -- reads the second request, and hangs up
        conn:write(OK, "Content-Length: 2\r\n\r\nok")
        return n == 1 and "again" or nil
      end)
    end
    local one <close> = fickle()
    http.get(one.url)
    assert.equal("ok", http.get(one.url).body)
    assert.equal(3, one.requests())
    for _, body in ipairs { "pay", "", false } do
      local two <close> = fickle()
      http.get(two.url)
      fails("ECONNRESET", http.post, two.url, { body = body or nil })
      assert.equal(2, two.requests())
    end
  end)
end)

describe("options", function()
  it("that mean nothing are refused before a byte is sent", function()
    for name, value in pairs {
      version = "3", redirects = -1, idle_timeout = -1, unix_path = "/tmp/a\0b", proxy = "http://a\0b", timeout = -1, tls = { key = "a\0b" },
    } do
      local ok, err = pcall(http.get, "http://127.0.0.1:1/", { [name] = value })
      assert.is_false(ok)
      assert.equal("string", type(err), name)
    end
  end)

  it("that are wrong name the line of the caller", function()
    local session = http.session {}
    for _, options in ipairs { { url = "ftp://a" }, { url = "http://a b" }, { url = "http://a", body = "x", json = 1 } } do
      for _, ask in ipairs { http.fetch, function(o) return http.get(o.url, o) end, function(o) return session:get(o.url, o) end } do
        local _, err = pcall(function() local answer = ask(options) return answer end)
        assert.matches("^tests/http_client_spec.lua:%d+: ", err)
      end
    end
  end)

  it("of a request take the place of its session's, in any case", function()
    local server <close> = serve(function(r) return r.headers.a end)
    local session = http.session { url = server.url, headers = { A = "default" } }
    assert.equal("own", session:get("/", { headers = { a = "own" } }).body)
  end)
end)

describe("a length", function()
  it("is said of a body that is empty where one is expected", function()
    local server <close> = serve(function(r) return tostring(r.headers["content-length"]) .. tostring(r.headers["content-type"]) end)
    for method, length in pairs { post = "0nil", put = "0nil", patch = "0nil", get = "nilnil", delete = "nilnil" } do
      assert.equal(length, http[method](server.url).body, method)
    end
  end)

  it("of a streamed body may be named, and is kept to", function()
    local server <close> = serve(function(r) return (r.headers["content-length"] or "chunked") .. r:text() end)
    local function body()
      local n = 0
      return function()
        n = n + 1
        return n <= 2 and "ab" or nil
      end
    end
    assert.equal("4abab", http.post(server.url, { headers = { ["Content-Length"] = 4 }, body = body() }).body)
    for _, length in ipairs { 3, 5 } do
      assert.error_matches(function() http.post(server.url, { headers = { ["Content-Length"] = length }, body = body() }) end, "Content%-Length")
    end
  end)

  it("that is not the body's is refused before a byte is sent", function()
    for _, options in ipairs { { body = "xy", headers = { ["Content-Length"] = 9 } }, { headers = { ["content-length"] = "1" } },
      { body = "xy", headers = { ["Transfer-Encoding"] = "chunked" } } } do
      assert.has_error(function() http.post("http://127.0.0.1:1/", options) end)
    end
  end)
end)

describe("a proxy", function()
  it("is asked for whole URLs, and for tunnels", function()
    local server <close> = serve(function(r) return "behind " .. r.path end)
    local seen = {}
    local listener <close> = net.listen("127.0.0.1", 0)
    local proxy = ("http://127.0.0.1:%d"):format(listener:address().port)
    rille.group(function(g)
      g:spawn(function()
        for conn in listener:accepted() do
          local held <close> = conn
          local head = conn:read_until "\r\n\r\n"
          seen[#seen + 1] = head:match "^[^\r]*"
          if head:find "^CONNECT" then
            conn:write "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
          else
            conn:write "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nproxy"
          end
        end
      end)
      assert.equal("proxy", http.get(server.url .. "/x", { proxy = proxy }).body)
      assert.is_false((pcall(http.get, "https://example.invalid/", { proxy = proxy })))
      g:cancel()
    end)
    assert.same({ "GET " .. server.url .. "/x HTTP/1.1", "CONNECT example.invalid:443 HTTP/1.1" }, seen)
  end)
end)

describe("compressed answers", function()
  it("are unpacked, whichever way they were packed, unless that is not wanted", function()
    local text = ("packed "):rep(1000)
    local packed = { gzip = rille.zip.gzip(text), br = rille.zip.brotli(text), zstd = rille.zip.zstd(text) }
    local server <close> = serve(function(r)
      local coding = r.path:sub(2)
      return { headers = { ["Content-Encoding"] = coding }, body = packed[coding] }
    end)
    for coding in pairs(packed) do
      assert.equal(text, http.get(server.url .. "/" .. coding).body, coding)
      assert.equal(packed[coding], http.get(server.url .. "/" .. coding, { decompress = false }).body)
    end
  end)
end)

describe("a session", function()
  it("keeps its cookies from other hosts, and obeys their end", function()
    local server <close> = serve(function(r)
      if r.path == "/in" then return { headers = { ["Set-Cookie"] = { "a=1; Path=/", "b=2; Path=/deep", "c=3; Max-Age=0", "d=4; Domain=example.com" } }, body = "" } end
      return r.headers.cookie or "none"
    end)
    local session = http.session { url = server.url }
    session:get "/in"
    assert.equal("a=1", session:get("/").body)
    assert.equal("b=2; a=1", session:get("/deep/er").body)
    assert.equal("none", session:get(("http://localhost:%d/"):format(server.port)).body)
  end)


  it("keeps cookies, defaults and a base", function()
    local server <close> = serve(function(r)
      if r.path == "/in" then return { headers = { ["Set-Cookie"] = http.cookie("id", "7") }, body = "" } end
      return (r.cookies.id or "none") .. "|" .. (r.headers["x-all"] or "none") .. "|" .. (r.headers["x-one"] or "none")
    end)
    local session = http.session { url = server.url, headers = { ["X-All"] = "a" } }
    session:get "/in"
    assert.equal("7|a|o", session:get("/", { headers = { ["X-One"] = "o" } }).body)
    assert.equal("none|none|none", http.get(server.url).body)
  end)
end)
