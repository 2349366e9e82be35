-- The least scheduler one would write over luv: coroutines in a queue that an idle handle drains once a turn.
local uv = require "luv"

local tasks = {}
local queue, first, last = {}, 1, 0
local idle = uv.new_idle()

local function resume(co, ...)
  local ok, err = coroutine.resume(co, ...)
  if not ok then error(debug.traceback(co, err), 0) end
end

local function drain()
  local stop = last
  while first <= stop do
    local co = queue[first]
    queue[first] = nil
    first = first + 1
    resume(co)
  end
  if first > last then uv.idle_stop(idle) end
end

--- Puts a coroutine at the tail of the queue.
function tasks.wake(co)
  if first > last then uv.idle_start(idle, drain) end
  last = last + 1
  queue[last] = co
end

function tasks.spawn(f)
  local co = coroutine.create(f)
  tasks.wake(co)
  return co
end

function tasks.yield()
  tasks.wake(coroutine.running())
  return coroutine.yield()
end

--- Waits until `wake(co)` is called by another.
tasks.park = coroutine.yield

function tasks.sleep(ms)
  local co = coroutine.running()
  local timer = uv.new_timer()
  uv.timer_start(timer, ms, 0, function()
    uv.close(timer)
    resume(co)
  end)
  return coroutine.yield()
end

function tasks.run() uv.run() end

return tasks
