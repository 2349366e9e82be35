-- generator: steps of a coroutine.wrap iterator inside a task. Argument: steps.
local wrap, yield = coroutine.wrap, coroutine.yield
local n = tonumber(arg[1])

local function count(last)
  return wrap(function()
    for i = 1, last do yield(i) end
  end)
end

local began = os.clock()
local sum = 0
for i in count(n) do sum = sum + i end
assert(sum == n * (n + 1) // 2)
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
