-- Which ports of a host are open? At most 200 are tried at a time, each for half a second.
--   rille examples/port_scan.lua [HOST [FIRST [LAST]]]
local rille = require "rille"
local net = require "rille.net"

local host = arg[1] or "127.0.0.1"
local first, last = math.tointeger(arg[2]), math.tointeger(arg[3])

-- Without arguments there is something to find: three ports of our own.
local ours = {}
if not arg[1] then
  for i = 1, 3 do ours[i] = net.listen(host, 0) end
  local ports = {}
  for i, l in ipairs(ours) do ports[i] = l:address().port end
  table.sort(ports)
  first, last = first or math.max(ports[1] - 500, 1), last or math.min(ports[3] + 500, 65535)
  if last - first > 20000 then last = first + 20000 end
end
first, last = first or 1, last or 1024

local ports = {}
for port = first, last do ports[#ports + 1] = port end

local started = rille.now()
local open = {}
rille.map(ports, function(port)
  local ok, conn = rille.move_on_after(0.5, rille.try, net.connect, host, port)
  if ok and conn then
    conn:close()
    open[#open + 1] = port
  end
end, { concurrency = 200 })

table.sort(open)
for _, port in ipairs(open) do print(("%s:%d is open"):format(host, port)) end
print(("%d ports tried in %.2f s, %d open"):format(#ports, rille.now() - started, #open))
for _, l in ipairs(ours) do l:close() end
