-- rille.permitted: what the options --allow-... and --deny-... permit.
local native = require "rille.native.permit"

local permit = {}

--- Whether something is permitted: `rille.permitted("net", "example.com:443")`, `rille.permitted("read", "/etc")`.
--- Without the second argument: whether all of it is. A program without permissions may do everything. Asking is not
--- needed: what is not permitted raises DENIED, and does nothing.
--- @param kind "net"|"read"|"write"|"run"|"env"|"code"|"native"
--- @param what? string as the options take it: host:port, a path, a program, a variable
--- @return boolean permitted
--- @return string? why the option that forbids it, or that it needs
function permit.permitted(kind, what)
  return native.permitted(kind, what)
end

return permit
