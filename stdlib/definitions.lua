-- What the standard library defines, in LuaCATS, made of its docstrings: for language servers, and for `:doc`.
local program = require "rille.native.program"

local definitions = {}

-- What is no module of its own: programs, and parts of what is public elsewhere.
local HIDDEN = { "^cmd/", "^repl", "^types/", "^test/", "^compat/", "^worker/", "^base%.lua$", "^definitions%.lua$",
  "^net_serve%.lua$", "^options%.lua$", "^restart%.lua$", "^rille%.lua$", "^seeing%.lua$", "^sync%.lua$", "^tasks%.lua$",
  "^vars%.lua$" }

local function is_hidden(name)
  for _, pattern in ipairs(HIDDEN) do
    if name:find(pattern) then
      return true
    end
  end
  return not name:find "%.lua$"
end

-- Iterates over the docstrings of a source: each, and the line below it.
local function docstrings(text)
  local next_line, block = (text .. "\n"):gmatch "(.-)\n", {}
  return function()
    for line in next_line do
      local comment = line:match "^%s*%-%-%-(.*)$"
      if comment then
        block[#block + 1] = "---" .. comment:gsub("^ @", "@")
      elseif #block > 0 then
        local doc = table.concat(block, "\n")
        block = {}
        return doc, line
      end
    end
  end
end

-- The name that a source gives to what it returns.
local function returned_by(text)
  return text:match "\nreturn ([%a_][%w_]*)%s*$" or text:match "\nreturn setmetatable%(([%w_]+), %b{}%)%s*$"
end

-- `json.null = native.null` declares a value of its @type, or a function with its @params.
local function assigned(doc, names, value)
  local parameters = {}
  for name in doc:gmatch "@param ([%w_.]+)" do
    parameters[#parameters + 1] = name
  end
  parameters = value:match "^function%s*(%b())" or "(" .. table.concat(parameters, ", ") .. ")"
  local out = {}
  for name in names:gmatch "[%w_.]+" do
    out[#out + 1] = doc:find "@type" and name .. " = nil" or "function " .. name .. parameters .. " end"
  end
  return table.concat(out, "\n" .. doc .. "\n")
end

-- What the line below a docstring declares, and on which table; nil if that is nothing. The module itself is `own`.
local function declared(doc, line, own)
  local class = doc:find "@class" and line:match "^local ([%w_]+) ="
  if class then
    return ("local %s = {}"):format(class), class
  end
  if line:find("^local function " .. own .. "%(") then
    return line:match "^local function [%w_]+%b()" .. " end", own
  end
  local head, name, parameters = line:match "^function ([%w_]+)([.:]%a[%w_]*)%s*(%b())"
  if head then
    return ("function %s%s%s end"):format(head, name, parameters), head
  end
  local names, value = line:match "^(%a[%w_]*%.%a[%w_., ]*) = (.*)$"
  if names then
    return assigned(doc, names, value), names:match "^[%w_]+"
  end
end

-- Adds the definitions of a source to `out`. It calls its module `own`, of which `public` says what is kept; `tables` are
-- declared already.
local function add_source(out, tables, text, own, public)
  for doc, line in docstrings(text) do
    local code, head = declared(doc, line, own)
    if code and head == own and not public(code:match "^function [%w_]+%.([%w_]+)") then
      code = nil
    end
    if code and not tables[head] then
      tables[head] = true
      if not code:find "^local" then
        out[#out + 1] = ("local %s = {}\n"):format(head)
      end
    end
    if code or doc:find "@class" or doc:find "@alias" then
      out[#out + 1] = doc .. (code and "\n" .. code or "") .. "\n"
    end
  end
end

-- `net.serve = require "rille.net_serve"`: what that file says above the function it returns.
local function add_other_files(out, text, own)
  for name, module in text:gmatch("\n" .. own .. '%.([%w_]+) = require "rille%.([%w_]+)"') do
    local other = program.source(module .. ".lua")
    local theirs = returned_by(other)
    for doc, line in docstrings(other) do
      local code, head = declared(doc, line, theirs)
      if head == theirs then
        out[#out + 1] = doc .. "\n" .. code:gsub("^local function [%w_]+", ("function %s.%s"):format(own, name)) .. "\n"
      end
    end
  end
end

-- The modules whose fields a module takes over: those in a directory that bears its name.
local function parts_of(name)
  if name == "rille" then
    return { "seeing", "sync", "tasks", "vars" }
  end
  local parts = {}
  for _, file in ipairs(program.stdlib()) do
    parts[#parts + 1] = file:match("^(" .. name .. "/[%w_]+)%.lua$")
  end
  return parts
end

-- The classes of a module's parts, and what it takes over from them.
local function add_parts(out, tables, name, own)
  for _, part in ipairs(parts_of(name)) do
    local text = program.source(part .. ".lua")
    local theirs = returned_by(text)
    if theirs then
      local there, fields = pcall(require, "rille." .. part:gsub("/", "."))
      local whole = require(name == "rille" and name or "rille." .. name)
      local first = #out + 1
      tables[theirs] = true
      add_source(out, tables, text, theirs, function(field)
        return there and rawequal(whole[field], fields[field])
      end)
      for i = first, #out do
        out[i] = out[i]:gsub("\nfunction " .. theirs .. "%.", "\nfunction " .. own .. ".")
      end
    end
  end
end

local function by_hand(name)
  local text = program.source("types/" .. name .. ".lua")
  return text and text:gsub("^%-%-[^-][^\n]*\n", ""):gsub("%s*\nreturn [^\n]*%s*$", "\n")
end

local function definitions_of(name, written, text)
  local own = returned_by(text or program.source("types/" .. name .. ".lua"))
  local out, tables = { written or "---@meta rille." .. name .. "\n" }, {}
  tables[own] = written and written:find("\nlocal " .. own .. " ") ~= nil
  if text then
    add_source(out, tables, text, own, function() return true end)
    add_other_files(out, text, own)
  end
  add_parts(out, tables, name, own)
  if not tables[own] then
    table.insert(out, 2, ("local %s = {}\n"):format(own))
  end
  return table.concat(out, "\n") .. "\nreturn " .. own .. "\n"
end

--- The definitions of every module: by its name without "rille.", and of the core as "rille".
--- @return table<string, string>
function definitions.all()
  local all = {}
  for _, file in ipairs(program.stdlib()) do
    local name = file:match "^types/(.*)%.lua$" or not is_hidden(file) and file:match "^([%w_]+)%.lua$"
    local text = name and not is_hidden(name .. ".lua") and program.source(name .. ".lua")
    if name and (not text or returned_by(text)) then
      all[name] = definitions_of(name, by_hand(name), text)
    end
  end
  return all
end

return definitions
