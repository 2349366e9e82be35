-- spawn, the floor: a coroutine is made and resumed.
local n = tonumber(arg[1])

local began = os.clock()
for _ = 1, n do coroutine.resume(coroutine.create(coroutine.yield)) end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
