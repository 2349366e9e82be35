-- TLS against bad certificates and peers that break the protocol. The certificates are made here, the peers are openssl's
-- programs and bytes by hand.
local rille = require "rille"
local net = require "rille.net"
local process = require "rille.process"
local fs = require "rille.fs"

local dir, guard

local function sh(command)
  return process.run { "sh", "-c", command, cwd = dir, stderr = "stdout", timeout = 20 }.stdout
end

local function at(name) return dir .. "/" .. name end

-- NAME.pem and NAME.key by CA (itself if nil). `how`: extensions, and arguments for the key and for the signing.
local function make(name, ca, how)
  fs.write(at(name .. ".ext"), how.extensions or "subjectAltName=DNS:localhost\n")
  local signer = ca and ("-CA %s.pem -CAkey %s.key -CAcreateserial"):format(ca, ca) or ("-signkey %s.key"):format(name)
  local words = sh(([[set -e
    openssl genpkey %s -out %s.key
    openssl req -new -key %s.key -subj '/CN=%s' -out %s.csr
    openssl x509 -req -in %s.csr %s %s -extfile %s.ext -out %s.pem]]):format(
    how.key or "-algorithm EC -pkeyopt ec_paramgen_curve:P-256", name, name, how.subject or name, name, name, signer,
    how.signing or "-days 2", name, name))
  assert(fs.exists(at(name .. ".pem")), words)
end

