-- The concurrency core under random programs: nested scopes, deadlines out of order, generators left half way, locks,
-- channels, select, and cancels from everywhere, on a virtual clock. A round passes if it ends, raises nothing but what it
-- may, and leaves every lock free, every permit back, every item received or still in its channel, every failure told to
-- somebody, and no task behind.
--
--   rille tests/slow/core_stress.lua [ROUNDS [FIRST_SEED]]    the same seed is the same round
local rille = require "rille"
local random = math.random

local EXPECTED = { CANCELLED = true, TIMEOUT = true, CLOSED = true, BROKEN = true, DEADLOCK = true, DENIED = true }
local STEPS, DEPTH, TASKS = 5, 6, 120

-- What a step may come to besides: of waits where C is in the way, of a semaphore that is small for a while, of nesting
-- without bound, of modules that load each other.
local EXPECTED_TEXT = {
  "oops$", "is in the way", "cannot wait", "more than the semaphore has", "C stack overflow", "error in error handling",
  "^module '%w+' requires", "CANCELLED",
}

local function is_expected(err)
  if type(err) == "table" then
    return EXPECTED[err.code] or err.oops
  end
  for _, pattern in ipairs(EXPECTED_TEXT) do
    if err == nil or err:find(pattern) then return true end
  end
end

-- What the tasks of one round share.
local function new_world()
  local world = { tasks = {}, started = 0, sent = 0, received = 0, inside = {}, readers = 0, writers = 0, strange = {} }
  world.untold, world.failures, world.closed = {}, 0, {}
  world.locks = { rille.lock(), rille.lock(), rille.lock() }
  world.semaphore = rille.semaphore(3)
  world.rwlock = rille.rwlock()
  world.channels = { rille.channel(), rille.channel(1), rille.channel(4), rille.channel(math.huge) }
  world.event, world.barrier = rille.event(), rille.barrier(2)
  world.condition = rille.condition(world.locks[1])
  world.future = rille.future()
  world.var = rille.var(0)
  return world
end

