-- gather of 10,000 on luv: coroutines that yield once.
package.path = "bench/lib/?.lua;" .. package.path
local tasks = require "luv_tasks"
local n, width = tonumber(arg[1]), 10000

local began = os.clock()
for _ = 1, n // width do
  local values = {}
  for i = 1, width do
    tasks.spawn(function()
      tasks.yield()
      values[i] = i
    end)
  end
  tasks.run()
  assert(values[width] == width)
end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
