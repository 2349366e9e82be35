-- Finds the docstring of a function by its name: among the standard library's definitions, or above its own.
local definitions = require "rille.definitions"
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

-- What is written above `function OWNER.MEMBER(` or `OWNER.MEMBER = `. One of `hash.md5, hash.sha1 = hash.sha256, …` is
-- what that one is.
local function in_text(text, owner, member)
  local alias = text:match(("\n[^\n=]*%s%%.%s[, ][^\n]*= %s%%.([%%w_]+)"):format(owner, member, owner))
  local name = owner .. "[.:]" .. (alias or member)
  local lines = lines_of(text)
  for i, line in ipairs(lines) do
    if line:find("^function " .. name .. "%(") or line:find("^" .. name .. " =") then
      local comment = above(lines, i)
      return comment and line:gsub(" = nil$", ""):gsub(" end$", "") .. "\n" .. comment
    end
  end
end

-- `rille.race`, `rille.net.connect`, `net.connect`, `Stream:read`.
local function of_name(name)
  local all = definitions.all()
  local owner, member = name:gsub("^rille%.", ""):match "^([%w_]+)[.:]([%w_]+)$"
  if not owner then
    return in_text(all.rille, "rille", name:match "^rille%.([%w_]+)$" or name)
  elseif all[owner] then
    return in_text(all[owner], all[owner]:match "\nreturn ([%w_]+)", member)
  end
  for _, text in pairs(all) do
    local found = in_text(text, owner, member)
    if found then
      return found
    end
  end
end

--- What is written above the definition of the function of that name, and its first line; or nil.
--- @param name string
--- @return string?
function doc.find(name)
  local value = value_of(name)
  local own = type(value) == "function" and of_function(value)
  if own and own:find "\n" and not name:find "^rille%." then
    return own
  end
  return of_name(name) or own or nil
end

return doc
