-- An echo server and some clients of it. With a port as argument it serves until Ctrl-C.
--   rille examples/echo_server.lua [PORT]
local rille = require "rille"
local net = require "rille.net"

local function echo(conn)
  for chunk in conn:chunks() do conn:write(chunk) end
end

local listener <close> = net.listen(arg[1] and "*" or "127.0.0.1", math.tointeger(arg[1]) or 0)
print("echo server on " .. listener:address())
if arg[1] then return net.serve(listener, echo) end

rille.group(function(g)
  local server = g:async(net.serve, listener, echo)
  local started = rille.now()
  local answers = rille.map({ "one", "two", "three" }, function(word)
    local conn <close> = net.connect(listener:address())
    conn:write("hello from client ", word, "\n")
    return conn:read "l"
  end)
  for _, answer in ipairs(answers) do print(answer) end
  print(("3 clients answered in %.1f ms"):format((rille.now() - started) * 1000))
  server:cancel()
end)
