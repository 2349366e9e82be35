-- spawn and join on luv: coroutines that yield once, in waves.
package.path = "bench/lib/?.lua;" .. package.path
local tasks = require "luv_tasks"
local n, wave = tonumber(arg[1]), tonumber(arg[2] or 1000)

local began = os.clock()
for _ = 1, n // wave do
  for _ = 1, wave do tasks.spawn(tasks.yield) end
  tasks.run()
end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
