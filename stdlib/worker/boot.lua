-- What a worker runs in its own state: the script's function or module, then calls from its parent.
local native = require "rille.native.worker"
local current = require "rille.worker.current"

local function on_error(err)
  return { err, debug.traceback(tostring(err), 2) }
end

local function finish(answer, number, ok, ...)
  if not ok then
    local failure = ...
    if type(failure) ~= "table" or not failure[2] then failure = { failure, tostring(failure) } end
    if not pcall(answer, number, false, failure[1], failure[2]) then
      answer(number, false, tostring(failure[1]), failure[2])
    end
    return
  end
  local sent, err = pcall(answer, number, true, ...)
  if not sent then answer(number, false, err, tostring(err)) end
end

local function unknown(name)
  error(("the worker has no function '%s'"):format(tostring(name)), 0)
end

--- Serves calls until `calls` is closed: each runs in a task of its own.
local function serve(calls, answer, functions)
  local rille = require "rille" -- a worker that only runs a function starts without it
  local running = {}
  -- In a task of its own: a function that cancels that is answered, as one that fails is.
  local call = rille.async(function(f, ...) return xpcall(f, on_error, ...) end)
  local function outcome(lived, ...)
    if lived then return ... end
    return false, ...
  end
  local function run(number, name, ...)
    local f = functions[name]
    if type(f) ~= "function" then f = function() unknown(name) end end
    finish(answer, number, outcome(pcall(rille.await, call(f, ...))))
    running[number] = nil
  end
  rille.group(function(group)
    local function take(number, name, ...)
      if not number then return false end
      if name then
        running[number] = group:spawn(run, number, name, ...)
      elseif running[number] then
        running[number]:cancel("the caller has left")
        running[number] = nil
      end
      return true
    end
    while take(calls:recv()) do end
  end)
end

local function results_of(calls, answer, first, ...)
  if type(first) ~= "table" or select("#", ...) > 0 then return first, ... end
  for _, value in pairs(first) do
    if type(value) == "function" then
      serve(calls, answer, first)
      return
    end
  end
  return first
end

return function(calls, inbox, outbox, answer, paths, target, ...)
  package.path, package.cpath = paths.path, paths.cpath
  local exit = os.exit
  os.exit = function(code) return exit(code, true) end  -- luacheck: ignore
  current.inbox, current.outbox = inbox, outbox
  local main = target
  if type(target) == "string" then
    main = require(target)
    if type(main) ~= "function" then return results_of(calls, answer or native.answer, main) end
  end
  return results_of(calls, answer or native.answer, main(...))
end
