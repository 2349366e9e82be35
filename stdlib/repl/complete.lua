-- Completion: kept locals, globals, fields, methods; modules after `require`; commands after a colon.
local eval = require "rille.repl.eval"

local complete = {}

local KEYWORDS = "and break do else elseif end false for function goto if in local nil not or repeat return then true until while"
local NAMES_MAX = 400

local function add(list, seen, name, prefix)
  if type(name) == "string" and name:sub(1, #prefix) == prefix and not seen[name] and #list < NAMES_MAX then
    seen[name] = true
    list[#list + 1] = name
  end
end

-- The fields of a value, and of what its metatable's __index leads to. Never calls anything.
local function add_fields(list, value, prefix, methods)
  local seen = {}
  for _ = 1, 8 do
    if type(value) == "table" then
      for key, field in next, value do
        if type(key) == "string" and key:find "^[%a_][%w_]*$" and (not methods or type(field) == "function") then
          add(list, seen, key, prefix)
        end
      end
    end
    local meta = debug.getmetatable(value)
    local index = type(meta) == "table" and (rawget(meta, "methods") or rawget(meta, "__index"))
    if type(index) ~= "table" then
      return
    end
    value = index
  end
end

-- The modules of rille load when they are used: they complete before that.
local function add_modules(list, prefix, base)
  local seen = {}
  local function offer(name)
    if name:sub(1, #base) == base then
      add(list, seen, name:sub(#base + 1), prefix)
    end
  end
  for name in pairs(package.loaded) do
    if not name:find("^rille%.native") and not name:find "^rille%.repl" then
      offer(name)
    end
  end
  for _, file in ipairs(require("rille.native.program").stdlib()) do
    local name = file:match "^([%w_/]+)%.lua$"
    if name and not name:find "^types/" and not name:find "^cmd/" and not name:find "^repl" then
      offer("rille." .. name:gsub("/", "."))
    end
  end
end

local function value_of(session, path)
  local value
  for name in path:gmatch "[%a_][%w_]*" do
    if value == nil then
      value = session.kept[name] and eval.kept(session, name)
      if value == nil then
        value = rawget(_G, name)
      end
    else
      local ok, field = pcall(function() return value[name] end)
      value = ok and field or nil
    end
    if value == nil then
      return nil
    end
  end
  return value
end

local function of_path(session, path, mark, word)
  local list, value = {}, value_of(session, path)
  if value ~= nil then
    add_fields(list, value, word, mark == ":")
    if value == package.loaded.rille then
      add_modules(list, word, "rille.")
    end
  end
  return list
end

local function of_name(session, word)
  local list, seen = {}, {}
  for name in pairs(session.kept) do
    add(list, seen, name, word)
  end
  for name in next, _G do
    add(list, seen, name, word)
  end
  for name in KEYWORDS:gmatch "%a+" do
    add(list, seen, name, word)
  end
  return list
end

--- The candidates for the word at the end of `line`, and that word.
function complete.candidates(session, line, commands)
  local command = line:match "^%s*:(%a*)$"
  if command then
    local list, seen = {}, {}
    for name in pairs(commands) do
      add(list, seen, name, command)
    end
    return list, command
  end
  local module = line:match "require%s*%(?%s*[\"']([%w_%.%-]*)$"
  if module then
    local list = {}
    add_modules(list, module, "")
    return list, module
  end
  local path, mark, word = line:match "([%a_][%w_%.]*)([.:])([%w_]*)$"
  if path then
    return of_path(session, path, mark, word), word
  end
  word = line:match "([%a_][%w_]*)$" or ""
  return word ~= "" and of_name(session, word) or {}, word
end

local function common_prefix(list)
  local prefix = list[1]
  for _, name in ipairs(list) do
    while name:sub(1, #prefix) ~= prefix do
      prefix = prefix:sub(1, -2)
    end
  end
  return prefix
end

local function columns(list, width)
  local longest = 0
  for _, name in ipairs(list) do
    longest = math.max(longest, #name)
  end
  local per_row, rows = math.max(1, width // (longest + 2)), {}
  for i = 1, #list, per_row do
    local row = {}
    for j = i, math.min(i + per_row - 1, #list) do
      row[#row + 1] = list[j] .. (" "):rep(longest + 2 - #list[j])
    end
    rows[#rows + 1] = (table.concat(row):gsub("%s+$", ""))
  end
  return table.concat(rows, "\n")
end

--- What the editor asks: text to insert after the cursor, text to show below.
function complete.editor(session, commands)
  return function(line)
    local list, word = complete.candidates(session, line, commands)
    if #list == 0 then
      return line:find "^%s*$" and "  " or nil
    end
    table.sort(list)
    local insert = common_prefix(list):sub(#word + 1)
    if insert ~= "" or #list == 1 then
      return insert
    end
    return nil, columns(list, 78)
  end
end

return complete
