-- A TCP proxy: what arrives here goes there, and back, at the pace of the slower side. With arguments it serves until
-- Ctrl-C; without, it stands between a client and a server of its own, and shows how little it holds.
--   rille examples/proxy.lua [LISTEN-PORT HOST PORT]
local rille = require "rille"
local net = require "rille.net"

local function forward(from, to)
  rille.stream.copy(from, to)
  to:shutdown()
end

local function proxy(host, port)
  return function(near)
    local far <close> = net.connect(host, port)
    rille.gather(function() forward(near, far) end, function() forward(far, near) end)
  end
end

if arg[1] then
  local listener <close> = net.listen("*", math.tointeger(arg[1]))
  print(("forwarding %s to %s:%s"):format(listener:address(), arg[2], arg[3]))
  return net.serve(listener, proxy(arg[2], math.tointeger(arg[3])))
end

local MIB = 1 << 20
local TOTAL = 64 * MIB

local server <close> = net.listen("127.0.0.1", 0)
local front <close> = net.listen("127.0.0.1", 0)
rille.group(function(g)
  local running = g:async(net.serve, front, proxy("127.0.0.1", server:address().port))

  g:spawn(function() -- a server that sends faster than its client reads
    local conn <close> = server:accept()
    local piece = ("x"):rep(MIB)
    for _ = 1, TOTAL // MIB do conn:write(piece) end
  end)

  local conn <close> = net.connect(front:address())
  local started, got, most = rille.now(), 0, 0
  for chunk in conn:chunks() do
    got = got + #chunk
    most = math.max(most, collectgarbage "count")
    if got % (8 * MIB) < #chunk then rille.sleep(0.005) end -- a client that dawdles
  end
  print(("%d MiB came through the proxy in %.2f s"):format(got // MIB, rille.now() - started))
  print(("the most that Lua held meanwhile: %.1f MiB"):format(most / 1024))
  running:cancel()
end)
