-- lock on cqueues, written by hand over its condition: 1,000 tasks contend, with a yield inside.
local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local n = tonumber(arg[1])
local queue, free, held = cqueues.new(), condition.new(), false

local began = os.clock()
for _ = 1, 1000 do
  queue:wrap(function()
    for _ = 1, n // 1000 do
      while held do free:wait() end
      held = true
      cqueues.sleep(0)
      held = false
      free:signal(1)
    end
  end)
end
assert(queue:loop())
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
