-- Runs a program again whenever a Lua file below the current directory changes.
local rille = require "rille"

local restart = {}

local SETTLE = 0.1 -- seconds: an editor writes more than once

local function changed(events)
  for event in events do
    if event.path:find "%.lua$" and not event.path:find "/%." then
      rille.sleep(SETTLE)
      return
    end
  end
end

local function run_once(command)
  local spec = { stdin = "inherit", stdout = "inherit", stderr = "inherit" }
  table.move(command, 1, #command, 1, spec)
  local child <close> = rille.process.spawn(spec)
  local ended = child:wait()
  io.stderr:write(("-- ended with %s; waiting for a change\n"):format(ended.signal or ended.code))
  rille.sleep(math.huge)
end

--- Runs the command; a change ends it and runs it again. Returns when it is cancelled.
--- @async
--- @param command string[]
function restart.run(command)
  while true do
    local events <close> = rille.fs.watch(".", { recursive = true })
    rille.race(
      function() run_once(command) end,
      function() changed(events) end
    )
    io.stderr:write "-- a file has changed\n"
  end
end

return restart
