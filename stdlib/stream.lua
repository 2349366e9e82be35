--- What can be done with streams of every sort.
local stream = {}

-- Anything may be a stream that has the methods.
local function check(value, number)
  if type(value) ~= "userdata" and type(value) ~= "table" then
    error(("bad argument #%d to 'copy' (rille.Stream expected, got %s)"):format(number, type(value)), 3)
  end
end

--- Copies `source` to `sink` until the end of `source`. Waits, never holding more than a few chunks.
--- @async
--- @param source rille.Stream
--- @param sink rille.Stream
--- @return integer bytes copied
--- @raise the first error of either stream
function stream.copy(source, sink)
  check(source, 1)
  check(sink, 2)
  local total = 0
  for chunk in source:chunks() do
    sink:write(chunk)
    total = total + #chunk
  end
  return total
end

return stream
