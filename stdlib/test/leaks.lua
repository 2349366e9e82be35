-- What a test has left behind: tasks (and with them timers), handles, files.
local native = require "rille.native.leak"
local rille = require "rille"

local leaks = {}

local PATIENCE = 0.25  -- seconds: what is being closed may take so long
local STEP = 0.005

--- What is open now.
function leaks.snapshot()
  native.watch()
  return { tasks = native.tasks(), handles = native.handles(), files = native.files() }
end

local function add(list, before, now, describe)
  for key, value in pairs(now) do
    if before[key] == nil then list[#list + 1] = describe(value, key) end
  end
end

local function since(before)
  local list = {}
  add(list, before.tasks, native.tasks(), function(where, id) return ("task %d (%s)"):format(id, where) end)
  add(list, before.handles, native.handles(), function(h) return ("%s handle opened at %s"):format(h.kind, h.where) end)
  add(list, before.files, native.files(), function(path, fd) return ("file %s (descriptor %d)"):format(path, fd) end)
  table.sort(list)
  return list
end

--- What has been opened since `before` and is still open, as sentences. Waits a moment for what is closing.
--- @async
function leaks.since(before)
  local list = since(before)
  if #list == 0 then return list end
  local deadline = os.clock() + PATIENCE
  for _ = 1, PATIENCE // STEP do
    rille.sleep(STEP)
    list = since(before)
    if #list == 0 or os.clock() > deadline then break end
  end
  return list
end

return leaks
