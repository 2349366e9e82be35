-- A clock over server-sent events. `sse_clock.lua 8080` serves a page; without a port it listens to itself and ends.
local rille = require "rille"
local http = require "rille.http"

local page = [[
<!doctype html><title>clock</title><h1 id="clock">…</h1>
<script>
  new EventSource("/ticks").onmessage = e => { document.getElementById("clock").textContent = e.data }
</script>
]]

local pause, most = arg[1] and 1 or 0.05, arg[1] and math.huge or 3

local router = http.router()
router:get("/", function() return http.html(page) end)
router:get("/ticks", function()
  return http.sse(function(send)
    for i = 1, most do
      send(os.date "%H:%M:%S", { id = i })
      rille.sleep(pause)
    end
  end)
end)

local server = http.serve { port = tonumber(arg[1]) or 0, handler = router }
print("serving on " .. server.url)

if not arg[1] then
  local answer <close> = http.get(server.url .. "/ticks", { stream = true })
  for line in answer.body:lines() do
    if line:find "^data" then print(line) end
  end
  server:stop()
end
