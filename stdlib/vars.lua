-- Task-local variables: inherited at spawn, changed only for the length of a call.
local task = require "rille.native.task"

local vars = {}

--- @class rille.Var
local Var = {}
Var.__index = Var
Var.__name = "rille.Var"

--- A variable with a value of its own in each task, inherited at spawn.
--- @param default? any
--- @return rille.Var
function vars.var(default)
  return setmetatable({ default = default }, Var)
end

local NIL = {}

--- The value in the current task.
--- @return any
function Var:get()
  local values = task.values()
  local value = values and values[self]
  if value == nil then
    return self.default
  elseif value == NIL then
    return nil
  end
  return value
end

--- Calls `f(...)` with the variable set to `value`, here and in the tasks it spawns. Waits as `f` does.
--- @async
--- @param value any
--- @param f function
--- @param ... any
--- @return any ... what `f` returns
function Var:with(value, f, ...)
  local before = task.values()
  local values = {}
  for k, v in pairs(before or {}) do
    values[k] = v
  end
  values[self] = value == nil and NIL or value
  local restore <close> = setmetatable({}, {
    __close = function()
      task.set_values(before)
    end,
  })
  task.set_values(values)
  return f(...)
end

return vars
