-- Standard functions written in Lua, so that what they call may wait: sort, gsub, require.
local base = {}

local find, sub, concat = string.find, string.sub, table.concat
local type, tostring, error = type, tostring, error
local unpack = table.unpack

-- Quicksort with the median of three; a heap takes over when its partitions stay lopsided.

local function sift(list, less, first, root, last)
  local value = list[first + root - 1]
  while 2 * root <= last do
    local child = 2 * root
    if child < last and less(list[first + child - 1], list[first + child]) then
      child = child + 1
    end
    if not less(value, list[first + child - 1]) then
      break
    end
    list[first + root - 1] = list[first + child - 1]
    root = child
  end
  list[first + root - 1] = value
end

local function heap_sort(list, less, first, last)
  local n = last - first + 1
  for root = n // 2, 1, -1 do
    sift(list, less, first, root, n)
  end
  for count = n, 2, -1 do
    list[first], list[first + count - 1] = list[first + count - 1], list[first]
    sift(list, less, first, 1, count - 1)
  end
end

local function swap_if(list, less, i, j)
  if less(list[j], list[i]) then
    list[i], list[j] = list[j], list[i]
    return true
  end
end

local function partition(list, less, low, high, pivot)
  local i, j = low, high - 1
  while true do
    i = i + 1
    while less(list[i], pivot) do
      if i == high - 1 then
        error("invalid order function for sorting", 0)
      end
      i = i + 1
    end
    j = j - 1
    while less(pivot, list[j]) do
      if j < i then
        error("invalid order function for sorting", 0)
      end
      j = j - 1
    end
    if j < i then
      list[high - 1], list[i] = list[i], list[high - 1]
      return i
    end
    list[i], list[j] = list[j], list[i]
  end
end

local function quick_sort(list, less, low, high, budget)
  while low < high do
    swap_if(list, less, low, high)
    if high - low == 1 then
      return
    end
    local middle = (low + high) // 2
    if not swap_if(list, less, low, middle) then
      swap_if(list, less, middle, high)
    end
    if high - low == 2 then
      return
    elseif budget == 0 then
      return heap_sort(list, less, low, high)
    end
    budget = budget - 1
    local pivot = list[middle]
    list[middle], list[high - 1] = list[high - 1], pivot
    local meet = partition(list, less, low, high, pivot)
    if meet - low < high - meet then
      quick_sort(list, less, low, meet - 1, budget)
      low = meet + 1
    else
      quick_sort(list, less, meet + 1, high, budget)
      high = meet - 1
    end
  end
end

local function less_by_metamethod(a, b)
  return a < b
end

--- table.sort with an order function, or `__lt` metamethods, that may wait.
function base.sort(list, less, n)
  less = less or less_by_metamethod
  local budget = 8
  for _ = 1, 64 do
    if 1 << budget // 2 >= n then
      break
    end
    budget = budget + 2
  end
  quick_sort(list, less, 1, n, budget)
end

local function replacement(value, s, first, last)
  if not value then
    return sub(s, first, last)
  elseif type(value) == "string" or type(value) == "number" then
    return tostring(value)
  end
  error("invalid replacement value (a " .. type(value) .. ")", 3)
end

--- string.gsub with a function that may wait.
function base.gsub(s, pattern, f, limit)
  s = tostring(s)
  pattern = tostring(pattern)
  local anchored = sub(pattern, 1, 1) == "^"
  local out, at, last, count, changed = {}, 1, nil, 0, false
  limit = limit or #s + 1
  while count < limit do
    local found = { find(s, pattern, at) }
    local first, stop = found[1], found[2]
    if first and stop == last and stop < first then  -- empty, where the last match ended: one byte further
      if at > #s or anchored then
        break
      end
      out[#out + 1] = sub(s, at, at)
      at = at + 1
      last = nil
    elseif first then
      count = count + 1
      out[#out + 1] = sub(s, at, first - 1)
      if #found == 2 then
        found[3] = sub(s, first, stop)
      end
      local value = f(unpack(found, 3))
      changed = changed or value
      out[#out + 1] = replacement(value, s, first, stop)
      at, last = stop + 1, stop
    else
      break
    end
    if anchored then
      break
    end
  end
  if not changed then
    return s, count
  end
  out[#out + 1] = sub(s, at)
  return concat(out), count
end

local loading = {}  -- name -> {task=, event=} while a task loads it
local awaited = {}  -- task -> the entry it waits for

local function search(package, name)
  local searchers = package.searchers
  if type(searchers) ~= "table" then
    error("'package.searchers' must be a table", 3)
  end
  local tried = {}
  for i = 1, math.huge do
    local searcher = searchers[i]
    if searcher == nil then
      error(("module '%s' not found:%s"):format(name, concat(tried)), 3)
    end
    local loader, data = searcher(name)
    if type(loader) == "function" then
      return loader, data
    elseif type(loader) == "string" then
      tried[#tried + 1] = "\n\t" .. loader
    end
  end
end

local function load_module(package, loaded, name)
  local loader, data = search(package, name)
  local value = loader(name, data)
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  return loaded[name], data
end

-- Raises if the task that loads `entry` waits, over others perhaps, for what this task loads.
local function check_circle(entry, task, name)
  while entry do
    if entry.task == task then
      error(("module '%s' requires itself"):format(name), 4)
    end
    entry = awaited[entry.task]
  end
end

local function wait_for(entry, name)
  local task = require("rille").current()
  check_circle(entry, task, name)
  entry.event = entry.event or require("rille").event()
  awaited[task] = entry
  local _ <close> = setmetatable({}, {
    __close = function()
      awaited[task] = nil
    end,
  })
  entry.event:wait()
end

--- require that may wait while it loads; a second task that requires the module meanwhile waits for the first.
function base.require(name, loaded, package)
  local core = loaded["rille.native.task"]
  local task = core and core.current()
  if not task then
    return load_module(package, loaded, name)
  end
  while loading[name] do
    wait_for(loading[name], name)
    local value = loaded[name]
    if value then
      return value
    end
  end
  local entry = { task = task }
  loading[name] = entry
  local guard <close> = setmetatable({}, {
    __close = function()
      loading[name] = nil
      if entry.event then
        entry.event:set()
      end
    end,
  })
  return load_module(package, loaded, name)
end

return base
