-- The floors of the tree: reads every #include and require, and fails on an arrow up, a circle, lua.h under runtime/,
-- uv.h in the pure floors, and lua_resume outside its one file. Usage: layers.lua [ROOT]

local root = arg[1] or "."
local problems = {}

local function problem(...)
  problems[#problems + 1] = string.format(...)
end

-- Lowest first; files may use what stands on a lower line or on their own.
local floors = {
  { "runtime/base" },
  { "runtime/wire", "runtime/cpu" },
  { "runtime/core" },
  { "runtime/thread", "runtime/io" },
  { "lua/bind" },
  { "lua/mod" },
  { "lua/host" },
  { "stdlib" },
  { "tests", "examples", "bench" },
}
local pure = { ["runtime/base"] = true, ["runtime/wire"] = true, ["runtime/cpu"] = true }
local lua_headers = { ["lua.h"] = true, ["lauxlib.h"] = true, ["lualib.h"] = true, ["luaconf.h"] = true }

local height = {}
for rank, names in ipairs(floors) do
  for _, name in ipairs(names) do
    height[name] = rank
  end
end

local function floor_of(path)
  local two = path:match("^[^/]+/[^/]+")
  if height[two] then return two end
  local one = path:match("^[^/]+")
  return height[one] and one or nil
end

local function files(pattern)
  local quoted = "'" .. root:gsub("'", "'\\''") .. "'"
  local pipe = assert(io.popen("cd " .. quoted .. " && find runtime lua stdlib tests examples bench " ..
    "-type f -name '" .. pattern .. "' 2>/dev/null | LC_ALL=C sort"))
  local list = {}
  for path in pipe:lines() do list[#list + 1] = path end
  pipe:close()
  return list
end

local function read(path)
  local file <close> = assert(io.open(root .. "/" .. path, "rb"))
  return file:read("a")
end

local function code_of(text)
  return (text:gsub("/%*.-%*/", ""):gsub("//[^\n]*", ""):gsub('"[^"\n]*"', '""'))
end

-- An arrow between two files; keeps the graph for the search for circles.
local arrows = {}
local function arrow(from, to)
  arrows[from] = arrows[from] or {}
  table.insert(arrows[from], to)
  local a, b = floor_of(from), floor_of(to)
  if not b then return problem("%s uses %s, which is on no floor", from, to) end
  if a ~= b and height[b] > height[a] then problem("%s uses %s: an arrow up", from, to) end
end

local function stem(path) return (path:gsub("%.[ch]$", "")) end

-- The files of one door share its header: vec.h belongs to vec.c and vec_*.c.
local function own_header(path, header)
  local own = stem(header)
  return stem(path) == own or path:sub(1, #own + 1) == own .. "_"
end

local function check_include(path, open, name)
  local floor = floor_of(path)
  if open == "<" then
    if lua_headers[name] and height[floor] < height["lua/bind"] then
      problem("%s includes %s: nothing below lua/ knows Lua", path, name)
    elseif name == "uv.h" and pure[floor] then
      problem("%s includes uv.h: %s is pure", path, floor)
    end
  elseif not name:find("/", 1, true) then
    problem("%s includes %q: write the full path from the root", path, name)
  else
    arrow(path, name)
    if floor == "lua/mod" and floor_of(name) == "lua/mod" and not own_header(path, name) then
      problem("%s includes its sibling %s", path, name)
    end
  end
end

local function check_c(path)
  local text = read(path)
  for open, name in ("\n" .. text):gmatch('\n%s*#%s*include%s*([<"])([^>"]+)[>"]') do
    check_include(path, open, name)
  end
  local ours = not (floor_of(path) == "tests" or floor_of(path) == "bench" or floor_of(path) == "examples")
  if ours and path ~= "lua/bind/resume.c" and code_of(text):find("%f[%w_]lua_resume%f[^%w_]") then
    problem("%s calls lua_resume: only lua/bind/resume.c does", path)
  end
end

local stdlib = {}
for _, path in ipairs(files("*.lua")) do
  local name = path:match("^stdlib/(.*)%.lua$")
  if name then
    name = name:gsub("/init$", ""):gsub("/", ".")
    stdlib[name == "rille" and "rille" or "rille." .. name] = path
  end
end

-- Comments count for nothing, but for the long strings that tests hold: a line is enough here.
local function check_lua(path)
  for line in read(path):gmatch("[^\n]+") do
    local code = line:gsub("^%s*%-%-.*$", "")
    for name in code:gmatch("require%s*%(?%s*[\"']([%w_.]+)[\"']") do
      if stdlib[name] then
        arrow(path, stdlib[name])
      elseif path:find("^stdlib/") and not name:find("^rille%.") and not path:find("^stdlib/test") then
        problem("%s requires %q: the standard library stands on itself and on native modules", path, name)
      end
    end
  end
end

-- Depth first; a file met again on the path that led to it closes a circle.
local state = {}
local function visit(path, trail)
  if state[path] == "done" then return end
  trail[#trail + 1] = path
  if state[path] == "open" then
    problem("a circle: %s", table.concat(trail, " -> "))
  else
    state[path] = "open"
    for _, to in ipairs(arrows[path] or {}) do visit(to, trail) end
    state[path] = "done"
  end
  trail[#trail] = nil
end

local count = 0
for _, pattern in ipairs { "*.c", "*.h" } do
  for _, path in ipairs(files(pattern)) do
    check_c(path)
    count = count + 1
  end
end
for _, path in ipairs(files("*.lua")) do
  if path:find("^stdlib/") then
    check_lua(path)
    count = count + 1
  end
end
local starts = {}
for path in pairs(arrows) do starts[#starts + 1] = path end
table.sort(starts)
for _, path in ipairs(starts) do visit(path, {}) end

for _, text in ipairs(problems) do io.stderr:write("layers: ", text, "\n") end
print(string.format("layers: %d files, %d problems", count, #problems))
os.exit(#problems == 0 and count > 0)
