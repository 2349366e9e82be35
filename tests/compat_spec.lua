-- LuaSocket's and LuaSec's interfaces over rille's streams, and a client written for them: Debian's lua-redis.
local rille = require "rille"
local net = require "rille.net"
local socket = require "socket"

local program = arg[-1]

local function free_port()
  local l <close> = net.listen("127.0.0.1", 0)
  return l:address().port
end

-- A connected pair of LuaSocket's objects.
local function pair()
  local s = assert(socket.bind("127.0.0.1", 0))
  local _, port = s:getsockname()
  local a = assert(socket.connect("127.0.0.1", port))
  local b = assert(s:accept())
  s:close()
  return a, b
end

describe("socket", function()
  it("connects, sends and receives", function()
    local a, b = pair()
    assert.equal(7, a:send "one\r\ntw")
    assert.equal("one", b:receive())
    assert.equal("tw", (b:receive(2)))
    assert.equal(3, a:send("abcdef", 1, 3))
    assert.equal("prefabc", b:receive(7, "pref"))
    a:close()
    assert.same({ nil, "closed", "" }, { b:receive "*l" })
    b:close()
    assert.same({ nil, "closed", 0 }, { b:send "x" })
  end)

  it("gives what there is when a timeout ends", function()
    local a, b = pair()
    b:settimeout(0.01)
    a:send "par"
    local _, err, partial = b:receive "*l"
    assert.same({ "timeout", "par" }, { err, partial })
    err, partial = select(2, b:receive(10, partial))
    assert.same({ "timeout", "par" }, { err, partial })
    a:send "t\n"
    assert.equal("part", b:receive("*l", partial))
    a:close()
    b:close()
  end)

  it("tells how far a send came", function()
    local a, b = pair()
    a:settimeout(0.05)
    local big = ("x"):rep(32 << 20)
    local sent, err, last = a:send(big)
    assert.is_nil(sent)
    assert.equal("timeout", err)
    assert.is_true(last > 0 and last < #big)
    b:settimeout(1)
    assert.equal(last, #b:receive(last))
    a:close()
    b:close()
  end)

  it("reads all until the end", function()
    local a, b = pair()
    a:send "x\ny"
    a:close()
    assert.equal("x\ny", b:receive "*a")
    assert.same({ nil, "closed", "" }, { b:receive "*a" })
    b:close()
  end)

  it("uses LuaSocket's words for errors", function()
    assert.same({ nil, "connection refused" }, { socket.connect("127.0.0.1", free_port()) })
    assert.is_nil((socket.connect("no-such-host.invalid", 80)))
    local s = socket.bind("127.0.0.1", 0)
    local _, port = s:getsockname()
    assert.same({ nil, "address already in use" }, { socket.bind("127.0.0.1", port) })
    s:settimeout(0.001)
    assert.same({ nil, "timeout" }, { s:accept() })
    s:close()
    assert.is_false(pcall(s.receive, s, "*x") and false)
  end)

  it("selects what can be read or written", function()
    local a, b = pair()
    local r, w, err = socket.select({ a, b }, nil, 0.01)
    assert.same({ 0, 0, "timeout" }, { #r, #w, err })
    a:send "x"
    r = socket.select({ a, b }, nil, 1)
    assert.same({ 1, b, 1 }, { #r, r[1], r[b] })
    w = select(2, socket.select(nil, { a }, 1))
    assert.equal(a, w[1])
    assert.equal("x", b:receive(1))
    a:close()
    b:close()
  end)

  it("refuses to send what is no text, and to receive less than nothing", function()
    local server = socket.bind("127.0.0.1", 0)
    local client = socket.connect(server:getsockname())
    assert.is_false(pcall(client.send, client, nil))
    assert.is_false(pcall(client.receive, client, -1))
    assert.equal("inet", client:getfamily())
    client:close()
    server:close()
  end)

  it("sends datagrams", function()
    local a, b = socket.udp(), socket.udp()
    a:setsockname("127.0.0.1", 0)
    local _, port = a:getsockname()
    assert.equal(2, b:sendto("hi", "127.0.0.1", port))
    local data, host = a:receivefrom()
    assert.same({ "hi", "127.0.0.1" }, { data, host })
    b:setpeername("127.0.0.1", port)
    assert.equal(5, b:send "again")
    assert.equal("again", a:receive())
    a:settimeout(0.001)
    assert.same({ nil, "timeout" }, { a:receive() })
    a:close()
    b:close()
  end)

  it("speaks over Unix sockets", function()
    local path = os.tmpname()
    os.remove(path)
    local unix = require "socket.unix"
    local s, c = unix(), unix()
    assert(s:bind(path) and s:listen())
    assert(c:connect(path))
    local b = s:accept()
    c:send "u\n"
    assert.equal("u", b:receive())
    for _, it in ipairs { s, c, b } do it:close() end
  end)

  it("tells the time, sleeps, protects and tries", function()
    local before = socket.gettime()
    socket.sleep(0.001)
    assert.is_true(socket.gettime() > before)
    assert.is_true(math.abs(socket.gettime() - os.time()) < 2)
    local closed
    local f = socket.protect(function() socket.newtry(function() closed = true end)(nil, "told") end)
    assert.same({ nil, "told" }, { f() })
    assert.is_true(closed)
    assert.is_false(pcall(socket.protect(function() error "other" end)))
    assert.equal("b", (socket.skip(1, "a", "b")))
    assert.equal("127.0.0.1", (socket.dns.toip "localhost"))
  end)

  it("waits without holding up others", function()
    local a, b = pair()
    local ticks = 0
    rille.group(function(g)
      g:spawn(function()
        for _ = 1, 5 do
          rille.sleep(0.001)
          ticks = ticks + 1
        end
        a:send "x\n"
      end)
      assert.equal("x", b:receive())
    end)
    assert.equal(5, ticks)
    a:close()
    b:close()
  end)

  it("is the real one with RILLE_COMPAT=off", function()
    local p <close> = io.popen(("RILLE_COMPAT=off %s -e 'print(require(\"socket\")._VERSION)' 2>&1"):format(program))
    local out = p:read "a"
    assert.is_nil(out:find("rille)", 1, true))
  end)
end)

describe("the modules around it", function()
  it("take URLs apart and put them together", function()
    local url = require "rille.compat.socket.url"
    local text = "http://user:pw@host.example:8080/a/b;p?q=1#f"
    local parts = url.parse(text)
    assert.same({ "http", "user", "pw", "host.example", "8080", "/a/b", "p", "q=1", "f" },
      { parts.scheme, parts.user, parts.password, parts.host, parts.port, parts.path, parts.params, parts.query,
        parts.fragment })
    assert.equal(text, url.build(parts))
    assert.equal("::1", url.parse("http://[::1]:80/").host)
    local base = "http://a/b/c/d?q"
    for relative, whole in pairs { g = "http://a/b/c/g", ["../g"] = "http://a/b/g", ["/g"] = "http://a/g",
      ["//g"] = "http://g", ["?y"] = "http://a/b/c/d?y", ["./g/"] = "http://a/b/c/g/", ["../../../g"] = "http://a/g",
      ["g?y#s"] = "http://a/b/c/g?y#s" } do
      assert.equal(whole, url.absolute(base, relative))
    end
    assert.equal("a b/ü", url.unescape(url.escape "a b/ü"))
    assert.equal("/a%20b/c/", url.build_path(url.parse_path "/a%20b/c/"))
  end)

  it("encode and decode", function()
    local mime = require "rille.compat.mime"
    for _, text in ipairs { "", "a", "ab", "abc", "abcd", ("\0\255\n"):rep(50) } do
      local encoded = mime.b64(text) or ""
      assert.equal(text, mime.unb64(encoded) or "")
      local quoted = mime.qp(text) or ""
      assert.equal(text, mime.unqp(quoted) or "")
    end
    -- as LuaSocket 3 has it: a line ends with CR LF alone, in whatever pieces it comes
    for text, quoted in pairs { ["a\n"] = "a=0A", ["a \r\nb"] = "a=20\r\nb", ["a=é\t"] = "a=3D=C3=A9=09=\r\n" } do
      assert.equal(quoted, (mime.qp(text)))
    end
    local out, rest = mime.qp("", "a\r")
    assert.same({ "a", "\r" }, { out, rest })
    assert.equal("<br>b", (mime.qp(rest .. "\n", "b", "<br>")))
    assert.same({ "", "=3" }, { mime.unqp("", "=3") })
    assert.equal("YWJjZA==", (mime.b64 "abcd"))
    assert.equal("a=3Db=\r\n", (mime.qpwrp(6, "a=3Dbc", 6)):sub(1, 8))
    assert.equal("a\r\nb\r\n", (mime.eol(0, "a\nb\r\n")))
    assert.equal("..a\r\n..b", (mime.dot(2, ".a\r\n.b")))
  end)

  it("pump through filters", function()
    local ltn12, mime = require "rille.compat.ltn12", require "rille.compat.mime"
    local out = {}
    local encode = ltn12.filter.cycle(mime.b64, "")
    assert.equal(1, ltn12.pump.all(ltn12.source.string(("xyz"):rep(1000) .. "!"),
      ltn12.sink.chain(encode, (ltn12.sink.table(out)))))
    assert.equal(("xyz"):rep(1000) .. "!", (mime.unb64(table.concat(out))))
    out = {}
    local both = ltn12.filter.chain(ltn12.filter.cycle(mime.b64, ""), ltn12.filter.cycle(mime.unb64, ""))
    ltn12.pump.all(ltn12.source.chain(ltn12.source.cat(ltn12.source.string "one ", ltn12.source.string "two"), both),
      (ltn12.sink.table(out)))
    assert.equal("one two", table.concat(out))
    assert.same({ nil, "oh" }, { ltn12.pump.all(ltn12.source.error "oh", ltn12.sink.null()) })
  end)

  it("request over HTTP", function()
    local http = require "rille.compat.socket.http"
    local l <close> = net.listen("127.0.0.1", 0)
    local port = l:address().port
    local seen = {}
    rille.group(function(g)
      local server = g:async(net.serve, l, function(conn)
        local head = conn:read_until "\r\n\r\n"
        seen[#seen + 1] = head
        local path = head:match "^%u+ (%S+)"
        if path == "/moved" then
          conn:write "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"
        elseif path == "/chunks" then
          conn:write "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        elseif path == "/post" then
          local body = conn:read(tonumber(head:match "[Cc]ontent%-[Ll]ength: (%d+)"))
          conn:write("HTTP/1.1 200 OK\r\nContent-Length: ", #body, "\r\n\r\n", body)
        else
          conn:write("HTTP/1.0 200 OK\r\nX-Seen: ", path, "\r\n\r\nuntil the end")
        end
      end)
      local root = "http://127.0.0.1:" .. port
      local body, code, headers = http.request(root .. "/moved")
      assert.same({ "until the end", 200, "/there", "/there" }, { body, code, headers["x-seen"], headers.location })
      assert.equal("abcde", (http.request(root .. "/chunks")))
      assert.equal("k=v", (http.request(root .. "/post", "k=v")))
      assert.is_nil((http.request "http://127.0.0.1:1/"))
      server:cancel()
    end)
    assert.matches("host: 127.0.0.1:" .. port, seen[1])
  end)

  it("speak TLS with LuaSec's names", function()
    local ssl = require "ssl"
    local dir = os.tmpname()
    os.remove(dir)
    os.execute(("mkdir %s && cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
      .. "-keyout k -out c -subj /CN=x -addext subjectAltName=DNS:x.test -days 2 2>/dev/null"):format(dir, dir))
    local a, b = pair()
    local client = assert(ssl.wrap(a, { mode = "client", protocol = "any", verify = "peer", cafile = dir .. "/c" }))
    local own = { mode = "server", protocol = "any", key = dir .. "/k", certificate = dir .. "/c" }
    local server = assert(ssl.wrap(b, own))
    client:sni "x.test"
    rille.gather(function() assert(client:dohandshake()) end, function() assert(server:dohandshake()) end)
    client:send "secret\n"
    assert.equal("secret", server:receive())
    assert.equal("TLSv1.3", client:info "protocol")
    client:close()
    server:close()
    assert.is_nil((ssl.newcontext { mode = "server", key = "/nowhere", certificate = dir .. "/c" }))
    os.execute("rm -rf " .. dir)
  end)
end)

describe("lua-redis", function()
  local port, dir, path

  setup(function()
    path = package.path
    package.path = path .. ";/usr/share/lua/5.3/?.lua;/usr/share/lua/5.1/?.lua"
    port, dir = free_port(), os.tmpname()
    os.remove(dir)
    local command = "mkdir %s && cd %s && redis-server --port %d --save '' --pidfile %s/pid --daemonize yes >out 2>&1"
    os.execute(command:format(dir, dir, port, dir))
    rille.timeout(5, function()
      repeat
        rille.sleep(0.01)
        local ok, c = pcall(net.connect, "127.0.0.1", port)
        if ok then c:close() end
      until ok
    end)
  end)

  teardown(function()
    os.execute(("kill $(cat %s/pid); rm -rf %s"):format(dir, dir))
    package.path = path
  end)

  it("runs unmodified", function()
    local redis = require "redis"
    local client = redis.connect("127.0.0.1", port)
    assert.is_true(client:ping())
    client:set("key", ("v"):rep(100000))
    assert.equal(100000, #client:get "key")
    client:rpush("list", "a", "b")
    assert.same({ "a", "b" }, client:lrange("list", 0, -1))
    client:quit()
  end)

  it("is concurrent: ten clients that block wait at the same time", function()
    local redis = require "redis"
    local started = rille.now()
    rille.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function(i)
      local client = redis.connect("127.0.0.1", port)
      assert.is_nil(client:blpop("nothing" .. i, 1))
      client:quit()
    end)
    assert.is_true(rille.now() - started < 4)
  end)
end)
