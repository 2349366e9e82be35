-- echo on luv, by callbacks. Prints its port and serves until killed.
local uv = require "luv"

local server = uv.new_tcp()
server:bind("127.0.0.1", 0)
server:listen(511, function(err)
  assert(not err, err)
  local conn = uv.new_tcp()
  server:accept(conn)
  conn:nodelay(true)
  conn:read_start(function(failed, chunk)
    if failed or not chunk then
      conn:close()
      return
    end
    local sent = conn:try_write(chunk) or 0
    if sent < #chunk then conn:write(chunk:sub(sent + 1)) end
  end)
end)
print(server:getsockname().port)
io.stdout:flush()
uv.run()
