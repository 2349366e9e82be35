-- Finds the docstring of a function by its name: in the standard library's sources, or above its definition.
local program = require "rille.native.program"

local doc = {}

local function source_of(chunk)
  local ours = chunk:match "^@rille/(.*)$"
  if ours then
    return program.source(ours)
  end
  local path = chunk:match "^@(.*)$"
  local file = path and io.open(path, "r")
  if not file then
    return nil
  end
  local text = file:read "a"
  file:close()
  return text
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = line
  end
  return lines
end

-- The comment that ends right above line `at`.
local function above(lines, at)
  local out = {}
  for i = at - 1, 1, -1 do
    local text = lines[i]:match "^%s*%-%-%-?%s?(.*)$"
    if not text then
      break
    end
    table.insert(out, 1, text)
  end
  return #out > 0 and table.concat(out, "\n") or nil
end

local function value_of(name)
  local value = _G
  for part in name:gmatch "[%w_]+" do
    local ok, field = pcall(function() return value[part] end)
    if not ok then
      return nil
    end
    value = field
  end
  return value
end

local function of_function(f)
  local info = debug.getinfo(f, "S")
  local text = info.what ~= "C" and source_of(info.source)
  if not text then
    return nil
  end
  local lines = lines_of(text)
  local comment = above(lines, info.linedefined)
  return (lines[info.linedefined] or "") .. (comment and "\n" .. comment or "")
end

-- `function rille.net.connect(` in a file of definitions, or `local function connect(`.
local function of_name(name)
  local last = name:match "[%w_]+$"
  local patterns = { "function%s+" .. name:gsub("%.", "%%.") .. "%s*%(", "function%s+[%w_]*[.:]" .. last .. "%s*%(" }
  local first = name:match "^rille%.([%w_]+)%.[%w_]+$" or name:match "^([%w_]+)%.[%w_]+$"
  for n, pattern in ipairs(patterns) do
    for _, file in ipairs(program.stdlib()) do
      local fits = n == 1 or file:find("^types/" .. (first or "") .. "%.lua$") or file == (first or "") .. ".lua"
      if fits and file:find "%.lua$" then
        local lines = lines_of(program.source(file))
        for i, line in ipairs(lines) do
          if line:find(pattern) then
            local comment = above(lines, i)
            if comment then
              return line:gsub("%s*end%s*$", "") .. "\n" .. comment
            end
          end
        end
      end
    end
  end
end

--- What is written above the definition of the function of that name, and its first line; or nil.
--- @param name string
--- @return string?
function doc.find(name)
  local value = value_of(name)
  if type(value) == "function" then
    local found = of_function(value)
    if found and found:find "\n" then
      return found
    end
    return of_name(name) or found
  end
  return of_name(name)
end

return doc
