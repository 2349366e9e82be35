-- The smallest server. `hello_http.lua 8080` serves until Ctrl-C; without a port it asks itself once and ends.
local http = require "rille.http"

local server = http.serve {
  port = tonumber(arg[1]) or 0,
  handler = function(request) return "Hello, " .. (request.query.name or "World") .. "!\n" end,
}
print("serving on " .. server.url)

if not arg[1] then
  io.write(http.get(server.url, { query = { name = "rille" } }).body)
  server:stop()
end
