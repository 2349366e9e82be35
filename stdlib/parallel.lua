-- rille.parallel: map, reduce and each over worker threads. The workers are kept warm for the next call.
local rille = require "rille"
local worker = require "rille.worker"
local system = require "rille.os"
local check_options = require("rille.options").check

local parallel = {}

local CHUNKS = 8 -- for each worker, so that an uneven list keeps all of them busy

-- Workers without work. A call that needs more starts more.
local idle = {}

-- What a pooled worker serves. It is sent there: nothing of this module may be used in it.
local function service()
  return {
    map = function(f, first, items, keep)
      local results = {}
      for i = 1, items.n do
        local result = f(items[i], first + i - 1)
        if keep then results[i] = result end
      end
      return results
    end,
    reduce = function(f, items)
      local result = items[1]
      for i = 2, items.n do result = f(result, items[i]) end
      return result
    end,
  }
end

local function take()
  local w = table.remove(idle)
  while w and w:is_over() do w = table.remove(idle) end
  return w or worker.spawn { service, name = "parallel" }
end

-- A worker in use: given back when its work is done, ended when it was left in the middle of it.
local Lease = {
  __close = function(self)
    if self.busy then
      self.worker:terminate()
    else
      idle[#idle + 1] = self.worker
    end
  end,
}

local known = { workers = "integer", chunk = "integer", progress = "any" }

local function check(list, f, options, name)
  if type(list) ~= "table" then error(("%s: a list expected, got %s"):format(name, type(list)), 3) end
  if type(f) ~= "function" then error(("%s: a function expected, got %s"):format(name, type(f)), 3) end
  check_options(options, known, name)
  options = options or {}
  local workers = options.workers or system.cpus()
  if workers < 1 then error("option 'workers': a positive integer expected", 3) end
  local n = list.n or #list
  local size = options.chunk or math.max(1, math.ceil(n / (workers * CHUNKS)))
  if math.type(size) ~= "integer" or size < 1 then error("option 'chunk': a positive integer expected", 3) end
  return { n = n, size = size, workers = math.min(workers, math.ceil(n / size)), progress = options.progress }
end

-- Calls `name` of the workers with each chunk; `done(first, items, result)` gets the results as they come.
local function run(list, plan, name, arguments, done)
  local next_first = 1
  local function work()
    local lease <close> = setmetatable({ worker = take() }, Lease)
    while next_first <= plan.n do
      local first = next_first
      local items = table.move(list, first, math.min(first + plan.size - 1, plan.n), 1, { n = 0 })
      items.n = math.min(plan.size, plan.n - first + 1)
      next_first = first + items.n
      lease.busy = true
      local result = lease.worker:call(name, arguments(first, items))
      lease.busy = false
      done(first, items, result)
      if plan.progress then plan.progress:add(items.n) end
    end
  end
  rille.group(function(group)
    for _ = 1, plan.workers do group:spawn(work) end
  end)
end

--- Calls `f(item, index)` for every item on worker threads. Results come in the order of the list, with `n`. The
--- first error cancels the rest and is raised.
--- `f` is sent with its upvalues, as worker.spawn does; items and results are copied.
--- @async
--- @param list any[]
--- @param f fun(item: any, index: integer): any
--- @param options? {workers?: integer, chunk?: integer, progress?: rille.Progress}
--- @return any[]
function parallel.map(list, f, options)
  local plan = check(list, f, options, "parallel.map")
  local results = { n = plan.n }
  run(list, plan, "map", function(first, items) return f, first, items, true end, function(first, items, part)
    table.move(part, 1, items.n, first, results)
  end)
  return results
end

--- The same without results.
--- @async
--- @param list any[]
--- @param f fun(item: any, index: integer)
--- @param options? {workers?: integer, chunk?: integer, progress?: rille.Progress}
function parallel.each(list, f, options)
  local plan = check(list, f, options, "parallel.each")
  run(list, plan, "map", function(first, items) return f, first, items, false end, function() end)
end

--- Combines the items by an associative `f(a, b)`: chunks on worker threads, then their results here, in order.
--- With `initial`, that comes first; without, an empty list gives nil.
--- @async
--- @param list any[]
--- @param f fun(a: any, b: any): any
--- @param initial? any
--- @param options? {workers?: integer, chunk?: integer, progress?: rille.Progress}
--- @return any
function parallel.reduce(list, f, initial, options)
  local plan = check(list, f, options, "parallel.reduce")
  local parts = {}
  run(list, plan, "reduce", function(_, items) return f, items end, function(first, _, part) parts[first] = part end)
  local result = initial
  for first = 1, plan.n, plan.size do
    if result == nil then
      result = parts[first]
    else
      result = f(result, parts[first])
    end
  end
  return result
end

--- Ends the idle workers; the next call starts new ones.
--- @async
function parallel.close()
  local list = idle
  idle = {}
  for _, w in ipairs(list) do w:terminate() end
end

return parallel
