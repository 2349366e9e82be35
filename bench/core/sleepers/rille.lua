-- sleepers: so many tasks asleep at once: bytes of each, and what making and waking one costs. Argument: tasks.
package.path = "bench/lib/?.lua;" .. package.path
local rille = require "rille"
local resident = require "memory"
local n = tonumber(arg[1])
local seconds = 0.5 + n * 5e-6

local function sleeper() rille.sleep(seconds) end

local before, began = resident(), os.clock()
rille.group(function(g)
  for _ = 1, n do g:spawn(sleeper) end
  rille.yield()
  rille.yield()
  local made = os.clock()
  print(("bytes %.1f create_ns %.2f"):format((resident() - before) / n, (made - began) / n * 1e9))
  began = os.clock()
end)
print(("wake_ns %.2f"):format((os.clock() - began) / n * 1e9))
