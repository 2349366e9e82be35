-- Peers that reset, dribble or come in thousands, and name servers that answer wrong, too much or never.
local rille = require "rille"
local net = require "rille.net"
local process = require "rille.process"
local fs = require "rille.fs"

local program = "/proc/" .. rille.os.pid .. "/exe"

-- Connects, does what `perl` says with $s, and resets the connection.
local function reset(port, perl)
  process.run { "perl", "-MSocket", "-e", ([[
    socket(my $s, PF_INET, SOCK_STREAM, 0);
    connect($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die;
    %s
    setsockopt($s, SOL_SOCKET, SO_LINGER, pack("ii", 1, 0));
    close $s;]]):format(perl), tostring(port), check = true }
end

local function run(script, around)
  local dir <const>, _ <close> = fs.temp_dir()
  fs.write(dir .. "/script.lua", script)
  local command = ("%s %s/script.lua %s"):format(program, dir, dir)
  local r = process.run { "sh", "-c", (around or "%s"):format(command), stderr = "stdout", timeout = 20 }
  return r.stdout
end

describe("a peer that resets", function()
  it("before it was accepted is told to who takes it, and the next is served", function()
    local l <close> = net.listen("127.0.0.1", 0)
    local port = l:address().port
    for _ = 1, 3 do reset(port, "") end
    local last <close> = net.connect("127.0.0.1", port)
    for _ = 1, 3 do
      local c <close> = l:accept()
      local ok, err = pcall(c.read, c)
      assert.is_false(ok)
      assert.same({ "ECONNRESET", "read" }, { err.code, err.op })
    end
    local c <close> = l:accept()
    last:write "x"
    assert.equal("x", c:read())
  end)

  it("while much is written to it is told to the writer", function()
    local l <close> = net.listen("127.0.0.1", 0)
    rille.gather(function()
      local c <close> = l:accept()
      local ok, err = pcall(c.write, c, ("x"):rep(64 << 20))
      assert.is_false(ok)
      assert.equal("write", err.op)
      assert.is_true(err.code == "ECONNRESET" or err.code == "EPIPE", err.code)
    end, function() reset(l:address().port, "sysread($s, my $some, 100000);") end)
  end)
end)

describe("a crowd", function()
  it("of a thousand that dribble holds up nobody", function()
    local out = run([[
      local rille, net = require "rille", require "rille.net"
      local l <close> = net.listen("127.0.0.1", 0)
      local port = l:address().port
      local ended, first = 0, nil
      rille.group(function(g)
        local server = g:async(net.serve, l, function(c)
          local done = rille.move_on_after(1, function() c:write(c:read "l", "\n") end)
          if not done then
            ended = ended + 1
            first = first or "a slow one"
          end
        end)
        local slow = {}
        for i = 1, 1000 do slow[i] = net.connect("127.0.0.1", port):write "x" end
        for i = 1, 20 do
          local c <close> = net.connect("127.0.0.1", port)
          c:write("hello\n")
          assert(c:read "l" == "hello")
        end
        first = first or "a fast one"
        for i, c in ipairs(slow) do
          pcall(c.write, c, "x")
          pcall(c.read, c, "a")
          c:close()
        end
        server:cancel()
      end)
      print(first, ended)
    ]], "ulimit -n 3000; %s")
    assert.equal("a fast one\t1000\n", out)
  end)

  it("of ten thousand that connect and leave at once costs no descriptor and no memory", function()
    local out = run([[
      local rille, net, fs = require "rille", require "rille.net", require "rille.fs"
      local l <close> = net.listen("127.0.0.1", 0, { backlog = 1024 })
      local port = l:address().port
      local function held() return tonumber(fs.read("/proc/self/statm"):match "^%d+ (%d+)") * 4096 end
      local room = fs.read("/proc/self/maps"):find "libasan" and 400 << 20 or 2 << 20 -- a sanitizer keeps what is freed
      local function fds() local n = 0 for _ in fs.list "/proc/self/fd" do n = n + 1 end return n end
      rille.group(function(g)
        -- Who leaves with a byte unread resets, and leaves no port waiting.
        local server = g:async(net.serve, l, function(c) c:write "x" c:read() end, { on_error = function() end })
        local before, first
        for round = 1, 20 do
          local all = {}
          for i = 1, 500 do all[i] = net.connect("127.0.0.1", port) end
          for i = 1, 500 do all[i]:ready() end
          for i = 1, 500 do all[i]:close() end
          all = nil
          rille.sleep(0.02)
          collectgarbage()
          collectgarbage()
          if round == 4 then before, first = held(), fds() end
        end
        rille.sleep(0.1)
        print(fds() - first, held() - before < room)
        server:cancel()
      end)
    ]], "ulimit -n 3000; %s")
    assert.equal("0\ttrue\n", out)
  end)
end)

-- A name server of our own is the only one of a network of its own.
local namespaces = pcall(process.run, { "unshare", "-mn", "ip", "link", "set", "lo", "up", check = true })

describe("a name server", function()
  if not namespaces then
    pending "needs unshare(1), ip(8) and the right to use them"
    return
  end

  -- Runs a script beside a server that answers with f(query), or not if that is nil.
  local function asking(answer, body)
    return run(([[
      local rille, net = require "rille", require "rille.net"
      local dns, fs = rille.dns, require "rille.fs"
      -- The answer: the query's number, these flags and as many addresses.
      local function reply(query, code, count)
        local question = query:sub(13, (select(2, query:find("%%z....", 13))))
        local record = string.pack(">I2I2I2I4s2", 0xc00c, 1, 1, 60, "\127\0\0\2")
        return query:sub(1, 2) .. string.pack(">I2I2I2I2I2", 0x8180 | code, 1, count, 0, 0) .. question
          .. record:rep(count)
      end
      local function answer(query) %s end
      rille.group(function(g)
        local socket <close> = net.udp { host = "127.0.0.1", port = 53 }
        local server = g:async(function()
          while true do
            local query, host, port = socket:recv()
            local text = answer(query)
            if text then socket:send(text, host, port) end
          end
        end)
        print(pcall(function() %s end))
        server:cancel()
      end)
    ]]):format(answer, body), "unshare -mn sh -c 'ip link set lo up; echo nameserver 127.0.0.1 > $0/resolv; "
      .. "echo options attempts:1 timeout:1 >> $0/resolv; mount --bind $0/resolv /etc/resolv.conf; exec %s' /tmp")
  end

  it("that answers is believed", function()
    local out = asking("return reply(query, 0, 1)", 'return table.concat(dns.lookup("some.test", { family = 4 }), " ")')
    assert.equal("true\t127.0.0.2\n", out)
  end)

  it("that knows no such name, or fails, is told", function()
    assert.matches("false\tEAI_NONAME: lookup", asking("return reply(query, 3, 0)", 'dns.lookup "some.test"'))
    assert.matches("false\tEAI_AGAIN: lookup", asking("return reply(query, 2, 0)", 'dns.lookup "some.test"'))
  end)

  it("that never answers is ended by the timeout, and nothing waits for it", function()
    local out = asking("return nil", [[
      local started = rille.now()
      local done = rille.move_on_after(0.1, dns.lookup, "some.test")
      return done, #fs.read "/etc/hostname" > 0, rille.now() - started < 0.9]])
    assert.equal("true\tfalse\ttrue\ttrue\n", out)
  end)

  it("that sends nonsense is not believed", function()
    local out = asking('return query:sub(1, 2) .. ("\\xff"):rep(200)', [[
      return rille.move_on_after(0.3, pcall, dns.lookup, "some.test")]])
    assert.matches("^true\tfalse\n$", out)
  end)

  it("with very many addresses for a name gives them all, and the first are tried", function()
    local out = asking("return reply(query, 0, 4000)", [[
      local found = dns.lookup("some.test", { family = 4 })
      local ok, err = pcall(net.connect, "some.test", 9)
      return #found > 0, ok, err.code]])
    assert.equal("true\ttrue\tfalse\tECONNREFUSED\n", out)
  end)
end)
