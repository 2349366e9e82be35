-- TLS: verification, names, protocols, sessions, and peers that misbehave. The certificates are made here.
local rille = require "rille"
local net = require "rille.net"
local tls = require "rille.tls"

local dir = os.tmpname()
os.remove(dir)

local function sh(command)
  local p <close> = assert(io.popen("cd " .. dir .. " && { " .. command .. "; } 2>&1"))
  return p:read "a"
end

-- NAME.pem and NAME.key, signed by CA (itself if nil), with extensions and further arguments of `openssl x509`.
local function make(name, ca, extensions, arguments)
  local f <close> = assert(io.open(dir .. "/" .. name .. ".ext", "w"))
  f:write(extensions)
  f:close()
  local key = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out %s.key"
  local request = "openssl req -new -key %s.key -subj '/CN=%s' -out %s.csr"
  local signer = ca and ("-CA %s.pem -CAkey %s.key -CAcreateserial"):format(ca, ca) or ("-signkey %s.key"):format(name)
  sh((key .. " && " .. request .. " && openssl x509 -req -in %s.csr %s %s -extfile %s.ext -out %s.pem"):format(
    name, name, name, name, name, signer, arguments or "-days 2", name, name))
  assert(io.open(dir .. "/" .. name .. ".pem")):close()
end

local function at(name) return dir .. "/" .. name end
local function read(name)
  local f <close> = assert(io.open(at(name)))
  return f:read "a"
end

local function exists(name)
  local f = io.open(at(name))
  return f and f:close()
end

-- Runs a program beside this one, and waits for it; its output is in `out`.
local function outside(command)
  os.remove(at "done")
  os.execute(("cd %s && { { %s; } > out 2>&1; touch done; } &"):format(dir, command))
  rille.timeout(5, function()
    while not exists "done" do rille.sleep(0.005) end
  end)
end

setup(function()
  os.execute("mkdir " .. dir)
  make("ca", nil, "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")
  make("server", "ca", "subjectAltName=DNS:localhost,DNS:*.example.org,IP:127.0.0.1\n")
  make("client", "ca", "extendedKeyUsage=clientAuth\n")
  make("plain", "ca", "keyUsage=digitalSignature\n") -- CN=plain, no alternative name
  make("expired", "ca", "subjectAltName=DNS:localhost\n", "-days -1")
  make("own", nil, "subjectAltName=DNS:localhost\n")
  make("purpose", "ca", "subjectAltName=DNS:localhost\nextendedKeyUsage=clientAuth\n")
  sh "openssl pkey -in server.key -aes128 -passout pass:secret -out locked.key; : > empty.pem"
end)

teardown(function() os.execute("rm -rf " .. dir) end)

local function options(name, more)
  local o = { cert = at(name .. ".pem"), key = at(name .. ".key") }
  for k, v in pairs(more or {}) do o[k] = v end
  return o
end

