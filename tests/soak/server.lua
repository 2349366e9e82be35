-- What the soak loads: every kind of answer. Prints its port and serves until killed. Argument: a directory.
local rille = require "rille"
local http = require "rille.http"
local directory = arg[1]

local routes = http.router()
routes:get("/", function() return "Hello, World!" end)
routes:get("/files/*", http.static(directory))
routes:post("/json", function(request)
  local value = request:json()
  return http.json { id = value.id, name = request.headers["x-name"], count = #value.items }
end)
routes:post("/upload", function(request)
  local bytes = 0
  for piece in request.body:chunks() do bytes = bytes + #piece end
  return tostring(bytes)
end)
routes:post("/ignore", function() return "not read" end)
routes:get("/stream", function()
  local left = 20
  return {
    body = function()
      left = left - 1
      return left >= 0 and ("piece of a body\n"):rep(10) or nil
    end,
  }
end)
routes:get("/slow", function()
  rille.sleep(0.01)
  return "late"
end)
routes:get("/large", function() return ("x"):rep(1024 * 1024) end)
routes:get("/error", function() error("this one fails") end)
routes:get("/refuse", function() http.error(422, "no") end)
routes:get("/echo", function(request)
  local socket <close> = http.websocket(request)
  for message, kind in socket:messages() do socket:send(message, kind) end
end)
routes:get("/collect", function()
  collectgarbage()
  collectgarbage()
  return tostring(collectgarbage "count" * 1024 // 1)
end)

local server = http.serve {
  port = 0, handler = routes,
  on_error = function(_, request) return request and { status = 500, body = "failed" } end,
}
print(server.port)
io.stdout:flush()
