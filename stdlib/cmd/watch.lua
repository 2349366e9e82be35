-- `rille --watch script [args]`: runs it, and again whenever a Lua file changes.
return function(...)
  if select("#", ...) == 0 then
    io.stderr:write "usage: rille --watch script [args]\n"
    return 2
  end
  require("rille.restart").run { arg[-1] or "rille", ... }
  return 0
end
