-- sleepers on cqueues: so many coroutines asleep at once. Argument: tasks.
package.path = "bench/lib/?.lua;" .. package.path
local cqueues = require "cqueues"
local resident = require "memory"
local n = tonumber(arg[1])
local seconds = 0.5 + n * 5e-6
local queue = cqueues.new()

local before, began = resident(), os.clock()
local count = 0
local function sleeper()
  count = count + 1
  if count == n then
    local made = os.clock()
    print(("bytes %.1f create_ns %.2f"):format((resident() - before) / n, (made - began) / n * 1e9))
    began = os.clock()
  end
  cqueues.sleep(seconds)
end
for _ = 1, n do queue:wrap(sleeper) end
assert(queue:loop())
print(("wake_ns %.2f"):format((os.clock() - began) / n * 1e9))
