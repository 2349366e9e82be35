--- What can be done with streams of every sort.
local stream = {}

--- Copies `source` to `sink` until the end of `source`. Waits, never holding more than a few chunks.
--- @async
--- @param source rille.Stream
--- @param sink rille.Stream
--- @return integer bytes copied
--- @raise the first error of either stream
function stream.copy(source, sink)
  if type(sink) ~= "userdata" and type(sink) ~= "table" then
    error("bad argument #2 to 'copy' (rille.Stream expected, got " .. type(sink) .. ")", 2)
  end
  local total = 0
  for chunk in source:chunks() do
    sink:write(chunk)
    total = total + #chunk
  end
  return total
end

return stream
