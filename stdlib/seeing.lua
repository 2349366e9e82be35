-- rille.stats: numbers of the running program, and of one task.
local program = require "rille.native.program"

local seeing = {}

--- Without an argument: `tasks`, `spawned`, `ready`, `timers`, `handles`, `ticks`, `polls`, `memory` (bytes of Lua),
--- `resident_max`, `cpu_user` and `cpu_system` (seconds), `pool` (`threads queued running completed`), and, counted
--- since the first call, `steps`, `busy` (seconds) and `lag`: how many steps lasted less than 2^(i-1) microseconds,
--- with `lag.max` and `lag.recent` (since the call before) in seconds; `slowest` lists the longest steps.
---
--- Of a task: `id`, `state`, `age` and `cpu` (seconds; the latter since the first call without a task), `spawned_at`,
--- `at`, `parent`, `waits_for`, and `waits_for_task` where another task is in the way. Nil once it has ended.
--- @param task? rille.Task
--- @return table?
function seeing.stats(task)
  if task ~= nil then
    return program.task(task)
  end
  return program.stats()
end

return seeing
