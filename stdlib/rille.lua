-- require "rille": the concurrency core in one table; submodules load when they are first used.
local rille = {}

for _, part in ipairs { "task", "scope", "gather", "select", "channel" } do
  for name, value in pairs(require("rille.native." .. part)) do
    rille[name] = value
  end
end
for _, name in ipairs { "Group", "employ", "checkpoint", "is_task", "join", "failed", "error", "values", "set_values", "try_all" } do
  rille[name] = nil
end

-- Parts written in Lua, by the names they define.
local parts = {
  sync = { "lock", "rwlock", "semaphore", "event", "condition", "barrier", "future" },
  tasks = { "race", "any", "wait", "as_completed", "map" },
  vars = { "var" },
  seeing = { "stats" },
  permit = { "permitted" },
}

local part_of = {}
for part, names in pairs(parts) do
  for _, name in ipairs(names) do
    part_of[name] = part
  end
end

local function load_part(part)
  for name, value in pairs(require("rille." .. part)) do
    rille[name] = value
  end
end

-- Group:start is written in Lua, and groups are made without this module: it is there before the first group.
load_part "tasks"

setmetatable(rille, {
  __index = function(_, name)
    if part_of[name] then
      load_part(part_of[name])
      return rawget(rille, name)
    end
    if type(name) ~= "string" or not name:find "^%l[%l%d_]*$" then
      return nil
    end
    local found, module = pcall(require, "rille." .. name)
    if found then
      rille[name] = module
      return module
    end
    if not tostring(module):find("module 'rille." .. name .. "' not found", 1, true) then
      error(module, 2)
    end
  end,
})

return rille
