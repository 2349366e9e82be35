-- What furniture needs again and again: options that are checked, errors, values that close.
local new_error = require("rille.native.task").error

local options = {}

local function fits(value, kind)
  if kind == "integer" then return type(value) == "number" and math.tointeger(value) ~= nil end
  return kind == "any" or type(value) == kind
end

--- Raises an error that names the first option that is not known, or whose value is of another type.
--- @param given table|nil
--- @param known table<string, string> of each: its type, "integer" or "any"
--- @param call string whose options they are
function options.check(given, known, call)
  if given == nil then
    return
  end
  if type(given) ~= "table" then
    error(("%s: a table of options expected, got %s"):format(call, type(given)), 3)
  end
  for name, value in pairs(given) do
    local expected = known[name] or type(name) ~= "string" and "any"
    if not expected then
      error(("%s: unknown option '%s'"):format(call, name), 3)
    end
    if not fits(value, expected) then
      error(("%s: option '%s': %s expected, got %s"):format(call, name, expected, type(value)), 3)
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

--- A variable that only tunes what a module does: nil also where it may not be read.
--- @param name string
--- @return string?
function options.getenv(name)
  local ok, value = pcall(os.getenv, name)
  return ok and value or nil
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
