-- `rille ps [PID]`: the task tree of a running program that was started with RILLE_PS=1.
local rille = require "rille"

local function directory()
  local base = os.getenv "XDG_RUNTIME_DIR"
  if base and base ~= "" and #base <= 60 then
    return base
  end
  return "/tmp/rille-" .. rille.os.user().uid
end

-- The stream of a program's socket; or nil, and nobody listens there any more.
local function reach(pid)
  local path = ("%s/rille-%s.sock"):format(directory(), pid)
  local stream, err = rille.try(rille.net.connect, { path = path })
  if err and err.code == "ECONNREFUSED" then
    rille.try(rille.fs.remove, path) -- of a program that was killed
  end
  return stream
end

local function list()
  local found = false
  for _, path in ipairs(rille.fs.glob(directory() .. "/rille-*.sock")) do
    local pid = path:match "/rille%-(%d+)%.sock$"
    local stream <close> = pid and reach(pid) or nil
    if stream then
      found = true
      print(pid)
    end
  end
  if not found then
    io.stderr:write "rille ps: no program that was started with RILLE_PS=1\n"
  end
  return found and 0 or 1
end

return function(pid, ...)
  if pid == nil then
    return list()
  elseif not pid:find "^%d+$" or select("#", ...) > 0 then
    io.stderr:write "usage: rille ps [PID]\n"
    return 2
  end
  local stream <close> = reach(pid)
  if not stream then
    io.stderr:write(("rille ps: %s does not answer (was it started with RILLE_PS=1?)\n"):format(pid))
    return 1
  end
  print(stream:read "a")
  return 0
end
