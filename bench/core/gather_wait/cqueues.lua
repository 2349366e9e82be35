-- gather of 10,000 on cqueues: coroutines that sleep for no time once.
local cqueues = require "cqueues"
local n, width = tonumber(arg[1]), 10000
local queue = cqueues.new()

local began = os.clock()
for _ = 1, n // width do
  local values = {}
  for i = 1, width do
    queue:wrap(function()
      cqueues.sleep(0)
      values[i] = i
    end)
  end
  assert(queue:loop())
  assert(values[width] == width)
end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
