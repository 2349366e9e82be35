-- switch on cqueues: 100 coroutines that sleep for no time.
local cqueues = require "cqueues"
local n = tonumber(arg[1])
local queue = cqueues.new()

local began = os.clock()
for _ = 1, 100 do
  queue:wrap(function()
    for _ = 1, n // 100 do cqueues.sleep(0) end
  end)
end
assert(queue:loop())
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
