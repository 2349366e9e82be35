-- What begins with a colon at the prompt.
local doc = require "rille.repl.doc"
local eval = require "rille.repl.eval"
local inspect = require "rille.inspect"
local program = require "rille.native.program"
local rille = require "rille"

local commands = { list = {} }
local list = commands.list

local HELP = [[
:help            this
:tasks           what runs: state, age, what it waits for, where
:cancel ID       cancel a task
:doc NAME        what a function does
:type EXPR       the type of a value, and what it is
:time EXPR       run it and tell how long it took
:load FILE       run a file
Ctrl-C cancels what runs, Ctrl-D leaves, Tab completes, _ is the last value.
Calls that wait may be typed as they are: rille.sleep(1)]]

local function compile(repl, text)
  local f, err = eval.compile(repl.session, text)
  if not f then
    print(err == "incomplete" and "that is incomplete" or err)
  end
  return f
end

function list.help()
  print(HELP)
end

local function describe(task)
  local t = program.task(task)
  if not t then
    return nil
  end
  local waits = t.waits_for and ("waits for %s%s"):format(t.waits_for,
    t.waits_for_task and " of task " .. t.waits_for_task or "") or t.state
  return ("%4d  %-8s  %7.1f s  %-28s %s"):format(t.id, task.name or "", t.age, waits, t.at or t.spawned_at)
end

function list.tasks()
  for _, task in ipairs(rille.tasks()) do
    local line = describe(task)
    if line then
      print(line)
    end
  end
end

function list.cancel(_, text)
  local id = tonumber(text)
  for _, task in ipairs(rille.tasks()) do
    if task.id == id then
      task:cancel "cancelled at the prompt"
      return
    end
  end
  print(("there is no task %s"):format(text))
end

function list.doc(_, text)
  print(doc.find(text) or ("nothing is known of '%s'"):format(text))
end

local function kind_of(value)
  local kind = math.type(value) or type(value)
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and type(meta.__name) == "string" and meta.__name
  return name and kind .. " (" .. name .. ")" or kind
end

function list.type(repl, text)
  local f = compile(repl, text)
  if not f then
    return
  end
  repl.evaluate(repl, function()
    local values = table.pack(f())
    for i = 1, values.n do
      local extra = ""
      if type(values[i]) == "function" or type(values[i]) == "table" then
        extra = "  " .. inspect(values[i], { depth = 0 })
      end
      print(kind_of(values[i]) .. extra)
    end
  end)
end

function list.time(repl, text)
  local f = compile(repl, text)
  if not f then
    return
  end
  local began, cpu = rille.now(), os.clock()
  repl.evaluate(repl, f)
  print(("%.6f s, of which %.6f s of CPU"):format(rille.now() - began, os.clock() - cpu))
end

function list.load(repl, path)
  local f, err = loadfile(path)
  if not f then
    print(err)
    return
  end
  repl.evaluate(repl, f)
end

--- Runs a line that begins with a colon.
function commands.run(repl, text)
  local name, rest = text:match "^%s*:(%a+)%s*(.-)%s*$"
  local command = list[name]
  if not command then
    print((":%s is unknown; :help tells what there is"):format(name))
    return
  end
  command(repl, rest)
end

return commands
