--- HTTP: a server, a client, WebSocket. Parts load when they are first used.
local http = {}

-- Which part defines which names.
local parts = {
  server = { "serve" },
  respond = { "json", "redirect", "error", "html", "sse" },
  files = { "file", "static" },
  router = { "router" },
  cookies = { "cookie", "sign", "unsign" },
  middleware = { "cors", "compress", "log", "metrics" },
  websocket = { "websocket", "ws_connect" },
  client = { "get", "post", "put", "patch", "delete", "head", "options", "fetch", "session" },
}

local part_of = {}
for part, names in pairs(parts) do
  for _, name in ipairs(names) do part_of[name] = part end
end

require "rille.http.request"

return setmetatable(http, {
  __index = function(_, name)
    local part = part_of[name]
    if not part then return nil end
    for key, value in pairs(require("rille.http." .. part)) do http[key] = value end
    return rawget(http, name)
  end,
})
