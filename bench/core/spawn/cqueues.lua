-- spawn and join on cqueues: coroutines that sleep for no time once, in waves.
local cqueues = require "cqueues"
local n, wave = tonumber(arg[1]), tonumber(arg[2] or 1000)
local queue = cqueues.new()

local function once() cqueues.sleep(0) end

local began = os.clock()
for _ = 1, n // wave do
  for _ = 1, wave do queue:wrap(once) end
  assert(queue:loop())
end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
