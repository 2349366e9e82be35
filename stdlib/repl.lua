-- The prompt: reads, runs in a task of its own, prints; background tasks go on while one types.
local commands = require "rille.repl.commands"
local eval = require "rille.repl.eval"
local inspect = require "rille.inspect"
local program = require "rille.native.program"
local rille = require "rille"
local getenv = require("rille.options").getenv

local FIRST, MORE = "> ", ">> "

local function has_color()
  local no = getenv "NO_COLOR"
  return not (no and no ~= "")
end

local function state_directory()
  local base = getenv "XDG_STATE_HOME"
  if not base or base == "" then
    local home = getenv "HOME"
    base = home and home .. "/.local/state"
  end
  return base and base .. "/rille"
end

-- One entry a line, with newlines escaped.
local function load_history(repl)
  local directory = state_directory()
  if not directory then
    return
  end
  repl.history = directory .. "/history"
  local permitted, file = pcall(io.open, repl.history, "r")
  if not permitted then
    repl.history = nil
    return
  end
  if not file then
    if not pcall(function() require("rille.fs").mkdir(directory, { parents = true }) end) then
      os.execute("mkdir -p '" .. directory:gsub("'", "'\\''") .. "' 2>/dev/null")
    end
    return
  end
  for line in file:lines() do
    repl.editor:add((line:gsub("\\(.)", { n = "\n", ["\\"] = "\\" })))
    repl.last_entry = line
  end
  file:close()
end

local function remember(repl, text)
  if not repl.editor or text:find "^%s*$" then
    return
  end
  local line = text:gsub("[\\\n]", { ["\\"] = "\\\\", ["\n"] = "\\n" })
  if line == repl.last_entry then
    return
  end
  repl.last_entry = line
  repl.editor:add(text)
  local file = repl.history and io.open(repl.history, "a")
  if file then
    file:write(line, "\n")
    file:close()
  end
end

local LINE_MAX = 64 << 20 -- bytes, where it is not typed

-- A line; nil at the end; false after Ctrl-C.
local function read_line(repl, prompt)
  repl.first = prompt == FIRST
  if repl.editor then
    return repl.editor:read(prompt, repl.color and "1;36" or "")
  end
  io.write(prompt)
  io.stdout:flush()
  local ok, line = pcall(repl.input.read_until, repl.input, "\n", { limit = LINE_MAX })
  if ok then
    return line
  end
  io.stderr:write(tostring(line), "\n")
  return nil
end

local function show_error(repl, err)
  local text = rille.report(err):gsub("\n%s*%(%.%.%.tail calls%.%.%.%)(\n[^\n]*repl%.lua:)", "%1")
  text = text:gsub("\n[^\n]*repl%.lua:[^\n]*", ""):gsub("\nawaited at %?", "")
  text = text:gsub("^[^\n]*repl%.lua:%d+: ", "")
  io.stdout:flush()
  io.stderr:write(repl.color and "\27[31m" or "", text, repl.color and "\27[0m" or "", "\n")
end

local function show_values(repl, values)
  if values.n == 0 then
    return
  end
  _G._ = values[1]
  local shown = {}
  for i = 1, values.n do
    shown[i] = inspect(values[i], { color = repl.color, width = repl.width })
  end
  print(table.concat(shown, "\t"))
end

-- Runs f in a task of its own and waits for its values; tasks that it starts go on afterwards.
-- Returns whether it succeeded and the values or the error.
local function run(repl, f)
  local done = rille.channel(1)
  local task = repl.group:async(function()
    local values = table.pack(f())
    done:try_send { ok = true, values = values }
  end)
  repl.group:spawn(function()
    local ok, err = pcall(rille.await, task)
    if not ok and not done:try_send { ok = false, error = err } and repl.foreground ~= task and not (type(err) == "table" and err.code == "CANCELLED") then
      show_error(repl, err)
    end
  end)
  repl.foreground = task
  local outcome = done:recv()
  if repl.foreground == task then
    repl.foreground = nil
  end
  if not outcome.ok then
    return false, outcome.error
  end
  return true, outcome.values
end

local function evaluate(repl, f)
  local ok, result = run(repl, f)
  if not ok then
    local cancelled = type(result) == "table" and result.code == "CANCELLED"
    if cancelled and repl.interrupts then
      print "(interrupted)"
    else
      show_error(repl, result)
    end
  else
    local fine, err = pcall(show_values, repl, result)
    if not fine then
      show_error(repl, err)
    end
  end
  repl.interrupts = false
end

-- Reads until the input is complete. Returns a function, or nil and whether to go on.
local function read_input(repl)
  local text = read_line(repl, FIRST)
  if not text then
    return nil, text == false and "interrupt"
  end
  if text:find "^%s*:%a" then
    remember(repl, text)
    return nil, true, text
  end
  if text:sub(1, 1) == "=" then
    text = text:sub(2)
  end
  while true do
    local f, err = eval.compile(repl.session, text)
    if f then
      remember(repl, text)
      return f
    elseif err ~= "incomplete" then
      remember(repl, text)
      io.stderr:write(err, "\n")
      return nil, true
    end
    local more = read_line(repl, MORE)
    if not more then
      if more == nil and not repl.editor then
        io.stderr:write(select(2, load(text, "=input")) or "incomplete input", "\n")
      end
      return nil, more == false and "interrupt"
    end
    text = text .. "\n" .. more
  end
end

-- Ctrl-C: cancels what runs in the foreground; at the prompt clears the line; twice on an empty one leaves.
local function watch_interrupts(repl)
  while true do
    program.interrupted()
    if repl.foreground then
      repl.interrupts = true
      repl.foreground:cancel "interrupted"
    elseif repl.editor then
      local empty = repl.first and repl.editor:text() == ""
      repl.empty_interrupts = empty and repl.empty_interrupts + 1 or 0
      repl.editor:interrupt()
    else
      repl.group:cancel()
    end
  end
end

local function loop(repl)
  while true do
    local f, go_on, command = read_input(repl)
    if command then
      repl.empty_interrupts = 0
      local ok, err = pcall(commands.run, repl, command)
      if not ok then
        show_error(repl, err)
      end
    elseif f then
      repl.empty_interrupts = 0
      evaluate(repl, f)
    elseif not go_on then
      print ""
      return
    elseif go_on == "interrupt" then
      print ""
      if repl.empty_interrupts >= 2 then
        return
      elseif repl.empty_interrupts == 1 then
        print "(Ctrl-C again, or Ctrl-D, leaves)"
      end
    end
  end
end

local function open_editor(repl)
  local ok, line = pcall(require, "rille.native.line")
  if not ok or not line.usable() then
    repl.input = rille.stdin
    repl.color = false
    return nil
  end
  repl.editor = line.open(require("rille.repl.complete").editor(repl.session, commands.list))
  load_history(repl)
  return require("rille.repl.screen").guard(repl.editor, rille)
end

--- The REPL. Ends with the input.
--- @async
return function()
  local repl = { session = eval.session(), color = has_color(), empty_interrupts = 0, width = 80 }
  repl.evaluate, repl.run = evaluate, run
  if rawget(_G, "rille") == nil then
    _G.rille = rille
  end
  local unguard = open_editor(repl)
  program.claim(true)
  local cleanup <close> = setmetatable({}, { __close = function()
    program.claim(false)
    if unguard then
      unguard()
      repl.editor:close()
    end
  end })
  rille.group(function(g)
    repl.group = g
    g:spawn(watch_interrupts, repl)
    loop(repl)
    g:cancel()
  end)
end
