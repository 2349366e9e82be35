-- TCP and Unix sockets: connecting, listening, serving, and peers that misbehave.
local rille = require "rille"
local net = require "rille.net"

local program = arg[-1]

local function sh(command)
  local p <close> = assert(io.popen(command))
  return p:read "a"
end

-- A listener on loopback and its port.
local function listen()
  local l = net.listen("127.0.0.1", 0)
  return l, l:address().port
end

-- A connected pair.
local function pair()
  local l <close>, port = listen()
  local client, server
  rille.gather(function() client = net.connect("127.0.0.1", port) end, function() server = l:accept() end)
  return client, server
end

-- Runs f(port) beside a server with this handler, then cancels it.
local function serving(handler, options, f)
  local l <close>, port = listen()
  rille.group(function(g)
    local server = g:async(net.serve, l, handler, options)
    f(port)
    server:cancel()
  end)
end

local function echo(conn)
  for chunk in conn:chunks() do conn:write(chunk) end
end

local function fds()
  return select(2, sh("ls /proc/$PPID/fd"):gsub("\n", ""))
end

local function code_of(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return type(err) == "table" and err.code or err
end

describe("net", function()
  it("carries bytes both ways", function()
    local a, b = pair()
    local _ <close> = a
    local _ <close> = b
    a:write("one ", 2, " three\n")
    assert.equal("one 2 three", b:read "l")
    b:write "back"
    assert.equal("back", a:read(4))
  end)

  it("tells its addresses", function()
    local l <close> = net.listen("127.0.0.1", 0)
    local address, port = l:address()
    assert.equal("127.0.0.1", address.host)
    assert.equal(port, address.port)
    assert.equal("127.0.0.1:" .. port, tostring(address))
    local c <close> = net.connect(address)
    local s <close> = l:accept()
    assert.equal(port, c:peer().port)
    assert.equal(c:address().port, s:peer().port)
  end)

  it("connects by name", function()
    serving(echo, nil, function(port)
      local c <close> = net.connect("localhost", port)
      c:write "x"
      assert.equal("x", c:read(1))
    end)
  end)

  it("sets nodelay and keepalive, and refuses other options", function()
    local a, b = pair()
    local _ <close> = a
    local _ <close> = b
    assert.equal(a, a:set { nodelay = true, keepalive = 30 })
    b:set { keepalive = false }
    local cases = {
      { "unknown option 'colour'", a.set, a, { colour = 1 } },
      { "option 'nodelay': boolean expected", a.set, a, { nodelay = "yes" } },
      { "option 'keepalive': boolean expected", a.set, a, { keepalive = "yes" } },
      { "unknown option 'colour'", net.listen, "127.0.0.1", 0, { colour = 1 } },
      { "option 'reuse_port': boolean expected", net.listen, "127.0.0.1", 0, { reuse_port = "yes" } },
      { "unknown option 'colour'", net.connect, "127.0.0.1", 1, { colour = 1 } },
      { "option 'tls': true or a table expected", net.connect, "127.0.0.1", 1, { tls = 5 } },
      { "unknown option 'colour'", net.connect, "127.0.0.1", 1, { tls = { colour = 1 } } },
      { "unknown option 'colour'", net.udp, { colour = 1 } },
    }
    for _, case in ipairs(cases) do
      local ok, err = pcall(table.unpack(case, 2))
      assert.is_false(ok)
      assert.matches(case[1], tostring(err), 1, true)
    end
  end)

  it("names the call in the errors of what is closed", function()
    local a, b = pair()
    a:close()
    b:close()
    for _, op in ipairs { "peer", "address", "set", "read", "write", "flush", "shutdown" } do
      local ok, err = pcall(a[op], a, {})
      assert.is_false(ok)
      assert.same({ "CLOSED", op }, { err.code, err.op })
    end
    local l = net.listen("127.0.0.1", 0)
    l:close()
    for op, name in pairs { accept = "accept", accepted = "accept", address = "address" } do
      local ok, err = pcall(l[op], l)
      assert.is_false(ok)
      assert.same({ "CLOSED", name }, { err.code, err.op })
    end
  end)

  it("tells what is wrong with a host or a port", function()
    for _, port in ipairs { 0, 65536, -1, "80x", 1.5 } do
      assert.is_false(pcall(net.connect, "127.0.0.1", port))
    end
    assert.is_false(pcall(net.listen, "127.0.0.1", 65536))
    assert.is_false(pcall(net.connect, "", 80))
    assert.is_false(pcall(net.connect, "a\0b", 80))
  end)

  it("parses addresses by one rule", function()
    for _, host in ipairs { "127.1", "0x7f000001", "2130706433", "0177.0.0.1" } do
      assert.equal("EAI_NONAME", code_of(net.connect, host, 80))
    end
  end)

  it("connects to IPv6 literals, in brackets or not, and to mapped ones", function()
    local ok, l = pcall(net.listen, "::", 0)
    if not ok then return end
    local port = l:address().port
    for _, host in ipairs { "::1", "[::1]", "::ffff:127.0.0.1", "::1%lo" } do
      local _ <close> = net.connect(host, port)
      l:accept():close()
    end
    l:close()
  end)

  it("names the address in a refused connection", function()
    local l, port = listen()
    l:close()
    local ok, err = pcall(net.connect, "127.0.0.1", port)
    assert.is_false(ok)
    assert.equal("ECONNREFUSED", err.code)
    assert.equal("connect", err.op)
    assert.equal("127.0.0.1:" .. port, err.address)
  end)

  it("ends a connect into a black hole by the timeout around it", function()
    local l <close> = net.listen("127.0.0.1", 0, { backlog = 1 })
    local held, port = {}, l:address().port
    local done = rille.move_on_after(0.3, function()
      for i = 1, 8 do held[i] = net.connect("127.0.0.1", port) end
    end)
    assert.is_false(done)
    for _, c in pairs(held) do c:close() end
  end)

  it("tells a port that is in use, and an address that is not ours", function()
    local _ <close>, port = listen()
    assert.equal("EADDRINUSE", code_of(net.listen, "127.0.0.1", port))
    assert.equal("EADDRNOTAVAIL", code_of(net.listen, "192.0.2.1", 0))
  end)

  it("shares a port with reuse_port", function()
    local a <close> = net.listen("127.0.0.1", 0, { reuse_port = true })
    local b <close> = net.listen("127.0.0.1", a:address().port, { reuse_port = true })
    assert.equal(a:address().port, b:address().port)
  end)

  it("wakes who accepts when the listener closes", function()
    local l = listen()
    rille.gather(function() assert.equal("CLOSED", code_of(l.accept, l)) end, function() l:close() end)
    assert.equal("CLOSED", code_of(l.accept, l))
  end)

  it("ends the loop over a listener that closes", function()
    local l, port = listen()
    local count = 0
    rille.gather(function()
      for conn in l:accepted() do
        count = count + 1
        conn:close()
        if count == 2 then l:close() end
      end
    end, function() net.connect("127.0.0.1", port):close() end, function()
      net.connect("127.0.0.1", port):close()
    end)
    assert.equal(2, count)
  end)

  it("loses no connection to a cancelled accept", function()
    local l <close>, port = listen()
    local first = rille.async(function() return l:accept() end)()
    rille.yield()
    local _ <close> = net.connect("127.0.0.1", port)
    first:cancel()
    local got = rille.move_on_after(1, function()
      local ok, conn = pcall(first.await, first)
      if not ok then conn = l:accept() end
      conn:close()
    end)
    assert.is_true(got)
  end)

  it("closes what a cancelled connect had begun", function()
    local before = fds()
    for _ = 1, 20 do rille.move_on_after(0.001, pcall, net.connect, "192.0.2.1", 9) end
    rille.sleep(0.01)
    assert.is_true(fds() <= before + 1)
  end)

  it("listens on and connects to Unix sockets", function()
    local path = os.tmpname()
    os.remove(path)
    local l <close> = net.listen { path = path }
    assert.equal(path, l:address().path)
    local c <close> = net.connect { path = path }
    local s <close> = l:accept()
    c:write "hello"
    assert.equal("hello", s:read(5))
    assert.equal("EADDRINUSE", code_of(net.listen, { path = path }))
  end)

  it("tells what is wrong with the path of a Unix socket", function()
    assert.equal("ENAMETOOLONG", code_of(net.listen, { path = "/tmp/" .. ("x"):rep(103) }))
    assert.equal("ENAMETOOLONG", code_of(net.connect, { path = ("x"):rep(200) }))
    assert.is_false(pcall(net.connect, { path = "a\0b" }))
    assert.equal("ENOENT", code_of(net.connect, { path = "/nowhere/sock" }))
    local longest = "/tmp/" .. ("x"):rep(102)
    os.remove(longest)
    net.listen({ path = longest }):close()
    local stale = os.tmpname()
    assert.equal("ECONNREFUSED", code_of(net.connect, { path = stale }))
    assert.equal("EADDRINUSE", code_of(net.listen, { path = stale }))
    os.remove(stale)
  end)
end)

describe("net.serve", function()
  it("runs a task for each connection", function()
    serving(echo, nil, function(port)
      local jobs = {}
      for i = 1, 100 do
        jobs[i] = function()
          local c <close> = net.connect("127.0.0.1", port)
          c:write("message ", i)
          c:shutdown()
          return c:read "a"
        end
      end
      for i, text in ipairs(rille.gather(jobs)) do assert.equal("message " .. i, text) end
    end)
  end)

  it("tells an error in one connection, and goes on with the others", function()
    local errors = {}
    serving(function(conn)
      if conn:read "l" == "fail" then error "as told" end
      conn:write "fine"
    end, { on_error = function(err) errors[#errors + 1] = err end }, function(port)
      local a <close> = net.connect("127.0.0.1", port)
      local b <close> = net.connect("127.0.0.1", port)
      a:write "fail\n"
      assert.equal("", a:read "a")
      b:write "go\n"
      assert.equal("fine", b:read "a")
    end)
    assert.equal(1, #errors)
    assert.matches("as told", errors[1])
  end)

  it("keeps to max_connections", function()
    local now, most = 0, 0
    serving(function(conn)
      now = now + 1
      most = math.max(most, now)
      conn:write "x"
      rille.sleep(0.002)
      now = now - 1
    end, { max_connections = 3 }, function(port)
      rille.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function()
        local c <close> = net.connect("127.0.0.1", port)
        assert.equal("x", c:read "a")
      end)
    end)
    assert.equal(3, most)
  end)

  it("lets connections end when it is cancelled", function()
    local l <close>, port = listen()
    local answered
    rille.group(function(g)
      local server = g:async(net.serve, l, function(conn)
        conn:read "l"
        rille.sleep(0.02)
        conn:write "done"
      end)
      local c <close> = net.connect("127.0.0.1", port)
      c:write "work\n"
      rille.sleep(0.005)
      server:cancel()
      answered = c:read "a"
    end)
    assert.equal("done", answered)
    assert.equal("ECONNREFUSED", code_of(net.connect, "127.0.0.1", port))
  end)

  it("cancels connections that do not end within the grace period", function()
    local l <close>, port = listen()
    local cleaned = false
    rille.group(function(g)
      local server = g:async(net.serve, l, function(conn)
        local _ <close> = setmetatable({}, { __close = function() cleaned = true end })
        conn:read "a"
      end)
      local c <close> = net.connect("127.0.0.1", port)
      rille.sleep(0.005)
      server:cancel { grace = 0.02 }
      pcall(server.await, server)
      assert.equal("", c:read "a")
    end)
    assert.is_true(cleaned)
  end)

  it("refuses what is no listener, and options of a wrong type", function()
    local l <close> = net.listen("127.0.0.1", 0)
    for _, case in ipairs {
      { "#1", nil, print },
      { "#1", { accept = print }, print },
      { "#2", l, nil },
      { "'colour'", l, print, { colour = 1 } },
      { "'max_connections'", l, print, { max_connections = 0 } },
      { "'on_error'", l, print, { on_error = 1 } },
    } do
      local ok, err = pcall(net.serve, table.unpack(case, 2, 4))
      assert.is_false(ok)
      assert.matches(case[1], err, 1, true)
    end
  end)

  it("returns when the listener is closed", function()
    local l, port = listen()
    rille.group(function(g)
      local server = g:async(net.serve, l, echo)
      net.connect("127.0.0.1", port):close()
      l:close()
      server:await()
    end)
  end)

  it("sheds load when descriptors run out, and accepts again", function()
    local script = os.tmpname()
    local f <close> = assert(io.open(script, "w"))
    f:write [[
      local rille, net = require "rille", require "rille.net"
      local l = net.listen("127.0.0.1", 0)
      local port = l:address().port
      rille.group(function(g)
        local server = g:async(net.serve, l, function(c) c:read "a" end)
        local held = {}
        for i = 1, 60 do
          local ok, c = pcall(net.connect, "127.0.0.1", port)
          if ok then held[#held + 1] = c end
        end
        assert(#held > 5 and #held < 60, #held)
        for _, c in ipairs(held) do c:close() end
        rille.sleep(0.05)
        local c = net.connect("127.0.0.1", port)
        c:write "x"
        c:close()
        server:cancel()
      end)
      print "served again"
    ]]
    f:close()
    local out = sh(("ulimit -n 40; timeout -s KILL 8 %s %s 2>&1"):format(program, script))
    os.remove(script)
    assert.matches("served again", out)
  end)
end)

describe("a peer", function()
  it("that resets is told, and its socket is closed", function()
    local a, b <close> = pair()
    b:write "unread"
    rille.sleep(0.002)
    a:write "x"
    a:close() -- with bytes unread: a reset
    local ok, err = pcall(function()
      while b:read() do end
      for _ = 1, 100 do
        b:write "more"
        rille.sleep(0.001)
      end
    end)
    assert.is_false(ok)
    assert.is_true(err.code == "ECONNRESET" or err.code == "EPIPE", err.code)
  end)

  it("that half-closes can still be written to", function()
    local a, b = pair()
    local _ <close> = a
    local _ <close> = b
    a:write("question"):shutdown()
    assert.equal("question", b:read "a")
    assert.is_nil(b:read())
    b:write "answer"
    b:close()
    assert.equal("answer", a:read "a")
    assert.equal("CLOSED", code_of(a.write, a, "more"))
  end)

  it("that never reads holds the writer up, and costs no memory", function()
    local a, b = pair()
    local _ <close> = a
    local _ <close> = b
    local piece = ("x"):rep(1 << 20)
    local written = 0
    local before = collectgarbage "count"
    local done = rille.move_on_after(0.3, function()
      for _ = 1, 1024 do
        a:write(piece)
        written = written + 1
      end
    end)
    assert.is_false(done)
    assert.is_true(written < 16)
    assert.is_true(collectgarbage "count" - before < 16 * 1024)
    assert.equal("BROKEN", code_of(a.write, a, "after a part of a piece"))
    assert.is_nil(b:is_closed() or nil)
  end)

  it("that sends slowly times out, and holds up nobody", function()
    serving(function(conn)
      rille.move_on_after(0.05, conn.read, conn, "l")
    end, nil, function(port)
      local slow = {}
      for i = 1, 50 do
        slow[i] = net.connect("127.0.0.1", port)
        slow[i]:write "x"
      end
      for _, c in ipairs(slow) do
        assert.equal("", (select(2, pcall(c.read, c, "a"))))
        c:close()
      end
    end)
  end)

  it("gives every descriptor back", function()
    serving(function() end, nil, function(port)
      collectgarbage()
      rille.sleep(0.01)
      local before = fds()
      for _ = 1, 20 do
        rille.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function() net.connect("127.0.0.1", port):close() end)
      end
      rille.sleep(0.05)
      assert.is_true(fds() <= before + 2)
    end)
  end)
end)

describe("net.udp", function()
  it("sends and receives, and shows the sender", function()
    local a <close> = net.udp { host = "127.0.0.1", port = 0 }
    local b <close> = net.udp { host = "127.0.0.1", port = 0 }
    local port = a:address().port
    b:send("hello", "127.0.0.1", port)
    local data, host, from = a:recv()
    assert.same({ "hello", "127.0.0.1", b:address().port }, { data, host, from })
  end)

  it("carries datagrams of 0 and 65,507 bytes, and refuses 65,508", function()
    local a <close> = net.udp { host = "127.0.0.1", port = 0 }
    local b <close> = net.udp()
    local port = a:address().port
    b:send("", "127.0.0.1", port)
    b:send(("x"):rep(65507), "127.0.0.1", port)
    assert.equal("", (a:recv()))
    assert.equal(65507, #a:recv())
    assert.equal("EMSGSIZE", code_of(b.send, b, ("x"):rep(65508), "127.0.0.1", port))
  end)

  it("connects", function()
    local a <close> = net.udp { host = "127.0.0.1", port = 0 }
    local b <close> = net.udp()
    b:connect("127.0.0.1", a:address().port)
    b:send "direct"
    assert.equal("direct", (a:recv()))
    assert.equal(a:address().port, b:peer().port)
  end)

  it("sends by IPv4 and IPv6 alike when it is not bound", function()
    for _, host in ipairs { "127.0.0.1", "::1" } do
      local ok, a = pcall(net.udp, { host = host, port = 0 })
      if not ok then -- a machine without IPv6
        assert.equal("EADDRNOTAVAIL", a.code)
        break
      end
      local b <close> = net.udp()
      b:send("x", host, a:address().port)
      local data, from = a:recv()
      assert.same({ "x", host }, { data, from })
      a:close()
    end
  end)

  it("takes settings before it is bound", function()
    local u <close> = net.udp()
    u:set_broadcast(true)
    assert.equal("0.0.0.0", u:address().host)
  end)

  it("looks names up", function()
    local a <close> = net.udp { host = "localhost", port = 0 }
    local b <close> = net.udp()
    local port = a:address().port
    assert.equal(b, b:send("by name", "localhost", port))
    assert.equal("by name", (a:recv()))
    assert.equal(b, b:connect("localhost", port))
    assert.equal(port, b:peer().port)
    assert.equal("EAI_NONAME", code_of(b.send, b, "x", "no-such-host.invalid", port))
  end)

  it("names the address that is in use", function()
    local a <close> = net.udp { host = "127.0.0.1", port = 0 }
    local ok, err = pcall(net.udp, { host = "127.0.0.1", port = a:address().port })
    assert.is_false(ok)
    assert.same({ "EADDRINUSE", "bind", tostring(a:address()) }, { err.code, err.op, err.address })
  end)

  it("tells a refused datagram to the next receiver", function()
    local a = net.udp { host = "127.0.0.1", port = 0 }
    local b <close> = net.udp()
    b:connect("127.0.0.1", a:address().port)
    a:close()
    b:send "nobody"
    assert.equal("ECONNREFUSED", code_of(b.recv, b))
  end)

  it("joins a multicast group and broadcasts", function()
    local a <close> = net.udp { host = "0.0.0.0", port = 0, reuse = true }
    a:join("239.1.2.3", "127.0.0.1")
    a:set_multicast { loop = true, ttl = 1, interface = "127.0.0.1" }
    a:send("to all", "239.1.2.3", a:address().port)
    local got, data = rille.move_on_after(1, a.recv, a)
    assert.is_true(got)
    assert.equal("to all", data)
    a:leave("239.1.2.3", "127.0.0.1")
    assert.equal(a, a:set_broadcast(true))
  end)

  it("wakes a receiver when it is closed, and lets one at a time receive", function()
    local a = net.udp { host = "127.0.0.1", port = 0 }
    rille.gather(function() assert.equal("CLOSED", code_of(a.recv, a)) end, function()
      assert.equal("EBUSY", code_of(a.recv, a))
      a:close()
    end)
  end)

  it("loses nothing to a cancelled receive", function()
    local a <close> = net.udp { host = "127.0.0.1", port = 0 }
    local b <close> = net.udp()
    assert.is_false(rille.move_on_after(0.001, a.recv, a))
    b:send("kept", "127.0.0.1", a:address().port)
    assert.equal("kept", (a:recv()))
  end)
end)
