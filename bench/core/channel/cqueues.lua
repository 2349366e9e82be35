-- channel of 100 on cqueues, written by hand over its condition: one task sends, one receives.
local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local n = tonumber(arg[1])
local queue = cqueues.new()
local items, first, last = {}, 1, 0
local readable, writable = condition.new(), condition.new()

local began = os.clock()
local sum = 0
queue:wrap(function()
  for i = 1, n do
    while last - first + 1 >= 100 do writable:wait() end
    last = last + 1
    items[last] = i
    readable:signal()
  end
end)
queue:wrap(function()
  for _ = 1, n do
    while first > last do readable:wait() end
    sum = sum + items[first]
    items[first] = nil
    first = first + 1
    writable:signal()
  end
end)
assert(queue:loop())
assert(sum == n * (n + 1) // 2)
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
