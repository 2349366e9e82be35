-- System calls that fail under rille.net: each ends in an error that names the call, or is lived through.
-- strace makes them fail.
local rille = require "rille"
local fs = require "rille.fs"
local process = require "rille.process"

local program = "/proc/" .. rille.os.pid .. "/exe"
local strace = pcall(process.run, { "strace", "-V" })

local preamble = [[
  local rille, net = require "rille", require "rille.net"
  local function echo(c) for chunk in c:chunks() do c:write("<", chunk, ">") end end
  -- A conversation: the answer, or what was raised, by whom.
  local function talk(l)
    local c <close> = net.connect("127.0.0.1", l:address().port)
    c:write("one", " two"):shutdown()
    return c:read "a"
  end
  local function served(f)
    local l <close> = net.listen("127.0.0.1", 0)
    rille.group(function(g)
      local server = g:async(net.serve, l, echo, { on_error = function(e) print("server:", e.code) end })
      f(l)
      server:cancel()
    end)
  end
  local ok, err = pcall(function() %s end)
  print(ok and "ok" or type(err) == "table" and err.code .. " " .. tostring(err.op) or tostring(err))
]]

local function inject(call, failure, body)
  local dir <const>, _ <close> = fs.temp_dir()
  fs.write(dir .. "/script.lua", preamble:format(body))
  local r = process.run { "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" .. call,
    "-e", ("inject=%s:%s"):format(call, failure), program, dir .. "/script.lua", timeout = 20 }
  return r.stdout .. r.stderr
end

local cases = {
  { "socket", "error=EMFILE", 'net.connect("127.0.0.1", 9)', "EMFILE connect" },
  { "socket", "error=ENOBUFS", 'net.listen("127.0.0.1", 0)', "ENOBUFS listen" },
  { "connect", "error=ENETUNREACH", 'net.connect("127.0.0.1", 9)', "ENETUNREACH connect" },
  { "connect", "error=EACCES", 'net.connect { path = "/x" }', "EACCES connect" },
  { "bind", "error=EACCES", 'net.listen("127.0.0.1", 80)', "EACCES listen" },
  { "bind", "error=EADDRNOTAVAIL", "net.udp { port = 0 }", "EADDRNOTAVAIL bind" },
  { "listen", "error=EADDRINUSE", 'net.listen("127.0.0.1", 0)', "EADDRINUSE listen" },
  { "sendmsg", "error=ECONNRESET", "served(talk)", "ECONNRESET write" },
  { "sendmsg", "error=EAGAIN:when=1..5", "served(function(l) assert(talk(l) == '<one two>') end)", "ok" },
  { "sendmsg", "error=EINTR:when=1..3", "served(function(l) assert(talk(l) == '<one two>') end)", "ok" },
  { "recvfrom", "error=ECONNRESET", "served(talk)", "ECONNRESET read" },
  { "recvfrom", "error=EINTR:when=1..3", "served(function(l) assert(talk(l) == '<one two>') end)", "ok" },
  { "recvfrom", "error=EAGAIN:when=1..3", "served(function(l) assert(talk(l) == '<one two>') end)", "ok" },
  { "accept4", "error=ECONNABORTED:when=1", "served(function(l) assert(talk(l) == '<one two>') end)", "ok" },
  { "accept4", "error=EINTR:when=1..3", "served(function(l) assert(talk(l) == '<one two>') end)", "ok" },
  { "epoll_wait", "error=EINTR:when=1..3", "served(function(l) assert(talk(l) == '<one two>') end)", "ok" },
  { "shutdown", "error=ENOTCONN", "served(talk)", "ENOTCONN shutdown" },
  { "sendmsg", "error=ENETUNREACH", 'net.udp():send("x", "127.0.0.1", 9)', "ENETUNREACH send" },
  { "setsockopt", "error=EINVAL", 'net.listen("127.0.0.1", 0)', "EINVAL listen" },
}

describe("a failing system call", function()
  if not strace then
    pending "needs strace"
    return
  end
  for _, case in ipairs(cases) do
    local call, failure, body, expected = table.unpack(case)
    it(("%s (%s) in %s is told or lived through"):format(call, failure, body), function()
      local output = inject(call, failure, body)
      assert.matches(expected, output, 1, true)
      assert.is_nil(output:find("broken invariant", 1, true))
    end)
  end

  it("that is slow, in a hundred look-ups, holds up no file", function()
    local output = inject("sendto,sendmmsg,poll,connect", "delay_enter=1000000", [[
      local fs, started, jobs = require "rille.fs", rille.now(), {}
      for i = 1, 100 do jobs[i] = function() return rille.dns.lookup("slow" .. i .. ".invalid") end end
      assert(not rille.move_on_after(0.05, rille.gather, jobs))
      assert(#fs.read "/etc/passwd" > 0)
      assert(rille.now() - started < 0.8)
    ]])
    assert.matches("ok", output)
  end)
end)

-- A name with several addresses needs a hosts file of our own, and that a mount namespace.
local namespaces = pcall(process.run, { "unshare", "-m", "true", check = true })

describe("a name with two addresses", function()
  if not namespaces then
    pending "needs unshare(1) and the right to use it"
    return
  end

  -- Runs a script where two.test is 127.0.0.1 and 127.0.0.3, in the order of getaddrinfo, and `port` is live on
  -- the second.
  local function run(body)
    local dir <const>, _ <close> = fs.temp_dir()
    fs.write(dir .. "/hosts", "127.0.0.1 two.test\n127.0.0.3 two.test\n")
    fs.write(dir .. "/script.lua", preamble:format([[
      local live <close> = net.listen("127.0.0.3", 0)
      local port = live:address().port
      local started = rille.now()
      ]] .. body))
    local script = ("mount --bind %s/hosts /etc/hosts && exec %s %s/script.lua"):format(dir, program, dir)
    local r = process.run { "unshare", "-m", "sh", "-c", script, timeout = 20 }
    return r.stdout .. r.stderr
  end

  it("is reached by the second at once if the first refuses", function()
    assert.matches("^ok", run [[
      local c <close> = net.connect("two.test", port)
      assert(c:peer().host == "127.0.0.3" and rille.now() - started < 0.2)
    ]])
  end)

  it("is reached by the second in under a second if the first is silent", function()
    assert.matches("^ok", run [[
      local silent <close> = net.listen("127.0.0.1", port, { backlog = 1 })
      local held = {}
      rille.move_on_after(0.1, function()
        for i = 1, 8 do held[i] = net.connect("127.0.0.1", port) end
      end)
      started = rille.now()
      local c <close> = net.connect("two.test", port)
      assert(c:peer().host == "127.0.0.3", tostring(c:peer()))
      local took = rille.now() - started
      assert(took > 0.2 and took < 1, took)
      for _, h in ipairs(held) do h:close() end
    ]])
  end)

  it("raises the first one's error if both fail", function()
    assert.matches("^ECONNREFUSED connect", run [[
      live:close()
      net.connect("two.test", port)
    ]])
  end)
end)
