-- switch on luv: 100 coroutines in a queue, drained once a turn of the loop.
package.path = "bench/lib/?.lua;" .. package.path
local tasks = require "luv_tasks"
local n = tonumber(arg[1])

local began = os.clock()
for _ = 1, 100 do
  tasks.spawn(function()
    for _ = 1, n // 100 do tasks.yield() end
  end)
end
tasks.run()
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
