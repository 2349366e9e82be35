-- spawn, the floor: a coroutine is made and resumed.
local create, resume = coroutine.create, coroutine.resume
local n = tonumber(arg[1])

local function once() end

local began = os.clock()
for _ = 1, n do resume(create(once)) end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
