-- sleepers on luv: so many coroutines, each with its timer. Argument: tasks.
package.path = "bench/lib/?.lua;" .. package.path
local tasks = require "luv_tasks"
local resident = require "memory"
local n = tonumber(arg[1])
local ms = 500 + n // 200

local before, began = resident(), os.clock()
local count, woken = 0, 0
local function sleeper()
  count = count + 1
  if count == n then
    local made = os.clock()
    print(("bytes %.1f create_ns %.2f"):format((resident() - before) / n, (made - began) / n * 1e9))
    began = os.clock()
  end
  tasks.sleep(ms)
  woken = woken + 1
end
for _ = 1, n do tasks.spawn(sleeper) end
tasks.run()
assert(woken == n)
print(("wake_ns %.2f"):format((os.clock() - began) / n * 1e9))
