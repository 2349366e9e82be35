-- sleepers, the floor: suspended coroutines in a table. Argument: coroutines.
package.path = "bench/lib/?.lua;" .. package.path
local resident = require "memory"
local n = tonumber(arg[1])

local function sleeper() coroutine.yield() end

local before, began = resident(), os.clock()
local all = table.pack()
for i = 1, n do
  local co = coroutine.create(sleeper)
  coroutine.resume(co)
  all[i] = co
end
local made = os.clock()
print(("bytes %.1f create_ns %.2f"):format((resident() - before) / n, (made - began) / n * 1e9))
began = os.clock()
for i = 1, n do
  coroutine.resume(all[i])
  all[i] = nil
end
print(("wake_ns %.2f"):format((os.clock() - began) / n * 1e9))
