-- What furniture needs again and again: options that are checked, errors, values that close.
local new_error = require("rille.native.task").error

local options = {}

--- Raises an error that names the first option that is not known.
--- @param given table|nil
--- @param names string[]
--- @param call string whose options they are
function options.check(given, names, call)
  if given == nil then
    return
  end
  if type(given) ~= "table" then
    error(("%s: a table of options expected, got %s"):format(call, type(given)), 3)
  end
  local known = {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  for name in pairs(given) do
    if type(name) == "string" and not known[name] then
      error(("%s: unknown option '%s'"):format(call, name), 3)
    end
  end
end

--- An error object about a path.
--- @param code string
--- @param op string
--- @param path string
--- @param what string
function options.failure(code, op, path, what)
  local err = new_error(code, ("%s '%s': %s"):format(op, path, what))
  err.op, err.path = op, path
  return err
end

local Guard = {}
Guard.__index = Guard

--- Runs what the guard was made for, once.
function Guard:close()
  local f = self.f
  self.f = nil
  if f then
    f()
  end
end

Guard.__close = Guard.close

--- A value that calls `f` when it is closed.
--- @param f fun()
function options.guard(f)
  return setmetatable({ f = f }, Guard)
end

return options
