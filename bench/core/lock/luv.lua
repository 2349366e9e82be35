-- lock on luv, written by hand: 1,000 tasks contend, with a yield inside.
package.path = "bench/lib/?.lua;" .. package.path
local tasks = require "luv_tasks"
local fifo = require("fifo").new(tasks.park, tasks.wake, coroutine.running)
local n = tonumber(arg[1])
local acquire, release = fifo.lock()

local began = os.clock()
for _ = 1, 1000 do
  tasks.spawn(function()
    for _ = 1, n // 1000 do
      acquire()
      tasks.yield()
      release()
    end
  end)
end
tasks.run()
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
