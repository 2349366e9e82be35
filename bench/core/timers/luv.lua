-- timers on luv: coroutines that sleep five times for 1 to 100 ms, each with its timer.
package.path = "bench/lib/?.lua;" .. package.path
local tasks = require "luv_tasks"
local n = tonumber(arg[1])
math.randomseed(7)

local began = os.clock()
for _ = 1, n do
  tasks.spawn(function()
    for _ = 1, 5 do tasks.sleep(math.random(1, 100)) end
  end)
end
tasks.run()
print(("ns %.2f"):format((os.clock() - began) / n / 5 * 1e9))
