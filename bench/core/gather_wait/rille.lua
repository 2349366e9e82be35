-- gather of 10,000 functions that wait once. Argument: functions in all.
local rille = require "rille"
local yield = rille.yield
local n, width = tonumber(arg[1]), 10000

local functions = {}
for i = 1, width do
  functions[i] = function()
    yield()
    return i
  end
end

local began = os.clock()
for _ = 1, n // width do
  local values = rille.gather(functions)
  assert(values[width] == width)
end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
