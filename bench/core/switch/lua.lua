-- switch, the floor: one coroutine resumed in a loop, without a scheduler.
local resume, yield = coroutine.resume, coroutine.yield
local n = tonumber(arg[1])
local co = coroutine.create(function()
  while true do yield() end
end)

local began = os.clock()
for _ = 1, n do resume(co) end
print(("ns %.2f"):format((os.clock() - began) / n * 1e9))
