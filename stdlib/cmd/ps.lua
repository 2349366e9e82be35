-- `rille ps [PID]`: the task tree of a running program that was started with RILLE_PS=1.
local rille = require "rille"

local function directory()
  local base = os.getenv "XDG_RUNTIME_DIR"
  if base and base ~= "" and #base <= 60 then
    return base
  end
  return "/tmp/rille-" .. rille.os.user().uid
end

local function list()
  local found = false
  for name in rille.fs.list(directory()) do
    local pid = name:match "^rille%-(%d+)%.sock$"
    local path = directory() .. "/" .. name
    local ok, stream = false, nil
    if pid then
      ok, stream = pcall(rille.net.connect, { path = path })
    end
    if ok then
      found = true
      print(pid)
      stream:close()
    elseif stream and stream.code == "ECONNREFUSED" then
      rille.fs.remove(path) -- of a program that was killed
    end
  end
  if not found then
    io.stderr:write "rille ps: no program that was started with RILLE_PS=1\n"
  end
  return found and 0 or 1
end

return function(pid, ...)
  if pid == nil then
    local ok, status = pcall(list)
    return ok and status or 1
  elseif not pid:find "^%d+$" or select("#", ...) > 0 then
    io.stderr:write "usage: rille ps [PID]\n"
    return 2
  end
  local ok, stream = pcall(rille.net.connect, { path = ("%s/rille-%s.sock"):format(directory(), pid) })
  if not ok then
    io.stderr:write(("rille ps: %s does not answer (was it started with RILLE_PS=1?)\n"):format(pid))
    return 1
  end
  local _ <close> = stream
  print(stream:read "a")
  return 0
end
