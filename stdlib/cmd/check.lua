-- `rille check FILE...`: compiles without running; warns of names that rille does not have.
local eval = require "rille.repl.eval"
local rille = require "rille"

local function read(path)
  local file, err = io.open(path, "rb")
  if not file then
    return nil, err
  end
  local text = file:read "a"
  file:close()
  return text, not text and path .. ": cannot be read" or nil
end

local function first_line_is_for_the_shell(text)
  return text:sub(1, 1) == "#" and "--" .. text or text
end

-- The words of the source with their lines.
local function words_of(text)
  local words, at, line = {}, 1, 1
  for token in eval.tokens(text) do
    local from = text:find(token, at, true) or at
    line = line + select(2, text:sub(at, from - 1):gsub("\n", ""))
    at = from + #token
    words[#words + 1] = { text = token, line = line }
  end
  return words
end

local function known(module, name)
  local ok, value = pcall(function() return module[name] end)
  return ok and value ~= nil, ok and value or nil
end

-- The names under which the source holds rille's modules: `local x = require "rille.x"`.
local function modules_of(text)
  local modules = {}
  for name, module in text:gmatch "local%s+([%a_][%w_]*)%s*=%s*require%s*%(?%s*[\"'](rille[%w_.]*)[\"']" do
    if not module:find "^rille%.native" then
      local ok, value = pcall(require, module)
      modules[name] = ok and type(value) == "table" and value or nil
    end
  end
  return modules
end

local function unknown_names(path, text, warn)
  local modules, words = modules_of(text), words_of(text)
  for i = 1, #words - 2 do
    local module = modules[words[i].text]
    local before = i > 1 and words[i - 1].text
    local after = words[i + 3] and words[i + 3].text
    if module and before ~= "." and before ~= ":" and words[i + 1].text == "." and after ~= "=" then
      local path_so_far, value, at = words[i].text, module, i + 2
      while value and words[at] do
        local found, field = known(value, words[at].text)
        path_so_far = path_so_far .. "." .. words[at].text
        if not found then
          warn(("%s:%d: there is no %s"):format(path, words[at].line, path_so_far))
          break
        end
        value = type(field) == "table" and words[at + 1] and words[at + 1].text == "." and path_so_far:find "^rille%.[%w_]+$" and field or nil
        at = at + 2
      end
    end
  end
end

local function unknown_modules(path, text, warn)
  local line = 0
  for content in (text .. "\n"):gmatch "(.-)\n" do
    line = line + 1
    for module in content:gmatch "require%s*%(?%s*[\"'](rille[%w_.]*)[\"']" do
      local ok, err = pcall(require, module)
      if not ok and tostring(err):find("module '" .. module .. "' not found", 1, true) then
        warn(("%s:%d: there is no module '%s'"):format(path, line, module))
      end
    end
  end
end

local function files_of(words)
  local files = {}
  for _, word in ipairs(words) do
    local stat = rille.try(rille.fs.stat, word)
    if stat and stat.type == "directory" then
      for _, file in ipairs(rille.fs.glob(word .. "/**/*.lua")) do
        files[#files + 1] = file
      end
    else
      files[#files + 1] = word
    end
  end
  return files
end

return function(...)
  local words = { ... }
  if #words == 0 or words[1]:sub(1, 1) == "-" then
    io.stderr:write "usage: rille check FILE...\n"
    return 2
  end
  local errors, warnings = 0, 0
  local function warn(text)
    warnings = warnings + 1
    io.stderr:write("warning: ", text, "\n")
  end
  for _, path in ipairs(files_of(words)) do
    local text, err = read(path)
    local f
    if text then
      text = first_line_is_for_the_shell(text:gsub("^\xef\xbb\xbf", ""))
      f, err = load(text, "@" .. path, "t")
      if text:sub(1, 1) == "\27" then err = path .. ": " .. err end
    end
    if not f then
      errors = errors + 1
      io.stderr:write(err, "\n")
    else
      unknown_names(path, text, warn)
      unknown_modules(path, text, warn)
    end
  end
  return errors > 0 and 1 or 0
end
