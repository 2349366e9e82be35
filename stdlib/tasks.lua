-- Combinators over tasks: race, any, wait, as_completed, map, and starting a service in a group.
local task = require "rille.native.task"
local scope = require "rille.native.scope"
local gather = require("rille.native.gather").gather
local channel = require("rille.native.channel").channel

local group, move_on_after = scope.group, scope.move_on_after
local catch_cancel, is_task = task.catch_cancel, task.is_task

local tasks = {}

-- Here, since an untrusted script may wait too, where it has no rille.options.
local function check_options(what, options, known)
  if options ~= nil and type(options) ~= "table" then
    error(("%s: a table of options expected, got %s"):format(what, type(options)), 3)
  end
  for name, value in pairs(options or {}) do
    if not known[name] then
      error(("%s: unknown option '%s'"):format(what, tostring(name)), 3)
    elseif known[name] ~= "any" and type(value) ~= known[name] then
      error(("%s: option '%s': %s expected, got %s"):format(what, name, known[name], type(value)), 3)
    end
  end
end

local function each_item(what, ...)
  local items = table.pack(...)
  if items.n == 1 and type(items[1]) == "table" and not items[1].await then
    items = table.move(items[1], 1, #items[1], 1, { n = #items[1] })
  end
  for i = 1, items.n do
    if type(items[i]) ~= "function" and not is_task(items[i]) then
      error(("%s: item %d: function or task expected, got %s"):format(what, i, type(items[i])), 3)
    end
  end
  return items
end

-- Waits for one item; a task among them is cancelled with the one who waits for it, and joined.
local function finish_item(item)
  return gather { item, settle = true }[1]
end

-- Runs all items; `seen(i, outcome)` hears of each end, and stops the rest by returning true.
local function run_until(items, seen)
  group(function(g)
    for i = 1, items.n do
      g:spawn(function()
        local outcome
        local _ <close> = setmetatable({}, {
          __close = function(_, cancelled)
            if seen(i, outcome or { ok = false, error = cancelled }) then
              g:cancel()
            end
          end,
        })
        if is_task(items[i]) then
          outcome = finish_item(items[i])
          outcome.task = items[i]
        else
          local values = table.pack(task.try_all(items[i]))
          outcome = { ok = values[1], values = values, error = values[2] }
        end
      end)
    end
  end)
end

local function result(outcome)
  if not outcome.ok then
    error(outcome.error, 0)
  elseif outcome.task then
    return outcome.task:await()
  elseif outcome.values then
    return table.unpack(outcome.values, 2, outcome.values.n)
  end
end

--- Runs functions and waits for tasks side by side; the first to finish decides. The others are cancelled and joined.
--- @async
--- @param ... function|rille.Task|table or one list of them; at least one
--- @return any ... all that the first returned
--- @raise the error of the first, if it failed
function tasks.race(...)
  local items = each_item("race", ...)
  if items.n == 0 then
    error("race: at least one function or task expected", 2)
  end
  local first
  run_until(items, function(_, outcome)
    first = first or outcome
    return true
  end)
  return result(first)
end

--- The first to succeed decides. The others are cancelled and joined.
--- @async
--- @param ... function|rille.Task|table or one list of them
--- @return any ... all that it returned
--- @raise BROKEN if all fail: with `errors` in argument order, and the first as `cause`
function tasks.any(...)
  local items = each_item("any", ...)
  local winner
  local errors = {}
  run_until(items, function(i, outcome)
    if outcome.ok then
      winner = winner or outcome
      return true
    end
    errors[i] = outcome.error
  end)
  if winner then
    return result(winner)
  end
  local err = task.error("BROKEN", ("any: all %d failed"):format(items.n))
  err.errors = errors
  err.cause = errors[1]
  error(err, 0)
end

-- Hears of the end of each task in `list`, in order of ending, until `f(task)` returns true. Leaves the tasks alone.
local function watch(list, f)
  local ends = channel(math.huge)
  group(function(g)
    for _, t in ipairs(list) do
      g:spawn(function()
        task.join(t)
        ends:try_send(t)
      end)
    end
    for _ = 1, #list do
      if f(ends:recv()) then
        break
      end
    end
    g:cancel()
  end)
end

local function check_tasks(what, list)
  if type(list) ~= "table" then
    error(("%s: list of tasks expected, got %s"):format(what, type(list)), 3)
  end
  for i, t in ipairs(list) do
    if not is_task(t) then
      error(("%s: item %d: task expected, got %s"):format(what, i, type(t)), 3)
    end
  end
end

--- Waits for tasks and cancels none: until the first has ended, the first has failed, or all have ended, or for `timeout`.
--- A failure stays its task's: who does not await that task meets it where the scope ends.
--- @async
--- @param list rille.Task[]
--- @param options? { until?: "first"|"error"|"all", timeout?: number } "all" by default; seconds
--- @return rille.Task[] done in order of ending
--- @return rille.Task[] pending in order of the list
--- @raise DEADLOCK if one of them waits for the caller
function tasks.wait(list, options)
  check_tasks("wait", list)
  check_options("wait", options, { ["until"] = "any", timeout = "number" })
  options = options or {}
  local mode = options["until"] or "all"
  if mode ~= "first" and mode ~= "error" and mode ~= "all" then
    error(("wait: option 'until': \"first\", \"error\" or \"all\" expected, got '%s'"):format(tostring(mode)), 2)
  end
  local done, ended = {}, {}
  local function collect()
    watch(list, function(t)
      done[#done + 1] = t
      ended[t] = true
      return mode == "first" or mode == "error" and task.failed(t)
    end)
  end
  if options.timeout then
    move_on_after(options.timeout, collect)
  else
    collect()
  end
  local pending = {}
  for _, t in ipairs(list) do
    local is_done = t:status() == "done"
    if is_done and not ended[t] then -- in the same moment as the timeout
      done[#done + 1] = t
    elseif not is_done then
      pending[#pending + 1] = t
    end
  end
  return done, pending
end

local function cancel_and_join(list, pending)
  for _, t in ipairs(list) do
    if pending[t] then
      t:cancel()
    end
  end
  for _, t in ipairs(list) do
    if pending[t] then
      catch_cancel(task.join, t)
    end
  end
end

--- Iterates over tasks in the order in which they end. Leaving the loop cancels and joins the rest.
---
--- ```lua
--- for t in rille.as_completed(tasks) do print(t:await()) end
--- ```
--- @async
--- @param list rille.Task[]
--- @return fun(): rille.Task?
function tasks.as_completed(list)
  check_tasks("as_completed", list)
  local rest = table.move(list, 1, #list, 1, {})
  local pending, left = {}, #rest
  local ends = channel(math.huge)
  local watchers = {}
  for i, t in ipairs(rest) do
    pending[t] = true
    watchers[i] = task.spawn(function()
      task.join(t)
      ends:try_send(t)
    end)
  end
  local function next_task()
    if left == 0 then
      return nil
    end
    local t = ends:recv()
    left = left - 1
    pending[t] = nil
    return t
  end
  local closing = setmetatable({}, {
    __close = function()
      cancel_and_join(rest, pending)
      for _, w in ipairs(watchers) do
        w:cancel()
      end
    end,
  })
  return next_task, nil, nil, closing
end

--- Calls `f(item, index)` for each item, at most `concurrency` of them at once.
--- @async
--- @generic T, R
--- @param list T[]
--- @param f fun(item: T, index: integer): R
--- @param options? { concurrency?: number } all at once by default
--- @return R[] results in the order of the list, with `n`
--- @raise the first error; the other calls are cancelled and joined
function tasks.map(list, f, options)
  if type(list) ~= "table" then
    error(("map: list expected, got %s"):format(type(list)), 2)
  elseif type(f) ~= "function" then
    error(("map: function expected, got %s"):format(type(f)), 2)
  end
  check_options("map", options, { concurrency = "number" })
  local count = #list
  local limit = options and options.concurrency or math.huge
  if limit ~= limit or limit < 1 then
    error("map: option 'concurrency': a positive number expected", 2)
  end
  local results, taken = { n = count }, 0
  local cut -- the first task that did not come to its end
  group(function(g)
    local fails_fast = setmetatable({}, { __close = function(_, err)
      if err == nil then return end
      taken, cut = count, cut or task.current() -- no call begins, also where none waits that could be cancelled
      g:cancel()
    end })
    for _ = 1, math.min(limit, count) do
      g:spawn(function()
        local _ <close> = fails_fast
        while taken < count do
          taken = taken + 1
          local i = taken
          results[i] = f(list[i], i)
        end
      end)
    end
  end)
  if cut then cut:await() end -- a call has cancelled its own task
  return results
end

--- Runs `f(started, ...)` in a child of the group and waits until it calls `started(v)`. A caller that is cancelled before
--- cancels the child, and waits for its end.
--- @async
--- @param f fun(started: fun(v?: any), ...)
--- @return any v
--- @raise an error if `f` ends without calling it
function scope.Group:start(f, ...)
  if type(f) ~= "function" then
    error(("group:start: function expected, got %s"):format(type(f)), 2)
  end
  local ready = channel(1)
  local child = self:spawn(function(...)
    local guard <close> = setmetatable({}, {
      __close = function()
        ready:close()
      end,
    })
    f(function(v)
      ready:try_send { v }
    end, ...)
  end, ...)
  local _ <close> = setmetatable({}, {
    __close = function(_, err)
      if err ~= nil then
        child:cancel()
        task.join(child)
      end
    end,
  })
  local value = ready:recv()
  if not value then
    if task.failed(child) then
      child:await()
    end
    error(task.error("BROKEN", "group:start: the function ended without calling started()"), 0)
  end
  return value[1]
end

return tasks
