-- h2: a server that says one sentence over HTTP/2 and TLS. Prints its port and serves until killed.
local http = require "rille.http"
local net = require "rille.net"

local at = (os.getenv "BUILD" or "build") .. "/bench/tls"
local listener = net.listen("127.0.0.1", 0)
print(listener:address().port)
io.stdout:flush()
http.serve {
  listener = listener, tls = { cert = at .. ".crt", key = at .. ".key" },
  handler = function() return "Hello, World!" end,
}
