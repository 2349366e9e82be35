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
  { "writev", "error=ECONNRESET", "served(talk)", "ECONNRESET write" },
  { "writev", "error=EAGAIN:when=1..5", "served(function(l) assert(talk(l) == '<one two>') end)", "ok" },
  { "writev", "error=EINTR:when=1..3", "served(function(l) assert(talk(l) == '<one two>') end)", "ok" },
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
