-- A chat room over WebSocket, with a page. `chat_ws.lua 8080` serves it; without a port three guests talk, and it ends.
local rille = require "rille"
local http = require "rille.http"

local page = [[
<!doctype html><title>chat</title>
<form id="f"><input id="m" autofocus autocomplete="off"></form><ul id="l"></ul>
<script>
  const ws = new WebSocket(location.href.replace(/^http/, "ws") + "ws")
  const list = document.getElementById("l"), input = document.getElementById("m")
  ws.onmessage = e => { const li = document.createElement("li"); li.textContent = e.data; list.append(li) }
  document.getElementById("f").onsubmit = e => { e.preventDefault(); ws.send(input.value); input.value = "" }
</script>
]]

local guests, count = {}, 0

-- A guest who reads too slowly holds nobody up: each has a queue of its own, and loses what does not fit.
local function tell(text)
  for _, queue in pairs(guests) do queue:try_send(text) end
end

local function chat(request)
  local ws <close> = http.websocket(request, { limit = 4096 })
  count = count + 1
  local name = "guest " .. count
  local queue = rille.channel(100)
  guests[ws] = queue
  local _ <close> = setmetatable({}, { __close = function()
    guests[ws] = nil
    queue:close()
    tell(name .. " left")
  end })
  tell(name .. " came")
  rille.group(function(g)
    g:spawn(function()
      for text in queue do ws:send(text) end
    end)
    for text, kind in ws:messages() do
      if kind == "text" then tell(name .. ": " .. text) end
    end
    g:cancel()
  end)
end

local router = http.router()
router:get("/", function() return http.html(page) end)
router:get("/ws", chat)

local server = http.serve { port = tonumber(arg[1]) or 0, handler = router }
print("serving on " .. server.url)

if not arg[1] then
  local url = server.url:gsub("^http", "ws") .. "/ws"
  local guest <close> = http.ws_connect(url)
  print(guest:recv())
  for _, word in ipairs { "hello", "goodbye" } do
    local other = http.ws_connect(url)
    print(guest:recv())
    other:send(word)
    print(guest:recv())
    other:close()
    print(guest:recv())
  end
  guest:close()
  server:stop()
end
