-- echo on cqueues: a coroutine a connection. Prints its port and serves until killed.
local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local queue = cqueues.new()
local server = socket.listen { host = "127.0.0.1", port = 0 }
server:listen()
print((select(3, server:localname())))
io.stdout:flush()
queue:wrap(function()
  for conn in server:clients() do
    queue:wrap(function()
      conn:setmode("bn", "bn")
      while true do
        local chunk = conn:read(-65536)
        if not chunk then break end
        conn:write(chunk)
      end
      conn:close()
    end)
  end
end)
assert(queue:loop())
