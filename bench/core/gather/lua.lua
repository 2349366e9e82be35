-- gather, the floor: a coroutine is made and resumed for each function.
local create, resume = coroutine.create, coroutine.resume
local n, width = tonumber(arg[1]), 10000

local functions = {}
for i = 1, width do functions[i] = function() return i end end

local began = os.clock()
for _ = 1, n // width do
  local values = {}
  for i = 1, width do
    local _, value = resume(create(functions[i]))
    values[i] = value
  end
  assert(values[width] == width)
end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
