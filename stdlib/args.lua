-- rille.args: a program's arguments, declared once, with the help text that follows from it.
local args = {}

local KEYS = { help = true, type = true, default = true, value = true, required = true, many = true, flag = true, choices = true }
local TYPES = { integer = true, number = true, string = true }

local function key_of(name)
  return (name:gsub("^%-+", ""):gsub("%-", "_"))
end

-- { "--count", "-n", type = "integer" } -> a description; a name without dashes is a positional.
local function read_entry(entry, at)
  local d = { names = {}, option = false }
  for _, name in ipairs(entry) do
    d.names[#d.names + 1] = name
    d.option = d.option or name:sub(1, 1) == "-"
  end
  for name, value in pairs(entry) do
    if type(name) ~= "number" then
      if not KEYS[name] then
        error(("args: unknown key '%s' in entry %d"):format(tostring(name), at), 4)
      end
      d[name] = value
    end
  end
  if #d.names == 0 then
    error(("args: entry %d has no name"):format(at), 4)
  end
  if d.type and type(d.type) ~= "function" and not TYPES[d.type] then
    error(('args: unknown type \'%s\' in entry %d: "integer", "number", "string" or a function'):format(tostring(d.type), at), 4)
  end
  d.key = key_of(d.names[1])
  d.flag = d.flag or (d.option and not d.type and not d.value and not d.choices and d.default == nil and not d.required)
  return d
end

local function read_spec(spec)
  local s = { name = spec.name, description = spec.description, options = {}, positionals = {}, by_name = {} }
  s.name = s.name or (arg and arg[0] or "program"):match "[^/]*$"
  for i, entry in ipairs(spec) do
    local d = read_entry(entry, i)
    local list = d.option and s.options or s.positionals
    list[#list + 1] = d
    for _, name in ipairs(d.names) do
      s.by_name[name] = d
    end
  end
  return s
end

local function convert(d, text)
  local name = d.option and d.names[1] or d.key
  if d.type == "integer" then
    local value = math.tointeger(tonumber(text))
    if not value then
      return nil, ("%s wants an integer, not '%s'"):format(name, text)
    end
    return value
  elseif d.type == "number" then
    local value = tonumber(text)
    if not value then
      return nil, ("%s wants a number, not '%s'"):format(name, text)
    end
    return value
  elseif type(d.type) == "function" then
    local value, complaint = d.type(text)
    if value == nil then
      return nil, ("%s: %s"):format(name, complaint or ("'%s' will not do"):format(text))
    end
    return value
  end
  for _, choice in ipairs(d.choices or {}) do
    if choice == text then
      return text
    end
  end
  if d.choices then
    return nil, ("%s wants one of %s, not '%s'"):format(name, table.concat(d.choices, ", "), text)
  end
  return text
end

local function put(result, d, text)
  local value, complaint = convert(d, text)
  if value == nil then
    return complaint
  end
  if d.many then
    result[d.key] = result[d.key] or {}
    table.insert(result[d.key], value)
  else
    result[d.key] = value
  end
end

-- Takes the option at words[i]; returns the index of its last word, or nil and a complaint.
local function take_option(s, result, words, i)
  local name, value = words[i]:match "^(%-%-[^=]+)=(.*)$"
  name = name or words[i]
  local d = s.by_name[name]
  if not d and name:find "^%-%a." then
    d, value, name = s.by_name[name:sub(1, 2)], name:sub(3), name:sub(1, 2)
    if d and d.flag then -- -xy is -x -y
      result[d.key] = true
      words[i] = "-" .. value
      return i - 1
    end
  end
  if not d then
    return nil, ("unknown option '%s'"):format(name)
  elseif d.flag then
    if value then
      return nil, ("%s takes no value"):format(name)
    end
    result[d.key] = true
    return i
  end
  if not value then
    i = i + 1
    value = words[i]
    if not value then
      return nil, ("%s wants a value"):format(name)
    end
  end
  local complaint = put(result, d, value)
  return not complaint and i or nil, complaint
end

local function take_positionals(s, result, rest)
  local at = 1
  for n, d in ipairs(s.positionals) do
    local count = 1
    if d.many then
      count = #rest - at + 1 - (#s.positionals - n)
    end
    for _ = 1, count do
      if rest[at] then
        local complaint = put(result, d, rest[at])
        if complaint then
          return complaint
        end
        at = at + 1
      end
    end
  end
  if rest[at] then
    return ("'%s' is too much"):format(rest[at])
  end
end

local function finish(s, result)
  for _, list in ipairs { s.positionals, s.options } do
    for _, d in ipairs(list) do
      if result[d.key] == nil then
        if d.required then
          return ("%s is missing"):format(d.option and d.names[1] or d.key)
        end
        result[d.key] = d.default
        if d.default == nil and (d.many or d.flag) then
          result[d.key] = not d.flag and {} or false
        end
      end
    end
  end
end

local function read(s, words)
  local result, rest, i = {}, {}, 1
  words = table.move(words, 1, #words, 1, {})
  while i <= #words do
    local word = words[i]
    if word == "--" then
      table.move(words, i + 1, #words, #rest + 1, rest)
      break
    elseif word == "--help" or (word == "-h" and not s.by_name["-h"]) then
      return { help = true }
    elseif word:sub(1, 1) == "-" and #word > 1 and not (tonumber(word) and not s.by_name[word]) then
      local last, complaint = take_option(s, result, words, i)
      if not last then
        return nil, complaint
      end
      i = last
    else
      rest[#rest + 1] = word
    end
    i = i + 1
  end
  local complaint = take_positionals(s, result, rest) or finish(s, result)
  if complaint then
    return nil, complaint
  end
  return result
end

local function value_name(d)
  return d.value or (d.choices and table.concat(d.choices, "|")) or key_of(d.names[1]):upper()
end

local function usage(s)
  local parts = { "usage:", s.name }
  if #s.options > 0 then
    parts[#parts + 1] = "[options]"
  end
  for _, d in ipairs(s.positionals) do
    local text = d.key .. (d.many and "..." or "")
    parts[#parts + 1] = d.required and text or "[" .. text .. "]"
  end
  return table.concat(parts, " ")
end

local function rows(out, title, list)
  if #list == 0 then
    return
  end
  out[#out + 1] = "\n" .. title
  for _, d in ipairs(list) do
    local left = d.option and table.concat(d.names, ", ") .. (d.flag and "" or " " .. value_name(d)) or d.key
    local right = (d.help or "") .. (d.default ~= nil and (" (%s)"):format(tostring(d.default)) or "")
    out[#out + 1] = ("  %-24s  %s"):format(left, right):gsub("%s+$", "")
  end
end

--- The help text of a declaration.
--- @param spec table as for `parse`
--- @return string
function args.help(spec)
  local s = read_spec(spec)
  local out = { usage(s) }
  if s.description then
    out[#out + 1] = s.description
  end
  rows(out, "Arguments:", s.positionals)
  local options = table.move(s.options, 1, #s.options, 1, {})
  options[#options + 1] = { names = { "--help" }, option = true, flag = true, help = "this text" }
  rows(out, "Options:", options)
  return table.concat(out, "\n")
end

--- Reads words by a declaration, and leaves it to the caller what to do about mistakes.
--- @param spec table as for `parse`
--- @param words? string[] the script's arguments by default
--- @return table? values by name, dashes as underscores; `{ help = true }` if help is asked for
--- @return string? complaint
function args.read(spec, words)
  return read(read_spec(spec), words or arg or {})
end

--- Reads the script's arguments. `--help` prints the help text and ends the program with status 0, a mistake prints a
--- sentence and ends it with status 2.
---
--- An entry of the declaration is a list of names with `help`, `type` ("integer", "number", "string", or a function that
--- gives a value or nil and a complaint), `default`, `value` (its name in the help), `choices`, `required`, `many`. Names
--- with dashes are options, and flags if nothing says that they have a value; the others are positional, and may be
--- missing unless they are `required`.
--- @param spec { name?: string, description?: string, [integer]: table }
--- @param words? string[]
--- @return table
function args.parse(spec, words)
  local s = read_spec(spec)
  local result, complaint = read(s, words or arg or {})
  if complaint then
    io.stderr:write(("%s: %s\n%s\n"):format(s.name, complaint, usage(s)))
    os.exit(2)
  elseif result.help == true and not s.by_name["--help"] then
    print(args.help(spec))
    os.exit(0)
  end
  return result
end

return args