local function pick(list)
  return list[random(#list)]
end

local function new_failure(world, where)
  world.failures = world.failures + 1
  local err = { oops = true, where = where }
  world.untold[err] = true
  return err
end

-- Somebody has got `err`, and with it all that it suppresses.
local function hear(world, err, heard)
  heard = heard or {}
  if err == nil or heard[err] then return end
  heard[err] = true
  world.untold[err] = nil
  for _, other in ipairs(rille.suppressed(err)) do
    hear(world, other, heard)
  end
  if type(err) == "table" then
    for _, other in pairs(err.errors or {}) do
      hear(world, other, heard)
    end
  end
end

-- A string raised again is a new error: what the old one suppressed ends here.
local function raise_again(world, err)
  if type(err) == "string" then hear(world, err) end
  error(err, 0)
end

-- Runs f, and writes down an error that nothing explains.
local function guarded(world, f, ...)
  return (function(ok, ...)
    if not ok then hear(world, (...)) end
    if not ok and not is_expected((...)) then
      table.insert(world.strange, rille.report((...)))
    end
    return ok, ...
  end)(pcall(f, ...))
end

local function closing(f)
  return setmetatable({}, { __close = f })
end

local act  -- (world, depth): some random steps

-- Mostly its errors end with it, so that the rest goes on.
local function body(world, depth)
  return function()
    if random(4) == 1 then return act(world, depth) end
    guarded(world, rille.group, function() return act(world, depth) end)
  end
end

-- What a combinator may drop, as race does what comes second, its function has told before.
local function telling(world, depth)
  local f = body(world, depth)
  return function()
    local ok, err = rille.catch_cancel(rille.gather, f)
    if not ok then
      hear(world, err)
      raise_again(world, err)
    end
  end
end

local function keep(world, task)
  world.started = world.started + 1
  world.tasks[random(16)] = task
  return task
end

local function may_start(world)
  return world.started < TASKS
end

local function exclusive(world, i)
  if world.inside[i] then
    table.insert(world.strange, "two tasks hold one lock")
  end
  world.inside[i] = true
  return closing(function()
    world.inside[i] = nil
  end)
end

local steps = {}

function steps.sleep() rille.sleep(random(0, 20) / 10) end
function steps.yield() rille.yield() end

function steps.fail(world)
  if random(4) == 1 then
    error(random(3) == 1 and "oops" or new_failure(world, "fail"), 0)
  end
end

function steps.lock(world, depth)
  local i = random(3)
  local lock = world.locks[i]
  if lock:owner() == rille.current() then
    return
  end
  local _ <close> = lock:acquire()
  local _ <close> = exclusive(world, i)
  act(world, depth - 1)
end

function steps.abandon_lock(world)
  if random(10) > 1 or not may_start(world) then
    return
  end
  local lock = world.locks[3]
  keep(world, rille.spawn(function() lock:try_acquire() end))
end

function steps.condition(world)
  local lock = world.locks[1]
  if lock:owner() == rille.current() then
    return
  end
  local _ <close> = lock:acquire()
  local _ <close> = exclusive(world, 1)
  if random(2) == 1 then
    world.condition:notify(random(2))
  else
    world.inside[1] = nil
    local wait = random(2) == 1 and rille.move_on_after or rille.timeout
    local ok, err = rille.catch_cancel(wait, random(3), world.condition.wait, world.condition)
    if lock:owner() ~= rille.current() then
      table.insert(world.strange, "a condition's waiter does not hold the lock")
    end
    world.inside[1] = true
    if not ok then raise_again(world, err) end
  end
end

function steps.semaphore(world, depth)
  local _ <close> = world.semaphore:acquire(random(3))
  if random(2) == 1 then rille.sleep(random()) else act(world, depth - 1) end
end

function steps.rwlock(world)
  if random(2) == 1 then
    local _ <close> = world.rwlock:read()
    world.readers = world.readers + 1
    local _ <close> = closing(function() world.readers = world.readers - 1 end)
    if world.writers > 0 then table.insert(world.strange, "a reader beside a writer") end
    rille.sleep(random())
  else
    local _ <close> = world.rwlock:write()
    world.writers = world.writers + 1
    local _ <close> = closing(function() world.writers = world.writers - 1 end)
    if world.writers > 1 or world.readers > 0 then table.insert(world.strange, "a writer beside others") end
    rille.sleep(random())
  end
end

function steps.send(world)
  pick(world.channels):send(world.sent)
  world.sent = world.sent + 1
end

function steps.recv(world)
  if pick(world.channels):recv() ~= nil then
    world.received = world.received + 1
  end
end

function steps.try(world)
  local channel = pick(world.channels)
  if random(2) == 1 then
    if channel:try_send(1) then world.sent = world.sent + 1 end
  elseif channel:try_recv() then
    world.received = world.received + 1
  end
end

function steps.select(world)
  local to, from, i = pick(world.channels), pick(world.channels), random(3)
  local lock = world.locks[i]
  local cases = { to:sending(0), from:receiving(), rille.after(random(0, 20) / 10), world.semaphore:acquiring(random(3)) }
  if lock:owner() ~= rille.current() then
    cases[5] = lock:acquiring()
  end
  local case, value = rille.select(cases)
  if case == 1 then
    world.sent = world.sent + 1
  elseif case == 2 then
    world.received = world.received + (value ~= nil and 1 or 0)
  elseif case >= 4 then
    local _ <close> = value
    local _ <close> = case == 5 and exclusive(world, i) or nil
    rille.sleep(random())
  end
end

function steps.event(world)
  if random(2) == 1 then
    world.event:set()
    world.event:clear()
  else
    rille.move_on_after(2, world.event.wait, world.event)
  end
end

function steps.barrier(world)
  if random(20) == 1 then
    world.barrier:reset()
  else
    rille.move_on_after(2, world.barrier.wait, world.barrier)
  end
end

function steps.future(world)
  if random(3) == 1 and not world.future:is_done() then
    world.future:set(1)
    world.future = rille.future()
  else
    rille.move_on_after(1, world.future.await, world.future)
  end
end

function steps.spawn(world, depth)
  if may_start(world) then keep(world, rille.spawn(body(world, depth - 1))) end
end

function steps.async(world, depth)
  if may_start(world) then keep(world, rille.async(body(world, depth - 1))()) end
end

function steps.detach(world, depth)
  if may_start(world) then
    world.started = world.started + 1
    local task = rille.detach(guarded, world, rille.timeout, 50, rille.gather, body(world, depth - 1))
    table.insert(world.detached, task)
    world.roots[task] = true
  end
end

-- Handles of tasks that nobody spawned by name: children of combinators, the main task.
function steps.look(world)
  local task = pick(rille.tasks())
  assert(tostring(task) and task:status() and task:traceback() and task:site())
  world.tasks[random(16)] = rille.current()
end

function steps.await(world)
  local task = world.tasks[random(16)]
  if task then task:await() end
end

function steps.cancel(world)
  local task = world.tasks[random(16)]
  if not task then return end
  if random(2) == 1 then task:cancel "stress" else task:cancel { grace = random(0, 3) } end
end

function steps.group(world, depth, inner)
  inner = inner or act
  rille.group(function(g)
    world.group = g
    for _ = 1, random(0, 3) do
      if may_start(world) then keep(world, g:spawn(body(world, depth - 1))) end
    end
    if random(3) == 1 then g:cancel() end
    inner(world, depth - 1)
    if random(3) == 1 then g:cancel { grace = random(0, 2) } end
  end)
end

-- Into a group of anybody's, which may be joining, or have been left.
function steps.intrude(world, depth)
  local group = world.group
  if not group or not may_start(world) then return end
  local how = random(3)
  if how == 1 then
    keep(world, group:spawn(body(world, depth - 1)))
  elseif how == 2 then
    group:cancel()
  else
    group:start(function(started)
      rille.sleep(random(0, 10) / 10)
      if random(2) == 1 then started() end
      act(world, depth - 1)
    end)
  end
end

function steps.timeout(world, depth, inner)
  inner = inner or act
  local f = random(2) == 1 and rille.timeout or rille.move_on_after
  f(random(0, 30) / 10, inner, world, depth - 1)
end

function steps.deadline(world, depth, inner)
  inner = inner or act
  local first <close> = rille.deadline(random(0, 40) / 10)
  local second = rille.deadline(random(0, 40) / 10)
  if random(2) == 1 then second:reschedule(random(0, 40) / 10) end
  inner(world, depth - 1)
  if random(2) == 1 then second:close() end
end

function steps.shield_more(world, depth)
  rille.shield(rille.timeout, 20, act, world, depth - 1)
end

function steps.shield(world)
  rille.shield(function()
    rille.sleep(random(0, 20) / 10)
    steps.try(world)
  end)
end

function steps.catch(world, depth, inner)
  inner = inner or act
  local ok, err = rille.catch_cancel(inner, world, depth - 1)
  if random(2) == 1 then rille.catch_cancel(rille.sleep, random(0, 30) / 10) end
  if not ok then raise_again(world, err) end
end

-- An error that replaces another in a `<close>` handler has made its end, as everywhere in Lua.
local function may_fail(world, err)
  hear(world, err)
  return err == nil or type(err) == "table" and err.code == "CANCELLED"
end

function steps.cleanup(world, depth, inner)
  inner = inner or act
  local _ <close> = closing(function(_, err)
    if not may_fail(world, err) then return end
    rille.sleep(random(0, 60) / 10)
    if random(8) == 1 then error(new_failure(world, "cleanup")) end
  end)
  inner(world, depth - 1)
end

function steps.combine(world, depth)
  if not may_start(world) then return end
  world.started = world.started + 2
  local items = { telling(world, depth - 1), telling(world, depth - 1), world.tasks[random(16)] }
  local how = random(7)
  if how == 1 then
    rille.gather(items)
  elseif how == 2 then
    rille.gather { items[1], items[2], settle = true }
  elseif how == 3 then
    rille.race(items[1], items[2])
  elseif how == 4 then
    rille.any(items[1], function() rille.gather(items[2]) end)
  elseif how == 5 then
    rille.map({ 1, 2, 3 }, body(world, depth - 1), { concurrency = random(3) })
  elseif how == 6 then
    local tasks = { rille.async(items[1])(), rille.spawn(items[2]) }
    rille.wait(tasks, { ["until"] = pick { "first", "error", "all" }, timeout = random(2) == 1 and random() or nil })
  elseif items[3] then
    local wait = random(2) == 1 and function(list) rille.wait(list, { timeout = random(3) }) end
      or function(list) for _ in rille.as_completed(list) do if random(2) == 1 then break end end end
    wait { items[3] }
  end
end

-- A generator with scopes open inside; perhaps left half way, perhaps closed from here.
function steps.generator(world, depth)
  local co = coroutine.create(function()
    local d = random(2) == 1 and rille.deadline(random(0, 30) / 10)
    for i = 1, 3 do
      act(world, depth - 1)
      coroutine.yield(i)
    end
    if d then d:close() end
  end)
  for _ = 1, random(4) do
    local ok, err = coroutine.resume(co)
    if not ok then
      if coroutine.status(co) ~= "dead" then table.insert(world.strange, "a coroutine failed and is not dead") end
      coroutine.close(co)
      if err == "cannot resume dead coroutine" then return end
      raise_again(world, err)
    end
  end
  if random(2) == 1 then coroutine.close(co) end
end

-- A generator that any task may go on with, or close, also when the task that began it has ended.
function steps.share(world, depth)
  local co = world.shared
  if not co or coroutine.status(co) == "dead" then
    co = coroutine.create(function()
      steps[pick { "group", "timeout", "deadline", "catch", "cleanup" }](world, depth, function()
        coroutine.yield()
        act(world, depth - 1)
        coroutine.yield()
      end)
    end)
    world.shared = co
  end
  if random(8) == 1 and coroutine.status(co) == "suspended" then
    coroutine.close(co)
  else
    local ok, err = coroutine.resume(co)
    if not ok and not tostring(err):find "^cannot resume" then
      coroutine.close(co)
      raise_again(world, err)
    end
  end
end

function steps.wrap(world, depth)
  local generator = coroutine.wrap(function()
    local _ <close> = closing(function(_, err)
      if may_fail(world, err) then rille.sleep(random()) end
    end)
    rille.group(function(g)
      if may_start(world) then keep(world, g:spawn(body(world, depth - 1))) end
      coroutine.yield()
      act(world, depth - 1)
    end)
  end)
  generator()
  if random(2) == 1 then generator() end
end

function steps.protect(world, depth)
  guarded(world, act, world, depth - 1)
end

function steps.sort()
  local list = { random(9), random(9), random(9), random(9) }
  table.sort(list, function(a, b)
    rille.yield()
    return a < b
  end)
end

function steps.var(world, depth)
  local value = random(100)
  world.var:with(value, function()
    act(world, depth - 1)
    if world.var:get() ~= value then table.insert(world.strange, "a variable has changed") end
  end)
end

function steps.handle(world, depth)
  local how = random(4)
  local function handler(err)
    hear(world, err)
    if how == 1 then return tostring(err) end
    if how == 2 then return nil end
    if how == 3 then pcall(rille.sleep, 1) end
    return err
  end
  hear(world, select(2, xpcall(act, handler, world, depth - 1)))
end

-- What a collector's cycle may do at any time.
local finalizers = {
  function() pcall(rille.sleep, 1) end,
  function(world) if world.tasks[1] then world.tasks[1]:cancel() end end,
  function(world)
    world.event:set()
    world.event:clear()
  end,
  function(world)
    if pick(world.channels):try_recv() then world.received = world.received + 1 end
  end,
}

function steps.collect(world)
  for _ = 1, random(2) do
    local finalizer = pick(finalizers)
    setmetatable({}, { __gc = function() if not world.over then finalizer(world) end end })
  end
  if random(3) == 1 then collectgarbage() end
end

function steps.require(world)
  local name = "stress" .. random(3)
  package.preload[name] = function()
    rille.sleep(random(0, 20) / 10)
    steps.fail(world)
    return {}
  end
  if random(2) == 1 then package.loaded[name] = nil end
  require(name)
end

function steps.gsub(world, depth)
  ("abc"):gsub("%w", function()
    rille.sleep(random(0, 5) / 10)
    if random(6) == 1 then act(world, depth - 1) end
  end)
end

function steps.resize(world)
  local _ <close> = closing(function() world.semaphore:resize(3) end)
  world.semaphore:resize(random(0, 4))
  rille.sleep(random())
end

local CAPACITIES = { 0, 1, 4, math.huge }

function steps.close_channel(world)
  local i = random(4)
  table.insert(world.closed, world.channels[i])
  world.channels[i]:close()
  world.channels[i] = rille.channel(CAPACITIES[i])
end

function steps.cancel_any(world)
  local task = pick(rille.tasks())
  if not world.roots[task] and random(3) == 1 then task:cancel { grace = random(0, 3) } end
end

local layers = {
  rille.group, rille.shield, rille.catch_cancel, rille.gather, pcall,
  function(f) return rille.timeout(10, f) end,
  function(f) return rille.move_on_after(5, f) end,
  function(f) return rille.race(f, function() rille.sleep(3) end) end,
  function(f) return coroutine.wrap(f)() end,
  function(f) return rille.spawn(f):await() end,
}

-- More of them than Lua has C stack for.
function steps.nest(world)
  if random(8) > 1 then return end
  local function go(depth)
    if depth == 0 then return rille.sleep(random()) end
    pick(layers)(function() return go(depth - 1) end)
  end
  guarded(world, go, random(10, 260))
end

local names = {}
for name in pairs(steps) do
  names[#names + 1] = name
end
table.sort(names)

function act(world, depth)
  if depth <= 0 then
    return rille.sleep(random(0, 10) / 10)
  end
  for _ = 1, random(STEPS) do
    steps[pick(names)](world, depth)
  end
end

-- After a round nothing may be left but what the tasks took out of the queues.
local function check(world)
  local left = 0
  for _, channel in ipairs(world.channels) do
    left = left + #channel
  end
  for _, channel in ipairs(world.closed) do
    left = left + #channel
  end
  assert(world.sent == world.received + left, ("sent %d, received %d, left %d"):format(world.sent, world.received, left))
  for i, lock in ipairs(world.locks) do
    assert(not lock:owner(), "lock " .. i .. " is held")
  end
  assert(world.semaphore:available() == 3, "permits are lost")
  assert(rille.move_on_after(0, function() world.rwlock:write():release() end), "the rwlock is held")
  assert(#rille.tasks() == 1, "tasks are left")
  local lost = next(world.untold)
  assert(not lost, lost and "a failure is lost: " .. lost.where)
end

-- A round is the same for the same seed: no cycle of the collector but at its places, no module of an earlier round.
local function clean()
  for i = 1, 3 do
    package.loaded["stress" .. i] = nil
  end
  collectgarbage()
  collectgarbage()
  collectgarbage "stop"
end

local function main(world)
  guarded(world, rille.timeout, 100, rille.group, function(g)
    for _ = 1, 4 do
      keep(world, g:spawn(guarded, world, rille.group, function() act(world, DEPTH) end))
    end
  end)
end

local function round(seed)
  clean()
  math.randomseed(seed)
  rille.test.seed(random(2) == 1 and seed or 0)
  local world = new_world()
  world.detached, world.roots = {}, { [rille.current()] = true }
  local clock <close> = rille.test.clock()
  guarded(world, rille.gather, function() main(world) end)
  for _, task in ipairs(world.detached) do
    guarded(world, task.await, task)
  end
  world.over = true
  assert(#world.strange == 0, world.strange[1])
  check(world)
  return ("%d tasks, %d sent, %d failures"):format(world.started, world.sent, world.failures)
end

local rounds, first = tonumber(arg[1] or 10000), math.tointeger(tonumber(arg[2] or 1))
for seed = first, first + rounds - 1 do
  local ok, story = pcall(round, seed)
  if not ok then
    error(("seed %d: %s"):format(seed, tostring(story)), 0)
  elseif seed % 20 == 0 then
    assert(round(seed) == story, ("seed %d: not the same twice"):format(seed))
  end
end
print(("%d rounds passed"):format(rounds))