local authority = { extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n" }

local function chain(name, ...)
  local texts = {}
  for i, part in ipairs { ... } do texts[i] = fs.read(at(part .. ".pem")) end
  fs.write(at(name .. ".chain"), table.concat(texts))
end

-- A certificate that will be valid the day after tomorrow; only `openssl ca` takes a beginning.
local function make_future()
  make("future", nil, {})
  fs.write(at "ca.conf", ("[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=%s\ndatabase=%s/index\nserial=%s/serial\n"
    .. "default_md=sha256\npolicy=p\ndefault_days=9\n[p]\ncommonName=supplied\n"):format(dir, dir, dir))
  fs.write(at "index", "")
  fs.write(at "serial", "01\n")
  local start = os.date("!%Y%m%d%H%M%SZ", os.time() + 2 * 86400)
  sh(("openssl ca -config ca.conf -batch -notext -in future.csr -cert ca.pem -keyfile ca.key -startdate %s "
    .. "-extfile future.ext -out future.pem"):format(start))
end

-- Another signature than the one that was made.
local function make_tampered()
  make("tampered", "ca", {})
  sh "openssl x509 -in tampered.pem -outform DER -out tampered.der"
  local der = fs.read(at "tampered.der")
  fs.write(at "tampered.der", der:sub(1, -2) .. string.char(der:byte(-1) ~ 1))
  sh "openssl x509 -in tampered.der -inform DER -out tampered.pem"
end

setup(function()
  dir, guard = fs.temp_dir()
  make("ca", nil, authority)
  make("twin", nil, { extensions = authority.extensions, subject = "ca" })
  make("old", nil, { extensions = authority.extensions, signing = "-days -1" })
  make("bounded", nil, { extensions = authority.extensions .. "nameConstraints=permitted;DNS:example.org\n" })
  make("between", "ca", authority)
  make("citizen", "ca", {})
  make("good", "between", {})
  make("orphan", "between", {})
  make("usurper", "citizen", {})
  make("namesake", "twin", {})
  make("stale", "old", {})
  make("outside", "bounded", {})
  make("expired", "ca", { signing = "-days -1" })
  make("part", "ca", { extensions = "subjectAltName=DNS:local*\n" })
  make("client", "ca", { extensions = "subjectAltName=DNS:localhost\nextendedKeyUsage=clientAuth\n" })
  make("critical", "ca", { extensions = "subjectAltName=DNS:localhost\n1.2.3.4=critical,DER:0500\n" })
  make("weak", "ca", { key = "-algorithm RSA -pkeyopt rsa_keygen_bits:1024" })
  make("sha1", "ca", { signing = "-days 2 -sha1" })
  make_future()
  make_tampered()
  chain("good", "good", "between")
  chain("usurper", "usurper", "citizen")
end)

teardown(function() guard:close() end)

local function refusal(port, settings)
  local ok, err = pcall(net.connect, "127.0.0.1", port, { tls = settings })
  assert.is_false(ok)
  assert.equal("EPROTO", err.code)
  return err.message
end

local function trusting(ca) return { ca_file = at((ca or "ca") .. ".pem"), server_name = "localhost" } end

-- Runs `openssl s_server` with these arguments while f(port) runs.
local function beside(arguments, f)
  local server <close> = process.spawn { "sh", "-c", "exec openssl s_server -accept 127.0.0.1:0 " .. arguments,
    cwd = dir, stdin = "pipe", stdout = "pipe", stderr = "null" }
  for line in server.stdout:lines() do
    local port = line:match "ACCEPT .-:(%d+)$"
    if port then
      f(math.tointeger(port))
      break
    end
  end
  server:kill()
end

describe("a certificate", function()
  local cases = {
    { "good", "good.chain" },
    { "without the one between it and the root", "orphan.pem", "issuer" },
    { "signed by one that may not sign", "usurper.chain", "invalid CA" },
    { "of an authority with the trusted one's name", "namesake.pem", "issuer" },
    { "whose signature was changed", "tampered.pem", "signature failure" },
    { "whose authority has expired", "stale.pem", "expired", "old" },
    { "outside its authority's names", "outside.pem", "permitted subtree", "bounded" },
    { "that has expired", "expired.pem", "expired" },
    { "that is not valid yet", "future.pem", "not yet valid" },
    { "with a wildcard for a part of a name", "part.pem", "mismatch" },
    { "made for clients", "client.pem", "purpose" },
    { "with an unknown critical extension", "critical.pem", "critical extension" },
    { "that signs itself", "twin.pem", "self%-signed" },
    { "with a short key", "weak.pem", "too weak" },
    { "signed with SHA-1", "sha1.pem", "too weak" },
  }
  for _, case in ipairs(cases) do
    local what, file, cause, ca = table.unpack(case)
    it(what .. (cause and " is refused, and the cause is named" or " is taken"), function()
      local key = file:match "^%w+"
      local arguments = ("-cert %s -cert_chain %s -key %s.key -cipher DEFAULT@SECLEVEL=0"):format(file, file, key)
      beside(arguments, function(port)
        if cause then
          assert.matches(cause, refusal(port, trusting(ca)))
          net.connect("127.0.0.1", port, { tls = { verify = false } }):close()
        else
          net.connect("127.0.0.1", port, { tls = trusting(ca) }):close()
        end
      end)
    end)
  end

  it("does not help a server that speaks TLS 1.1 alone", function()
    beside("-cert good.chain -key good.key -tls1_1 -cipher DEFAULT@SECLEVEL=0", function(port)
      assert.matches("version", refusal(port, { verify = false }))
    end)
  end)
end)

describe("a server over TLS", function()
  -- Serves an echo while f(port) runs; returns the errors of connections.
  local function serving(f)
    local l <close> = net.listen("127.0.0.1", 0)
    local errors = {}
    rille.group(function(g)
      local server = g:async(net.serve, l, function(conn)
        for chunk in conn:chunks() do conn:write(chunk) end
      end, { tls = { cert = at "good.chain", key = at "good.key" }, handshake_timeout = 0.5,
        on_error = function(e) errors[#errors + 1] = e end })
      f(l:address().port)
      local c <close> = net.connect("127.0.0.1", l:address().port, { tls = trusting() })
      c:write "still here"
      assert.equal("still here", c:read(10))
      c:close()
      server:cancel()
    end)
    return errors
  end

  it("refuses a renegotiation, and goes on", function()
    local words
    serving(function(port)
      words = sh(("(sleep 0.3; echo R; sleep 0.3) | openssl s_client -tls1_2 -connect 127.0.0.1:%d 2>&1"):format(port))
    end)
    assert.matches("RENEGOTIATING", words)
    assert.matches("no renegotiation", words)
  end)

  it("tells records that are longer than any may be", function()
    local errors = serving(function(port)
      for _, head in ipairs { "\x16\x03\x01\xff\xff", "\x17\x03\x03\xff\xff" } do
        local c <close> = net.connect("127.0.0.1", port)
        pcall(c.write, c, head .. ("x"):rep(65535))
        pcall(c.read, c, "a")
      end
    end)
    assert.equal(2, #errors)
    for _, err in ipairs(errors) do assert.equal("EPROTO", err.code) end
  end)

  it("ends hundreds of handshakes that never end, and serves others", function()
    local errors = serving(function(port)
      local silent = {}
      for i = 1, 400 do silent[i] = net.connect("127.0.0.1", port) end
      local c <close> = net.connect("127.0.0.1", port, { tls = trusting() })
      c:close()
      for _, s in ipairs(silent) do
        assert.equal("", s:read "a")
        s:close()
      end
    end)
    assert.equal(400, #errors)
    for _, err in ipairs(errors) do assert.equal("TIMEOUT", err.code) end
  end)

  it("tells a handshake that is reset", function()
    local errors = serving(function(port)
      process.run { "perl", "-MSocket", "-e", [[
        socket(my $s, PF_INET, SOCK_STREAM, 0);
        connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die;
        syswrite($s, "\x16\x03\x01\x02\x00\x01");
        setsockopt($s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0));
        close $s;]], tostring(port), check = true }
      rille.sleep(0.02)
    end)
    assert.equal(1, #errors)
    assert.equal("ECONNRESET", errors[1].code)
    assert.equal("handshake", errors[1].op)
  end)
end)
