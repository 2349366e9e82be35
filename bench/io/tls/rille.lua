-- TLS: a handshake, then blocks for whoever sends anything. Prints its port and serves until killed.
local net = require "rille.net"

local at = (os.getenv "BUILD" or "build") .. "/bench/tls"
local block = ("x"):rep(65536)
local listener = net.listen("127.0.0.1", 0)
print(listener:address().port)
io.stdout:flush()
net.serve(listener, function(conn)
  if not conn:read() then return end
  while true do conn:write(block) end
end, { tls = { cert = at .. ".crt", key = at .. ".key", min_version = "1.3" }, on_error = function() end })
