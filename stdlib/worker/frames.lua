-- What goes between a worker that is a process and its parent: frames of a length of 8 bytes and a message.
local shared = require "rille.native.shared"

local frames = {}

--- The next message of a connection, packed as a list; nil at its end. Waits.
--- @async
function frames.read(conn)
  local head = conn:read(8)
  if not head or #head < 8 then return nil end
  local size = string.unpack("<I8", head)
  local bytes = conn:read(size)
  if not bytes or #bytes < size then return nil end
  return table.pack(shared.unpack(bytes, true))
end

--- The bytes of a message; errors call the first of its values args[first].
function frames.pack(first, ...) return string.pack("<s8", shared.pack(first, ...)) end

return frames
