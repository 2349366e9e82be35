-- `rille types DIR`: definitions of the standard library for lua-language-server, made of its docstrings.
local program = require "rille.native.program"

local HIDDEN = { "^cmd/", "^repl", "^types/", "^test/", "^compat/", "^base%.lua$", "^seeing%.lua$", "^restart%.lua$",
  "^sync%.lua$", "^tasks%.lua$", "^vars%.lua$", "^net_serve%.lua$", "^rille%.lua$", "/" }

local function is_hidden(name)
  for _, pattern in ipairs(HIDDEN) do
    if name:find(pattern) then
      return true
    end
  end
  return not name:find "%.lua$"
end

local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = line
  end
  return lines
end

-- A definition for what follows a comment, or nil.
local function definition(line, owner)
  local signature = line:match "^function%s+([%w_.:]+%s*%b())"
  if signature then
    local head = signature:match "^[%w_]+"
    return "function " .. signature .. " end", head
  end
  local name = line:match("^(" .. owner .. "%.[%w_]+)%s*=")
  if name then
    local parameters = line:match "=%s*function%s*(%b())" or "(...)"
    return "function " .. name .. parameters .. " end", owner
  end
  local whole = line:match "^local%s+function%s+([%w_]+%s*%b())"
  return whole and whole:match "^[%w_]+" == owner and "function " .. whole .. " end" or nil, owner
end

-- The name of the table that the module returns.
local function owner_of(lines)
  for i = #lines, 1, -1 do
    local name = lines[i]:match "^return%s+([%a_][%w_]*)%s*$"
    if name then
      return name
    end
  end
end

-- `net.serve = require "rille.net_serve"`: what that file says above the function it returns.
local function from_other_file(line, owner)
  local name, module = line:match("^" .. owner .. '%.([%w_]+) = require "rille%.([%w_]+)"')
  local text = module and program.source(module .. ".lua")
  local returned = text and owner_of(lines_of(text))
  local block = {}
  for _, other in ipairs(returned and lines_of(text) or {}) do
    local comment = other:match "^%-%-%-(.*)$"
    local parameters = other:match("^local function " .. returned .. "(%b())")
    if comment then
      block[#block + 1] = "---" .. comment:gsub("^ @", "@")
    elseif parameters then
      return table.concat(block, "\n") .. ("\nfunction %s.%s%s end\n"):format(owner, name, parameters)
    else
      block = {}
    end
  end
end

--- The definitions of a module, from its source.
local function definitions(module, text)
  local lines = lines_of(text)
  local owner = owner_of(lines)
  if not owner then
    return nil
  end
  local is_function = text:find("local function " .. owner .. "%(")
  local out, block, heads = {}, {}, { [owner] = true }
  for _, line in ipairs(lines) do
    local comment = line:match "^%s*%-%-%-(.*)$"
    if comment then
      block[#block + 1] = "---" .. comment:gsub("^ @", "@")
    else
      out[#out + 1] = from_other_file(line, owner)
      if #block > 0 then
        local defined, head = definition(line, owner)
        local class = table.concat(block, "\n"):find "@class" or table.concat(block, "\n"):find "@alias"
        if defined and not heads[head] then
          heads[head] = true
          table.insert(out, 1, ("local %s = {}\n"):format(head))
        end
        if defined or class then
          out[#out + 1] = table.concat(block, "\n") .. (defined and "\n" .. defined or "") .. "\n"
        end
      end
      block = {}
    end
  end
  if is_function then
    return ("---@meta %s\n\n%s\nreturn %s\n"):format(module, table.concat(out, "\n"), owner)
  end
  return ("---@meta %s\n\nlocal %s = {}\n\n%s\nreturn %s\n"):format(module, owner, table.concat(out, "\n"), owner)
end

local function write(path, text)
  local file, err = io.open(path, "w")
  if not file then
    return nil, err
  end
  file:write(text)
  return file:close()
end

-- What is written by hand for the native part, and what the source says of the rest.
local function join(by_hand, generated)
  if not generated then
    return by_hand
  end
  local owner = generated:match "\nreturn ([%w_]+)\n$"
  local rest = generated:gsub("^%-%-%-@meta[^\n]*\n", "")
  if by_hand:find("\nlocal " .. owner .. " ") then
    rest = rest:gsub("\nlocal " .. owner .. " = {}\n", "", 1)
  end
  return (by_hand:gsub("\nreturn [^\n]*%s*$", "") .. "\n" .. rest)
end

-- All definitions: file name -> text.
local function all()
  local files = {}
  for _, name in ipairs(program.stdlib()) do
    if not is_hidden(name) then
      files[name] = definitions("rille." .. name:gsub("%.lua$", ""), program.source(name))
    end
  end
  for _, name in ipairs(program.stdlib()) do
    local short = name:match "^types/(.*)$"
    if short then
      files[short] = join(program.source(name):gsub("^%-%-[^-][^\n]*\n", ""), files[short])
    end
  end
  return files
end

return function(directory, ...)
  if not directory or directory:sub(1, 1) == "-" or select("#", ...) > 0 then
    io.stderr:write "usage: rille types DIR\n"
    return 2
  end
  local fs = require "rille.fs"
  local ok, err = pcall(fs.mkdir, directory .. "/rille", { parents = true })
  if not ok then
    io.stderr:write("rille types: ", tostring(err), "\n")
    return 1
  end
  local count = 0
  for name, text in pairs(all()) do
    local path = name == "rille.lua" and directory .. "/rille.lua" or directory .. "/rille/" .. name
    local written, complaint = write(path, text)
    if not written then
      io.stderr:write("rille types: ", complaint, "\n")
      return 1
    end
    count = count + 1
  end
  print(("%d files in %s; for lua-language-server: \"workspace\": {\"library\": [\"%s\"]}"):format(count, directory, directory))
  return 0
end
