-- hello on two runtimes that share the port. Prints it and serves until killed.
local http = require "rille.http"

local server = http.serve {
  port = 0, workers = 2,
  handler = function() return "Hello, World!" end,
}
print(server.port)
io.stdout:flush()
