-- echo: a task a connection. Prints its port and serves until killed.
local net = require "rille.net"

local listener = net.listen("127.0.0.1", 0)
print(listener:address().port)
io.stdout:flush()
net.serve(listener, function(conn)
  while true do
    local chunk = conn:read()
    if not chunk then return end
    conn:write(chunk)
  end
end)