-- Serves `handler` over TLS while f(port) runs; returns the errors of connections.
local function serving(settings, handler, f)
  local l <close> = net.listen("127.0.0.1", 0)
  local errors = {}
  rille.group(function(g)
    local server = g:async(net.serve, l, handler, { tls = settings, handshake_timeout = 0.3,
      on_error = function(e) errors[#errors + 1] = e end })
    f(l:address().port)
    server:cancel()
  end)
  return errors
end

local function echo(conn)
  for chunk in conn:chunks() do conn:write(chunk) end
end

local function refusal(port, settings)
  local ok, err = pcall(net.connect, "127.0.0.1", port, { tls = settings })
  assert.is_false(ok)
  return tostring(err)
end

local function trusting(more)
  local o = { ca_file = at "ca.pem", server_name = "localhost" }
  for k, v in pairs(more or {}) do o[k] = v end
  return o
end

describe("tls", function()
  it("carries bytes both ways", function()
    serving(options "server", echo, function(port)
      local c <close> = net.connect("localhost", port, { tls = { ca_file = at "ca.pem" } })
      local big = ("0123456789abcdef"):rep(200000)
      rille.gather(function() c:write(big):shutdown() end, function() assert.equal(big, c:read "a") end)
    end)
  end)

  it("takes PEM text in place of files", function()
    serving({ cert = read "server.pem", key = read "server.key" }, echo, function(port)
      local c <close> = net.connect("localhost", port, { tls = { ca = read "ca.pem" } })
      c:write "x"
      assert.equal("x", c:read(1))
      assert.equal("127.0.0.1", c:peer().host)
    end)
  end)

  it("checks names and addresses in the alternative names", function()
    serving(options "server", echo, function(port)
      for _, name in ipairs { "localhost", "LOCALHOST", "localhost.", "www.example.org", "127.0.0.1" } do
        net.connect("127.0.0.1", port, { tls = trusting { server_name = name } }):close()
      end
      for _, name in ipairs { "example.org", "a.b.example.org", "localhost.evil", "127.0.0.2", "server" } do
        assert.matches("mismatch", refusal(port, trusting { server_name = name }))
      end
      assert.is_false(pcall(net.connect, "127.0.0.1", port, { tls = trusting { server_name = "localhost\0.evil" } }))
      net.connect("127.0.0.1", port, { tls = { ca_file = at "ca.pem" } }):close()
    end)
  end)

  it("sends the name to the server, but no address", function()
    local seen = {}
    serving(options "server", function(conn) seen[#seen + 1] = conn:info().server_name or "none" end, function(port)
      for _, settings in ipairs { trusting(), { ca_file = at "ca.pem" } } do
        local c <close> = net.connect("127.0.0.1", port, { tls = settings })
        c:read()
      end
    end)
    assert.same({ "localhost", "none" }, seen)
  end)

  it("refuses certificates that are bad, by default, naming the cause", function()
    local cases = {
      { "own", "self%-signed" }, { "expired", "expired" }, { "plain", "mismatch" }, { "purpose", "purpose" },
    }
    for _, case in ipairs(cases) do
      serving(options(case[1]), echo, function(port)
        assert.matches(case[2], refusal(port, trusting()))
        net.connect("127.0.0.1", port, { tls = { verify = false } }):close()
      end)
    end
    serving(options "server", echo, function(port)
      assert.matches("issuer", refusal(port, { server_name = "localhost" }))
    end)
    serving(options "plain", echo, function(port) -- the common name alone is no name
      assert.matches("mismatch", refusal(port, trusting { server_name = "plain" }))
    end)
  end)

  it("needs a name to verify", function()
    local l <close> = net.listen("127.0.0.1", 0)
    local c <close> = net.connect(l:address())
    assert.has_error(function() tls.client(c, {}) end)
    assert.has_error(function() tls.client(c, { server_name = "" }) end)
    assert.has_error(function() tls.client(c, { colour = 1 }) end)
    assert.has_error(function() tls.client(c, { server_name = "x", min_version = "1.1" }) end)
  end)

  it("asks clients for certificates if told to", function()
    local subject
    local errors = serving(options("server", { client_ca = at "ca.pem" }), function(conn)
      subject = conn:info().peer_subject
      conn:write "welcome"
    end, function(port)
      local c <close> = net.connect("127.0.0.1", port, { tls = trusting(options "client") })
      assert.equal("welcome", c:read "a")
      local ok = pcall(function()
        local d <close> = net.connect("127.0.0.1", port, { tls = trusting() })
        return d:read "a"
      end)
      assert.is_false(ok)
    end)
    assert.equal("CN=client", subject)
    assert.equal(1, #errors)
  end)

  it("agrees on a protocol, or refuses", function()
    serving(options("server", { alpn = { "h2", "http/1.1" } }), echo, function(port)
      local c <close> = net.connect("127.0.0.1", port, { tls = trusting { alpn = { "http/1.1", "h2" } } })
      assert.equal("h2", c:alpn())
      local d <close> = net.connect("127.0.0.1", port, { tls = trusting() })
      assert.is_nil(d:alpn())
      assert.matches("protocol", refusal(port, trusting { alpn = { "smtp" } }))
    end)
  end)

  it("resumes sessions", function()
    serving(options "server", echo, function(port)
      local resumed = {}
      for i = 1, 3 do
        local c <close> = net.connect("localhost", port, { tls = { ca_file = at "ca.pem" } })
        c:write "x"
        c:read(1)
        resumed[i] = c:info().resumed
      end
      assert.same({ false, true, true }, resumed)
    end)
  end)

  it("refuses versions below the least", function()
    serving(options("server", { min_version = "1.3" }), echo, function(port)
      outside(("echo | timeout 3 openssl s_client -tls1_2 -connect 127.0.0.1:%d"):format(port))
      assert.matches("alert", read "out")
    end)
  end)

  it("tells at the start what is wrong with its files", function()
    local cases = {
      { { cert = at "nowhere.pem", key = at "server.key" }, "no such file" },
      { { cert = at "server.pem", key = at "nowhere.key" }, "no such file" },
      { { cert = at "server.pem", key = at "client.key" }, "does not fit" },
      { { cert = at "server.pem", key = at "locked.key" }, "no password" },
      { { cert = at "empty.pem", key = at "server.key" }, "certificate" },
      { { cert = at "server.pem", key = at "server.key", client_ca = at "empty.pem" }, "CA certificates" },
      { { cert = at "server.pem" }, "key" },
    }
    for _, case in ipairs(cases) do
      local ok, err = pcall(tls.check, case[1])
      assert.is_false(ok)
      assert.matches(case[2], tostring(err))
    end
    tls.check { cert = at "server.pem", key = at "locked.key", password = "secret" }
    local l <close> = net.listen("127.0.0.1", 0)
    assert.is_false(pcall(net.serve, l, echo, { tls = cases[1][1] }))
  end)
end)

describe("a TLS peer", function()
  it("that closes without saying so has not sent a whole answer", function()
    local l <close> = net.listen("127.0.0.1", 0)
    rille.gather(function()
      local raw = l:accept()
      local s = tls.server(raw, options "server")
      s:write "half an answ"
      s:flush()
      raw:close() -- no close_notify
    end, function()
      local c <close> = net.connect("127.0.0.1", l:address().port, { tls = trusting() })
      local ok, err = pcall(c.read, c, "a")
      assert.is_false(ok)
      assert.equal("EPROTO", err.code)
      assert.matches("close_notify", err.message)
      assert.equal("half an answ", c:read(12))
    end)
  end)

  it("that says so has", function()
    serving(options "server", function(c) c:write "whole" end, function(port)
      local c <close> = net.connect("127.0.0.1", port, { tls = trusting() })
      assert.equal("whole", c:read "a")
      assert.is_nil(c:read())
    end)
  end)

  it("that speaks plain text is refused", function()
    local errors = serving(options "server", echo, function(port)
      local c <close> = net.connect("127.0.0.1", port)
      c:write "GET / HTTP/1.0\r\n\r\n"
      c:read "a"
    end)
    assert.matches("http request", tostring(errors[1]))
    local l <close> = net.listen("127.0.0.1", 0)
    rille.group(function(g)
      g:spawn(function()
        local c <close> = l:accept()
        c:write "220 hello\r\n"
        c:flush()
      end)
      assert.matches("EPROTO", refusal(l:address().port, trusting()))
    end)
  end)

  it("that sends byte by byte is understood", function()
    serving(options "server", echo, function(port)
      local l <close> = net.listen("127.0.0.1", 0)
      rille.group(function(g)
        g:spawn(function() -- a proxy that dribbles
          local near <close> = l:accept()
          local far <close> = net.connect("127.0.0.1", port)
          local function dribble(from, to)
            for chunk in from:chunks() do
              for i = 1, #chunk do
                to:write(chunk:sub(i, i))
                if i % 50 == 0 then rille.yield() end
              end
            end
            to:shutdown()
          end
          rille.gather(function() pcall(dribble, near, far) end, function() pcall(dribble, far, near) end)
        end)
        local c <close> = net.connect("127.0.0.1", l:address().port, { tls = trusting() })
        c:write "drop by drop\n"
        assert.equal("drop by drop", c:read "l")
        c:close()
      end)
    end)
  end)

  it("that never ends its handshake is ended, and others are served", function()
    local errors = serving(options "server", echo, function(port)
      local silent = {}
      for i = 1, 30 do silent[i] = net.connect("127.0.0.1", port) end
      local c <close> = net.connect("127.0.0.1", port, { tls = trusting() })
      c:write "x"
      assert.equal("x", c:read(1))
      for _, s in ipairs(silent) do
        assert.equal("", s:read "a")
        s:close()
      end
    end)
    assert.equal(30, #errors)
    assert.equal("TIMEOUT", errors[1].code)
  end)

  it("that sends damaged records is told", function()
    serving(options "server", echo, function(port)
      local l <close> = net.listen("127.0.0.1", 0)
      rille.group(function(g)
        g:spawn(function() -- a proxy that changes a byte late in the stream
          local near <close> = l:accept()
          local far <close> = net.connect("127.0.0.1", port)
          g:spawn(function() pcall(rille.stream.copy, near, far) end)
          local total = 0
          pcall(function()
            for chunk in far:chunks() do
              total = total + #chunk
              if total > 5000 then chunk = chunk:sub(1, -2) .. string.char(chunk:byte(-1) ~ 1) end
              near:write(chunk)
            end
          end)
        end)
        local c <close> = net.connect("127.0.0.1", l:address().port, { tls = trusting() })
        c:write(("x"):rep(10000))
        local ok, err = pcall(c.read, c, 10000)
        assert.is_false(ok)
        assert.equal("EPROTO", err.code)
        c:close()
      end)
    end)
  end)

  it("is let go when its handshake is cancelled", function()
    local l <close> = net.listen("127.0.0.1", 0)
    local c = net.connect("127.0.0.1", l:address().port)
    assert.is_false(rille.move_on_after(0.01, tls.client, c, trusting()))
    assert.is_true(c:is_closed())
    l:accept():close()
  end)

  it("holds the writer up when it does not read", function()
    local l <close> = net.listen("127.0.0.1", 0)
    local over, big = rille.event(), ("x"):rep(64 << 20)
    rille.gather(function()
      local s <close> = tls.server(l:accept(), options "server")
      local done = rille.move_on_after(0.1, s.write, s, big)
      assert.is_false(done)
      over:set()
    end, function()
      local _ <close> = net.connect("127.0.0.1", l:address().port, { tls = trusting() })
      over:wait()
    end)
  end)

  it("is openssl's s_client, and curl", function()
    serving(options "server", function(conn)
      conn:read_until "\r\n\r\n"
      conn:write "HTTP/1.0 200 OK\r\n\r\nover TLS"
    end, function(port)
      outside(("curl -s --cacert %s https://localhost:%d/"):format(at "ca.pem", port))
      assert.equal("over TLS", read "out")
      outside(("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -CAfile ca.pem -verify_return_error "
        .. "-connect localhost:%d"):format(port))
      assert.matches("over TLS", read "out")
    end)
  end)
end)

describe("a TLS handshake that is cancelled", function()
  it("closes its connection", function()
    local listener <close> = rille.net.listen("127.0.0.1", 0)
    rille.group(function(g)
      local peer = g:async(function()
        local conn <close> = listener:accept()
        while conn:read() do end -- the end comes when the client has closed
        return "closed"
      end)
      local ok, err = pcall(rille.timeout, 0.05, rille.net.connect, "127.0.0.1", listener:address().port, { tls = true })
      assert.is_false(ok)
      assert.equal("TIMEOUT", err.code)
      assert.equal("closed", rille.timeout(2, peer.await, peer))
    end)
  end)
end)
