-- `rille build main.lua -o app`: one executable of the program, the modules that it requires, and rille itself.
local args = require "rille.args"
local eval = require "rille.repl.eval"
local program = require "rille.native.program"
local rille = require "rille"

local MAGIC = "rille\1pk"

local SPEC = {
  name = "rille build", description = "Makes one executable of a program and the modules that it requires; --allow-... and --deny-... bound it.",
  { "main", required = true, help = "the script" },
  { "--output", "-o", value = "FILE", required = true, help = "the executable" },
  { "--include", "-i", value = "MODULE", many = true, help = "a module whose name only the running program knows" },
  { "--asset", "-a", value = "FILE", many = true, help = "a file for rille.assets.read" },
  { "--verbose", "-v", help = "tell what goes in" },
}

-- The permissions among the arguments, and the other arguments.
local function split(words)
  local permissions, others = {}, {}
  for _, word in ipairs(words) do
    local permission = word:match "^%-%-(allow%-.*)" or word:match "^%-%-(deny%-.*)"
    table.insert(permission and permissions or others, permission or word)
  end
  return permissions, others
end

local function refuse(format, ...)
  error({ refusal = format:format(...) }, 0)
end

local function source_of(path)
  local text = rille.fs.read(path):gsub("^\xef\xbb\xbf", "")
  if text:sub(1, 1) == "#" then
    text = "--" .. text
  end
  local ok, err = load(text, "@" .. path, "t")
  if not ok then
    refuse("%s", text:sub(1, 1) == "\27" and path .. ": " .. err or err)
  end
  return text
end

-- The modules that a source requires by a literal name; `dynamic(line)` is told of the others.
local function requires(text, dynamic)
  local names, line = {}, 0
  for content in (text .. "\n"):gmatch "(.-)\n" do
    line = line + 1
    for name, after in content:gmatch "%f[%w_]require%s*%(?%s*[\"']([^\"']+)[\"']%s*(%.?%.?)" do
      if after ~= ".." then names[#names + 1] = { name = name, line = line } end
    end
  end
  local previous, calls = nil, 0
  for token in eval.tokens(text) do
    if previous == "require" and (token == "(" or token == '"') then
      calls = calls + 1
    end
    previous = token
  end
  if calls > #names then
    dynamic()
  end
  return names
end

-- Adds the C modules that one of rille's modules, with its parts, leads to.
local function follow_ours(module, found, seen)
  if seen[module] then
    return
  end
  seen[module], found[module] = true, true
  for _, file in ipairs(program.stdlib()) do
    if file == module .. ".lua" or file:find("^" .. module .. "/.*%.lua$") then
      local text = program.source(file)
      for name in text:gmatch "rille%.native%.([%w_]+)" do
        found[name] = true
      end
      for name in text:gmatch "rille%.([%w_]+)" do
        follow_ours(name, found, seen)
      end
    end
  end
end

-- The same for a script, where they are fields of what `require "rille"` gives, under whatever name, or names in texts.
local function natives_of(text, found, seen)
  for name in text:gmatch "%.%s*([%a_][%w_]*)" do
    if program.source(name .. ".lua") or program.source("types/" .. name .. ".lua") then
      follow_ours(name, found, seen)
    end
  end
end

local function executable()
  return rille.fs.realpath "/proc/self/exe"
end

local function module_path(name)
  local home = executable():match "^(.*)/"
  for _, format in ipairs { "%s/lib/rille/%s.so", "%s/rille/%s.so", "%s/../lib/rille/%s.so" } do
    local path = format:format(home, name)
    if rille.fs.exists(path) then
      return path
    end
  end
end

local function add(state, name, data)
  if not state.files[name] then
    state.order[#state.order + 1] = name
    state.files[name] = data
  end
end

local follow

local function add_module(state, name, from)
  if name == "rille" or name:find "^rille%." or state.files["lua/" .. name] or package.preload[name] or
    ({ string = 1, table = 1, math = 1, io = 1, os = 1, debug = 1, coroutine = 1, utf8 = 1, package = 1 })[name] then
    return
  end
  local path = package.searchpath(name, state.path)
  if not path then
    local c = package.searchpath(name, package.cpath)
    if c then
      refuse("%s requires '%s', a C module (%s): it cannot go into the executable", from, name, c)
    end
    refuse("%s requires '%s', which is not found", from, name)
  end
  local text = source_of(path)
  add(state, "lua/" .. name, text)
  follow(state, text, path)
end

function follow(state, text, path)
  natives_of(text, state.natives, state.seen)
  local names = requires(text, function()
    if #state.include == 0 then
      refuse("%s requires a module whose name is not written there: name what it may be with --include MODULE", path)
    end
  end)
  for _, required in ipairs(names) do
    add_module(state, required.name, ("%s:%d"):format(path, required.line))
  end
end

local function pack(state)
  local parts = {}
  for _, name in ipairs(state.order) do
    parts[#parts + 1] = ("%s %d\n"):format(name, #state.files[name])
    parts[#parts + 1] = state.files[name]
  end
  local payload = table.concat(parts)
  return payload .. ("<I8"):pack(#payload) .. MAGIC
end

local function build(options)
  local directory = options.main:match "^(.*/)" or "./"
  local state = {
    files = {}, order = {}, natives = {}, seen = {}, include = options.include,
    path = directory .. "?.lua;" .. directory .. "?/init.lua;" .. package.path,
  }
  if #options.permissions > 0 then
    add(state, "permit", table.concat(options.permissions, "\0") .. "\0")
  end
  local main = source_of(options.main)
  add(state, "main", main)
  follow(state, main, options.main)
  for _, name in ipairs(options.include) do
    add_module(state, name, "--include")
  end
  for name in pairs(state.natives) do
    local path = module_path(name)
    if path then
      add(state, "so/" .. name, rille.fs.read(path))
    end
  end
  for _, path in ipairs(options.asset) do
    add(state, "asset/" .. path, rille.fs.read(path))
  end
  rille.fs.write(options.output, rille.fs.read(executable()) .. pack(state), { mode = tonumber("755", 8), atomic = true })
  rille.fs.chmod(options.output, tonumber("755", 8))
  if options.verbose then
    for _, name in ipairs(state.order) do
      print(("%8d %s"):format(#state.files[name], name))
    end
  end
end

return function(...)
  local permissions, others = split { ... }
  local options = args.parse(SPEC, others)
  options.permissions = permissions
  local ok, err = pcall(build, options)
  if ok then
    return 0
  end
  io.stderr:write("rille build: ", type(err) == "table" and err.refusal or tostring(err), "\n")
  return 1
end
