-- rille.assets: files that come with a program: inside the executable once it is built, on disk before.
local program = require "rille.native.program"

local assets = {}

--- The contents of a file given to `rille build --asset`, or, in a script, of the file beside it.
--- @param name string
--- @return string
--- @raise ENOENT
function assets.read(name)
  local data = program.file("asset/" .. name)
  if data then
    return data
  end
  local directory = (arg and arg[0] or ""):match "^(.*/)" or ""
  return require("rille.fs").read(directory .. name)
end

return assets
