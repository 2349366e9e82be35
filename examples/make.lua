-- A small make: runs a graph of commands, each when what it needs is done, as many at once as
-- there are cores, and shows a line of progress. It builds a C program in a temporary directory,
-- then changes one file and builds again.
local rille = require "rille"
local fs = require "rille.fs"
local path = require "rille.path"
local process = require "rille.process"
local tty = require "rille.tty"

local dir, _ <close> = fs.temp_dir()
local MODULES = { "add", "mul", "sub", "sqr", "neg", "inc" }
local CC = "cc"

-- Rules by target: what it needs, and the command that makes it.
local rules, objects = {}, {}
for _, name in ipairs(MODULES) do
  local source, object = name .. ".c", name .. ".o"
  objects[#objects + 1] = object
  rules[object] = { needs = { source }, run = { CC, "-O1", "-c", source, "-o", object } }
end
rules["main.o"] = { needs = { "main.c" }, run = { CC, "-O1", "-c", "main.c", "-o", "main.o" } }
local parts = table.move(objects, 1, #objects, 2, { "main.o" })
rules["program"] = { needs = parts, run = table.move(parts, 1, #parts, 4, { CC, "-o", "program" }) }

local function write_sources()
  local calls = {}
  for i, name in ipairs(MODULES) do
    fs.write(path.join(dir, name .. ".c"), ("int %s(int x) { return x + %d; }\n"):format(name, i))
    calls[i] = ("int %s(int);"):format(name)
  end
  fs.write(path.join(dir, "main.c"), ([[
#include <stdio.h>
%s
int main(void) { printf("%%d\n", %s0%s); return 0; }
]]):format(table.concat(calls, "\n"), table.concat(MODULES, "(") .. "(", (")"):rep(#MODULES)))
end

local function time_of(file)
  local ok, st = pcall(fs.stat, path.join(dir, file))
  return ok and st.mtime or nil
end

local function is_stale(target, rule)
  local made = time_of(target)
  for _, need in ipairs(rule.needs) do
    if not made or (time_of(need) or 0) > made then
      return true
    end
  end
  return false
end

local function progress(text, last)
  if tty.is() then
    rille.stdout:write("\r\27[K", text, last and "\n" or "")
  else
    rille.stdout:write(text, "\n")
  end
end

local function make(goal)
  local slots = rille.semaphore(rille.os.cpus())
  local building, ran, ready = {}, 0, 0
  local build

  local function build_now(target)
    local rule = rules[target]
    if not rule then
      return
    end
    local needs = {}
    for i, need in ipairs(rule.needs) do
      needs[i] = build(need)
    end
    for _, need in ipairs(needs) do
      need:await()
    end
    if is_stale(target, rule) then
      local _ <close> = slots:acquire()
      local spec = table.move(rule.run, 1, #rule.run, 1, { cwd = dir, check = true, timeout = 20 })
      process.run(spec)
      ran = ran + 1
    end
    ready = ready + 1
    progress(("[%d] %s"):format(ready, target))
  end

  -- Each target once, however many need it.
  function build(target)
    building[target] = building[target] or rille.async(build_now)(target)
    return building[target]
  end

  local start = rille.now()
  build(goal):await()
  progress(("%s: %d commands in %.2f s"):format(goal, ran, rille.now() - start), true)
  return ran
end

write_sources()
assert(make "program" == #MODULES + 2)
print("the program says " .. process.run({ path.join(dir, "program") }).stdout:gsub("\n", ""))
assert(make "program" == 0)
fs.write(path.join(dir, "mul.c"), "int mul(int x) { return x * 100; }\n")
assert(make "program" == 2)
print("the program says " .. process.run({ path.join(dir, "program") }).stdout:gsub("\n", ""))
