-- Patterns of file names, and finding what they match.
local path = require "rille.path"

local glob = {}

-- Splits "a{b,c{d,e}}f" at its first brace: "a", { "b", "c{d,e}" }, "f". Nil if there is none that
-- closes.
local function split_braces(pattern)
  local first, depth, from, choices = nil, 0, nil, {}
  local at = 1
  while at <= #pattern do
    local c = pattern:sub(at, at)
    if c == "\\" then
      at = at + 1
    elseif c == "{" then
      depth = depth + 1
      if depth == 1 then
        first, from = at, at + 1
      end
    elseif depth == 1 and (c == "," or c == "}") then
      choices[#choices + 1] = pattern:sub(from, at - 1)
      from = at + 1
      if c == "}" then
        return pattern:sub(1, first - 1), choices, pattern:sub(at + 1)
      end
    elseif c == "}" and depth > 0 then
      depth = depth - 1
    end
    at = at + 1
  end
end

local function expand(pattern, into)
  local before, choices, after = split_braces(pattern)
  if not before then
    into[#into + 1] = pattern
    return
  end
  for _, choice in ipairs(choices) do
    expand(before .. choice .. after, into)
  end
end

-- A set "[...]" at `at`: its Lua pattern and where it ends; nil if it does not end.
local function translate_set(part, at)
  local stop = part:find("]", at + (part:find("^[!^]", at + 1) and 3 or 2), true)
  if not stop then
    return nil
  end
  local negated, items = part:sub(at + 1, stop - 1):match("^([!^]?)(.*)$")
  items = items:gsub("[%%%]%[%^]", "%%%0")
  return "[" .. (negated ~= "" and "^" or "") .. items .. "]", stop
end

-- One name's pattern as a Lua pattern.
local function translate(part)
  local out, at = { "^" }, 1
  while at <= #part do
    local c = part:sub(at, at)
    if c == "*" then
      out[#out + 1] = ".*"
      at = part:match("^%*+()", at) - 1
    elseif c == "?" then
      out[#out + 1] = "."
    elseif c == "[" then
      local set, stop = translate_set(part, at)
      out[#out + 1] = set or "%["
      at = stop or at
    else
      if c == "\\" and at < #part then
        at = at + 1
        c = part:sub(at, at)
      end
      out[#out + 1] = c:gsub("%W", "%%%0")
    end
    at = at + 1
  end
  out[#out + 1] = "$"
  return table.concat(out)
end

local function is_plain(part)
  return not part:find "[*?%[\\]"
end

local function hidden(name, part)
  return name:byte() == 46 and part:byte() ~= 46
end

local find_below

-- A pattern may cross what it cannot read.
local function entries(fs, dir)
  local names = {}
  local ok, err = pcall(function()
    for name, kind in fs.list(dir == "" and "." or dir) do
      names[#names + 1] = { name, kind }
    end
  end)
  local code = not ok and type(err) == "table" and err.code
  if not ok and code ~= "ENOENT" and code ~= "ENOTDIR" and code ~= "EACCES" then
    error(err, 0)
  end
  return names
end

local function is_directory(fs, file, kind)
  if kind ~= "link" and kind ~= "unknown" then
    return kind == "directory"
  end
  local ok, st = pcall(fs.stat, file)
  return ok and st.type == "directory"
end

-- "**": this directory and every one below it, without following links.
local function find_anywhere(fs, dir, parts, index, found)
  find_below(fs, dir, parts, index + 1, found)
  for _, entry in ipairs(entries(fs, dir)) do
    local name, kind = entry[1], entry[2]
    if kind == "directory" and name:byte() ~= 46 then
      find_anywhere(fs, path.join(dir, name), parts, index, found)
    elseif index == #parts and kind ~= "directory" and name:byte() ~= 46 then
      found[path.join(dir, name)] = true
    end
  end
end

function find_below(fs, dir, parts, index, found)
  local part, last = parts[index], index >= #parts
  if not part then
    if dir ~= "" then
      found[dir] = true
    end
  elseif part == "**" then
    find_anywhere(fs, dir, parts, index, found)
  elseif is_plain(part) then
    local file = path.join(dir, part)
    if not last then
      find_below(fs, file, parts, index + 1, found)
    elseif pcall(fs.lstat, file) then
      found[file] = true
    end
  else
    local pattern = translate(part)
    for _, entry in ipairs(entries(fs, dir)) do
      local name, kind = entry[1], entry[2]
      if name:find(pattern) and not hidden(name, part) then
        local file = path.join(dir, name)
        if last then
          found[file] = true
        elseif is_directory(fs, file, kind) then
          find_below(fs, file, parts, index + 1, found)
        end
      end
    end
  end
end

-- A list that is also an iterator over itself.
local Paths = {}

function Paths.__call(paths)
  local at = (Paths.at[paths] or 0) + 1
  Paths.at[paths] = at
  return paths[at]
end

Paths.at = setmetatable({}, { __mode = "k" })

--- @param fs table rille.fs
--- @param pattern string
--- @return string[]
function glob.find(fs, pattern)
  local patterns, found, paths = {}, {}, {}
  expand(pattern, patterns)
  for _, one in ipairs(patterns) do
    local parts = {}
    for part in one:gmatch "[^/]+" do
      parts[#parts + 1] = part
    end
    find_below(fs, path.is_absolute(one) and "/" or "", parts, 1, found)
  end
  for file in pairs(found) do
    paths[#paths + 1] = file
  end
  table.sort(paths)
  return setmetatable(paths, Paths)
end

return glob
