-- channel of 100 on luv, written by hand: one task sends, one receives.
package.path = "bench/lib/?.lua;" .. package.path
local tasks = require "luv_tasks"
local fifo = require("fifo").new(tasks.park, tasks.wake, coroutine.running)
local n = tonumber(arg[1])
local send, recv = fifo.channel(100)

local began = os.clock()
local sum = 0
tasks.spawn(function()
  for i = 1, n do send(i) end
end)
tasks.spawn(function()
  for _ = 1, n do sum = sum + recv() end
end)
tasks.run()
assert(sum == n * (n + 1) // 2)
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
