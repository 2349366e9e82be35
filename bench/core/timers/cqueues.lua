-- timers on cqueues: coroutines that sleep five times for 1 to 100 ms.
local cqueues = require "cqueues"
local n = tonumber(arg[1])
local queue = cqueues.new()
math.randomseed(7)

local began = os.clock()
for _ = 1, n do
  queue:wrap(function()
    for _ = 1, 5 do cqueues.sleep(math.random(1, 100) / 1000) end
  end)
end
assert(queue:loop())
print(("ns %.2f"):format((os.clock() - began) / n / 5 * 1e9))
