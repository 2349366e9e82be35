-- websocket: a server that sends each message back. Prints its port and serves until killed.
local http = require "rille.http"
local net = require "rille.net"

local listener = net.listen("127.0.0.1", 0)
print(listener:address().port)
io.stdout:flush()
http.serve {
  listener = listener,
  handler = function(request)
    local ws <close> = http.websocket(request)
    for message, kind in ws do ws:send(message, kind) end
  end,
}
