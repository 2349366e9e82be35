-- For tests: the virtual clock and the seeded order.
local native = require "rille.native.clock"
local scope = require "rille.native.scope"
local group, timeout = scope.group, scope.timeout

local test = {}

--- Puts a virtual clock in force until it is closed. `rille.now()` stands still while tasks run, and jumps to the next
--- deadline only when nothing is ready, running on a pool, or waiting for real I/O.
---
--- ```lua
--- local clock <close> = rille.test.clock()
--- rille.sleep(3600)  -- returns at once
--- ```
--- @return rille.Clock clock `<close>`-able, with `close()` and `advance(seconds)`
--- @raise DENIED if one is in force already
test.clock = native.clock

--- Deals equally ready tasks in an order that depends on `seed` alone; 0 for arrival order.
--- @param seed integer
test.seed = native.seed

--- Like `rille.timeout`, but by the real clock, whatever clock is in force: for whoever runs tests.
--- @async
--- @param s number seconds
--- @param f function
--- @return any ... what `f` returns
--- @raise TIMEOUT
function test.timeout(s, f, ...)
  return timeout(math.huge, function(...)
    local _ <close> = native.watchdog(s)
    return group(function(_, ...) return f(...) end, ...) -- also for what it has spawned
  end, ...)
end

--- Seconds of the real clock, whatever clock is in force.
--- @return number
test.real_now = native.real

return test
