-- `rille types DIR`: definitions of the standard library for lua-language-server, made of its docstrings.
local definitions = require "rille.definitions"

local function write(path, text)
  local file, err = io.open(path, "w")
  if not file then
    return nil, err
  end
  file:write(text)
  return file:close()
end

return function(directory, ...)
  if not directory or directory:sub(1, 1) == "-" or select("#", ...) > 0 then
    io.stderr:write "usage: rille types DIR\n"
    return 2
  end
  local fs = require "rille.fs"
  local ok, err = pcall(fs.mkdir, directory .. "/rille", { parents = true })
  if not ok then
    io.stderr:write("rille types: ", tostring(err), "\n")
    return 1
  end
  local count = 0
  for name, text in pairs(definitions.all()) do
    local path = ("%s/%s.lua"):format(directory, name == "rille" and name or "rille/" .. name)
    local written, complaint = write(path, text)
    if not written then
      io.stderr:write("rille types: ", complaint, "\n")
      return 1
    end
    count = count + 1
  end
  print(("%d files in %s; for lua-language-server: \"workspace\": {\"library\": [\"%s\"]}"):format(count, directory, directory))
  return 0
end
