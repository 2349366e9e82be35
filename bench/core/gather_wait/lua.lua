-- gather of 10,000, the floor: coroutines that yield once.
local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
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
  local values = {}
  for i = 1, width do
    local co = create(functions[i])
    resume(co)
    values[i] = co
  end
  for i = 1, width do
    local _, value = resume(values[i])
    values[i] = value
  end
  assert(values[width] == width)
end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
