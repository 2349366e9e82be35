-- rille.signal: waiting for signals. While a signal is watched, it does nothing else: watch INT,
-- and Ctrl-C no longer cancels.
local native = require "rille.native.signal"

local signal = {}

--- Waits for the first of these signals: "TERM" or "SIGTERM".
--- @async
--- @param ... string
--- @return string # the name as it was given
--- @raise EINVAL for a signal that nobody can catch
function signal.wait(...)
  local watch <close> = native.watch(...)
  return watch:next()
end

--- Iterates over these signals as they come: `for name in signal.each("HUP", "USR1") do`. From the
--- call on none is missed, until the loop is left or its scope is cancelled. A signal that comes
--- again before it was taken comes once.
--- @param ... string
--- @return fun(): string?
--- @raise EINVAL for a signal that nobody can catch
function signal.each(...)
  local watch = native.watch(...)
  return watch, nil, nil, watch
end

--- Sends a signal to a process.
--- @param pid integer
--- @param name string|integer 0 only asks whether it is there
--- @raise system errors of kill
signal.send = native.send

return signal
